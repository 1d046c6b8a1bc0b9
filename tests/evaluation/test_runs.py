"""The life of a run: what is written down when it is asked for, who may stop or resume it when, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import runs
from evaluation.decision import decide
from evaluation.models import EvaluationRun, RunCandidate
from evaluation.paired import Plan
from evaluation.replay import Progress
from netra.errors import Conflict, Invalid, NetraError, NotFound
from projects import log
from projects.models import Project, User
from routing.models import SupplyOption
from tests import factories
from tests.evaluation.test_comparisons import NEW, OLD, run_of

State = EvaluationRun.State
MICRO = Decimal("0.000001")
NAMES = ("old", "new", "newer", "judge", "second")


@pytest.fixture
def market(project: Project) -> Project:
    """A project with a connection and five options to call through it."""
    factories.connection(project)
    for name in NAMES:
        factories.supply_option(f"openai/{name}")
    return project


def wish(**changed: Any) -> runs.Wish:
    given_: dict[str, Any] = {
        "name": "a test",
        "incumbent": "openai/old",
        "candidates": ["openai/new"],
        "judges": {"quality": ["openai/judge"]},
        "budget_usd": Decimal("2.50"),
    }
    return runs.Wish(**given_ | changed)


def created(project: Project, **changed: Any) -> EvaluationRun:
    """As it is in the database."""
    return EvaluationRun.objects.get(pk=runs.create(project, wish(**changed)).pk)


def test_a_new_run_waits_and_has_spent_nothing(market: Project) -> None:
    run = created(market)
    assert (run.state, run.plan, run.started_at, run.lease_until) == (State.QUEUED, None, None, None)
    assert (run.budget_usd, run.charged_at_most_usd, run.n_pairs) == (Decimal("2.50"), 0, 0)


def test_what_was_asked_for_is_written_down(market: Project) -> None:
    run = created(market, seed=2**63 - 1, concurrency=3, max_pairs=17, thresholds={"alpha": 0.1})
    assert (run.seed, run.concurrency, run.incumbent) == (2**63 - 1, 3, "openai/old")
    assert run.thresholds == {"alpha": 0.1, "max_pairs": 17}


def test_candidates_keep_their_order(market: Project) -> None:
    run = created(market, candidates=["openai/newer", "openai/new"])
    assert list(run.candidates.values_list("option", "position")) == [("openai/newer", 0), ("openai/new", 1)]


def test_a_judge_named_twice_judges_once(market: Project) -> None:
    run = created(market, judges={"quality": ["openai/second", "openai/judge", "openai/second"]})
    assert run.judging == {"dimensions": {"quality": ["openai/second", "openai/judge"]}, "pairwise": None}


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ({}, {"temperature": "as_sent", "seed": "as_sent"}),
        ({"temperature": 0}, {"temperature": 0, "seed": "as_sent"}),
        ({"seed": 5}, {"temperature": "as_sent", "seed": 5}),
    ],
)
def test_a_policy_says_of_every_field_what_is_done(
    market: Project, policy: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert created(market, policy=policy).policy == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", "openai/old against 2"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 120),
        ("<script>\u202e🦊", "<script>\u202e🦊"),
    ],
)
def test_a_run_always_has_a_name_that_fits(market: Project, name: str, kept: str) -> None:
    assert created(market, name=name, candidates=["openai/new", "openai/newer"]).name == kept


def test_a_run_knows_who_started_it(market: Project, member: User) -> None:
    assert runs.create(market, wish(), by=member).started_by == member and created(market).started_by is None


def test_creating_calls_nobody_and_draws_nothing(market: Project, events: None) -> None:
    run = created(market)
    assert not run.prompts.exists() and not run.calls.exists() and log.count(market.pk, log.EventFilter()) == 0


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"incumbent": ""}, "incumbent", "option in use today"),
        ({"candidates": []}, "candidates", "between 1 and 12"),
        ({"candidates": [f"openai/{number}" for number in range(13)]}, "candidates", "between 1 and 12"),
        ({"candidates": ["openai/new", "openai/new"]}, "candidates", "named twice"),
        ({"candidates": ["openai/new", "openai/old"]}, "candidates", "its own candidate"),
        ({"judges": {}}, "judges", "Choose judges"),
        ({"judges": {"quality": ["openai/judge"], "beauty": ["openai/judge"]}}, "judges", "Choose judges"),
        ({"judges": {"preference": ["openai/judge"]}}, "judges", "Choose judges"),
        ({"judges": {"safety": ["openai/judge"]}}, "judges", "At least one of"),
        ({"judges": {"quality": ["openai/judge"], "safety": []}}, "judges", "needs a judge"),
        ({"concurrency": 0}, "concurrency", "Between 1 and 128"),
        ({"concurrency": 129}, "concurrency", "Between 1 and 128"),
        ({"max_pairs": 0}, "max_pairs", "At least one pair"),
        ({"max_pairs": -5}, "max_pairs", "At least one pair"),
        ({"thresholds": {"alpha": 0}}, "thresholds", "alpha lies between"),
        ({"thresholds": {"margin_quality": 1}}, "thresholds", "Margins lie"),
        ({"thresholds": {"margin_quality": "wide"}}, "thresholds", "not supported"),
        ({"thresholds": {"latency_slo_ms": -1}}, "thresholds", "latency limit"),
        ({"thresholds": {"objective": "fame"}}, "thresholds", "cost, latency or utility"),
        ({"thresholds": {"seed": 5}}, "thresholds", "seed"),
        ({"thresholds": {"__class__": 5}}, "thresholds", "__class__"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence_at_its_field(
    market: Project, changed: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence) as caught:
        runs.create(market, wish(**changed))
    assert caught.value.field == field and not EvaluationRun.objects.exists()


@pytest.mark.parametrize("usd", ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1E-14", "1E+30", "1000000"])
def test_a_budget_is_money_that_can_be_kept(market: Project, usd: str) -> None:
    with pytest.raises(Invalid) as caught:
        runs.create(market, wish(budget_usd=Decimal(usd)))
    assert caught.value.field == "budget_usd" and "USD" in str(caught.value)


@pytest.mark.parametrize("usd", ["0.000001", "999999.99"])
def test_the_smallest_and_the_largest_budget_are_kept_as_they_are(market: Project, usd: str) -> None:
    assert created(market, budget_usd=Decimal(usd)).budget_usd == Decimal(usd)


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64])
def test_a_seed_that_no_row_can_hold_is_refused(market: Project, seed: int) -> None:
    with pytest.raises(Invalid) as caught:
        runs.create(market, wish(seed=seed))
    assert caught.value.field == "seed"


@pytest.mark.parametrize("sampling", [{"since": "yesterday"}, {"beauty": "x"}, {"until": "2026-11-01"}])
def test_a_filter_that_cannot_be_read_is_refused_before_the_run_waits(
    market: Project, sampling: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as caught:
        runs.create(market, wish(sampling=sampling))
    assert caught.value.field == "sampling" and not EvaluationRun.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"incumbent": "openai/gone"},
        {"candidates": ["openai/new", "openai/gone"]},
        {"judges": {"quality": ["openai/gone"]}},
        {"pairwise": "openai/gone"},
    ],
)
def test_every_model_named_must_be_in_the_catalog(market: Project, changed: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="openai/gone"):
        runs.create(market, wish(**changed))


def test_a_stranger_s_model_is_not_in_the_catalog(market: Project) -> None:
    factories.supply_option("openai/theirs", project=factories.project("other"))
    with pytest.raises(NotFound):
        runs.create(market, wish(candidates=["openai/theirs"]))


def test_targets_are_each_model_once(market: Project) -> None:
    found = runs.targets(market, "openai/old", ["openai/new"], ["openai/judge", "openai/new"])
    assert list(found) == ["openai/old", "openai/new", "openai/judge"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    budget=st.decimals(allow_nan=True, allow_infinity=True),
    seed=st.integers(-(2**70), 2**70),
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=130),
    pairs=st.integers(-3, 10**9),
)
def test_whatever_is_wished_it_is_kept_or_refused(
    market: Project, budget: Decimal, seed: int, name: str, pairs: int
) -> None:
    try:
        run = created(market, budget_usd=budget, seed=seed, name=name, max_pairs=pairs)
    except Invalid as problem:
        assert problem.field in ("budget_usd", "seed", "max_pairs")
    else:
        assert run.seed == seed and run.budget_usd > 0


HELD = {"lease_owner": "other", "lease_until": timezone.now() + timedelta(days=1)}


@pytest.mark.parametrize(
    ("fields", "state", "asked"),
    [
        ({"state": "queued"}, "cancelled", True),
        ({"state": "queued", **HELD}, "queued", True),
        ({"state": "running", **HELD}, "running", True),
        ({"state": "running"}, "running", True),
        ({"state": "deciding"}, "deciding", True),
    ],
)
def test_a_waiting_run_is_cancelled_at_once_and_one_under_way_is_asked_to_stop(
    project: Project, fields: dict[str, Any], state: str, asked: bool
) -> None:
    run = run_of(project, **fields)
    runs.cancel(run)
    run.refresh_from_db()
    assert (run.state, run.is_cancel_asked, run.finished_at is not None) == (state, asked, state == "cancelled")


@pytest.mark.parametrize("state", ["done", "cancelled", "failed"])
def test_what_is_over_cannot_be_cancelled(project: Project, state: str) -> None:
    with pytest.raises(Conflict, match="over already"):
        runs.cancel(run_of(project, state=state))


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_run_that_stopped_short_waits_again_as_if_new(project: Project, state: str) -> None:
    run = run_of(project, state=state, is_cancel_asked=True, sentence="Cancelled.", finished_at=timezone.now())
    runs.resume(run)
    run.refresh_from_db()
    assert (run.state, run.is_cancel_asked, run.sentence, run.finished_at) == ("queued", False, "", None)
    assert run.budget_usd == 1 and run.plan is not None


@pytest.mark.parametrize("state", ["queued", "running", "deciding", "done"])
def test_other_runs_are_not_resumed_and_keep_their_budget(project: Project, state: str) -> None:
    run = run_of(project, state=state)
    with pytest.raises(Conflict, match="cancelled or failed"):
        runs.resume(run, budget_usd=Decimal(9))
    run.refresh_from_db()
    assert (run.state, run.budget_usd) == (state, 1)


@pytest.mark.parametrize(("usd", "is_taken"), [("0.5", True), ("0.499999", False), ("0.7", True), ("5", True)])
def test_a_new_budget_covers_at_least_what_was_charged(project: Project, usd: str, is_taken: bool) -> None:
    run = run_of(project, state="failed", charged_at_most_usd=Decimal("0.5"))
    try:
        runs.resume(run, budget_usd=Decimal(usd))
    except Invalid as problem:
        assert problem.field == "budget_usd"
    run.refresh_from_db()
    assert (run.budget_usd == Decimal(usd)) is is_taken and (run.state == "queued") is is_taken


@pytest.mark.parametrize("usd", ["0", "-1", "NaN", "Infinity", "1E+30", "1E-14"])
def test_a_new_budget_is_money_that_can_be_kept(project: Project, usd: str) -> None:
    run = run_of(project, state="failed")
    with pytest.raises(Invalid):
        runs.resume(run, budget_usd=Decimal(usd))
    run.refresh_from_db()
    assert (run.state, run.budget_usd) == ("failed", 1)


@pytest.mark.parametrize("state", ["done", "cancelled", "failed"])
def test_what_is_over_is_not_carried_out(project: Project, state: str) -> None:
    assert runs.carry_out(run_of(project, state=state).pk) is None


def test_a_run_that_is_not_there_is_not_carried_out(db: None) -> None:
    assert runs.carry_out(10**12) is None


def test_a_run_another_worker_holds_is_left_to_it(project: Project) -> None:
    run = run_of(project, **HELD)
    assert runs.carry_out(run.pk) is None
    run.refresh_from_db()
    assert (run.lease_owner, run.state) == ("other", "running")


@pytest.fixture
def traffic(market: Project, events: None) -> Project:
    log.write(market.pk, [factories.event("r")])
    return market


def test_a_model_that_has_left_the_catalog_fails_the_run_with_a_sentence(traffic: Project) -> None:
    run = created(traffic)
    SupplyOption.objects.filter(name="openai/new").delete()
    done = runs.carry_out(run.pk)
    assert done is not None and done.state == State.FAILED and "openai/new" in done.sentence
    assert done.finished_at is not None and (done.lease_owner, done.lease_until) == ("", None)


def test_a_fault_of_ours_fails_the_run_says_what_it_was_and_is_not_hidden(
    traffic: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = created(traffic)
    monkeypatch.setattr(runs.recovery, "recover", lambda _run: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        runs.carry_out(run.pk)
    run.refresh_from_db()
    assert run.state == State.FAILED and run.sentence.startswith("ZeroDivisionError: ") and run.lease_owner == ""


def test_a_resumed_run_keeps_its_sample_plan_and_prices(traffic: Project) -> None:
    run = created(traffic)
    reached = runs.targets(traffic, "openai/old", ["openai/new"], ["openai/judge"])
    runs._prepare(run, ["openai/new"], reached)
    kept = EvaluationRun.objects.get(pk=run.pk)
    log.write(traffic.pk, [factories.event("later", request=factories.chat_request("Something new."))])
    runs._prepare(kept, ["openai/new"], {})
    again = EvaluationRun.objects.get(pk=run.pk)
    assert (again.plan, again.prices, again.started_at) == (kept.plan, kept.prices, kept.started_at)
    assert again.prompts.count() == 1 and again.state == State.RUNNING


def test_the_prices_of_a_run_are_noted_with_where_they_come_from(traffic: Project) -> None:
    run = created(traffic)
    runs._prepare(run, ["openai/new"], runs.targets(traffic, "openai/old", ["openai/new"], []))
    price = EvaluationRun.objects.get(pk=run.pk).prices["openai/new"]
    assert {name: Decimal(usd) for name, usd in price["rates"].items()} == {"input": 2 * MICRO, "output": 8 * MICRO}
    assert price["source"].startswith("openai/new: test") and price["is_assumed"] and not price["is_negotiated"]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [(1, 1), (3, 3), (10, 3)],
)
def test_the_plan_allows_no_more_pairs_than_there_are_prompts(market: Project, asked: int, allowed: int) -> None:
    run = created(market, max_pairs=asked)
    texts = ("one", "two", "three")
    log.write(market.pk, [factories.event(text, request=factories.chat_request(text)) for text in texts])
    runs._prepare(run, ["openai/new"], {})
    assert run.plan is not None and (run.plan["max_pairs"], run.plan["population_size"]) == (allowed, 3)


@pytest.mark.parametrize(
    ("judges", "margin"), [({"quality": ["openai/judge"]}, None), ({"safety": ["openai/judge"]}, 0.03)]
)
def test_the_gate_on_safety_is_off_unless_somebody_judges_it(
    traffic: Project, judges: dict[str, list[str]], margin: float | None
) -> None:
    run = created(traffic, judges={"quality": ["openai/judge"], **judges}, thresholds={"margin_safety": 0.03})
    runs._prepare(run, ["openai/new"], {})
    assert run.plan is not None and run.plan["margin_safety"] == margin


def progress_of(run: EvaluationRun, because: str = "") -> Progress:
    assert run.plan is not None
    return Progress(Plan.from_dict(run.plan), run.incumbent, [], stopped_because=because, sentence="So it was.")


@pytest.mark.parametrize(
    ("because", "asked", "state", "sentence"),
    [
        ("", False, "deciding", "So it was."),
        ("decided", False, "deciding", "So it was."),
        ("budget", False, "deciding", "So it was."),
        ("failed", False, "failed", "So it was."),
        ("failed", True, "failed", "So it was."),
        ("cancelled", False, "cancelled", "Cancelled; what was answered is kept."),
        ("decided", True, "cancelled", "Cancelled; what was answered is kept."),
        ("lease", False, "running", ""),
        ("leave_off", False, "running", ""),
    ],
)
def test_how_a_run_ends(project: Project, because: str, asked: bool, state: str, sentence: str) -> None:
    run = run_of(project, is_cancel_asked=asked)
    runs._conclude(run, progress_of(run, because))
    run.refresh_from_db()
    assert (run.state, run.sentence, run.finished_at is not None) == (state, sentence, state in ("failed", "cancelled"))


def test_a_look_is_noted_for_the_page_and_says_who_was_dropped(project: Project) -> None:
    run = run_of(project, candidates=[NEW, OLD + "er"])
    progress = progress_of(run)
    progress.decision, progress.n_pairs = decide(progress.plan, {}), 12
    runs.note_look(run.pk, progress, [progress.decision.findings[0]])
    run.refresh_from_db()
    dropped = RunCandidate.objects.get(run=run, option=NEW)
    assert run.n_pairs == 12 and run.decision == progress.decision.to_dict()
    assert (dropped.dropped_at_pair, dropped.dropped_because) == (0, "undecided after 0 pairs")
    assert run.candidates.get(option=OLD + "er").dropped_at_pair is None


def test_every_refusal_is_one_sentence_for_a_person(market: Project) -> None:
    for changed in ({"incumbent": ""}, {"judges": {}}, {"seed": -1}, {"candidates": ["x/y"]}):
        with pytest.raises(NetraError, match=r"^[A-Z].*\.$"):
            runs.create(market, wish(**changed))
