"""A run's sample: which calls may be drawn, what is kept of the draw, and nothing of anybody else's log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.models import EvaluationRun, SampledPrompt
from evaluation.sampling import draw_sample, population, wanted_events
from netra.errors import Invalid
from projects import log
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories

NOON = factories.NOON
LATEST = "9999-12-31T23:59:59-14:00"  # west of Greenwich: beyond the last day that can be written


def asked(number: int, **fields: Any) -> WorkloadEvent:
    """One call with a prompt of its own, a minute after the one before."""
    request = factories.chat_request(f"What is {number} + {number}?")
    return factories.event(
        f"r-{number}", **{"request": request, "started_at": NOON + timedelta(minutes=number)} | fields
    )


def run_of(project: Project, **fields: Any) -> EvaluationRun:
    given_: dict[str, Any] = {
        "name": "a run",
        "incumbent": "a/b",
        "budget_usd": Decimal(1),
        "concurrency": 1,
        "seed": 3,
    }
    return EvaluationRun.objects.create(project=project, **given_ | fields)


@pytest.fixture
def logged(project: Project, events: None) -> list[str]:
    """Thirty distinct prompts, a minute apart from noon on; their event ids in that order."""
    return log.write(project.pk, [asked(number) for number in range(30)]).ids


def ids(project: Project, **sampling: Any) -> list[str]:
    return [each["event_id"] for each in population(project.pk, sampling)]


def test_without_a_filter_every_replayable_call_may_be_drawn(project: Project, logged: list[str]) -> None:
    assert ids(project) == logged


def test_since_is_taken_and_until_is_not(project: Project, logged: list[str]) -> None:
    """From minute 10 up to, but without, minute 13."""
    assert ids(project, since="2026-11-02T12:10:00Z", until="2026-11-02T12:13:00Z") == logged[10:13]


def test_a_time_is_read_in_its_own_zone(project: Project, logged: list[str]) -> None:
    """14:10 two hours east of Greenwich is 12:10 there."""
    assert ids(project, since="2026-11-02T14:10:00+02:00") == logged[10:]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18"])
def test_a_model_is_the_one_asked_for_or_the_one_that_served(project: Project, events: None, model: str) -> None:
    other = asked(2, requested_model="else", served_model="else-1")
    report = log.write(project.pk, [asked(1), other])
    assert ids(project, model=model) == report.ids[:1]


def test_a_kind_is_what_the_log_says_the_call_is_for(project: Project, events: None) -> None:
    report = log.write(project.pk, [asked(1, metadata={"feature": "billing"}), asked(2, metadata={"feature": "chat"})])
    assert ids(project, kind="billing") == report.ids[:1]


@pytest.mark.parametrize("empty", [{"model": ""}, {"kind": None}, {"since": ""}, {"until": None}, {"drawn_from": {}}])
def test_an_empty_filter_asks_nothing(project: Project, logged: list[str], empty: dict[str, Any]) -> None:
    assert ids(project, **empty) == logged


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 --", "{project_id:UInt64}", "\\", "%", "\U0001f600", "a\tb\nc", "🦊' /*"]
)
def test_what_looks_like_sql_is_only_a_name_nobody_has(project: Project, logged: list[str], hostile: str) -> None:
    assert ids(project, model=hostile) == ids(project, kind=hostile) == []


@pytest.mark.parametrize(
    "event",
    [
        asked(50, request=None),
        asked(50, request={"model": "m", "messages": []}),
        asked(50, operation="embedding"),
        asked(50, flags=frozenset({"redacted"})),
        asked(50, purpose="replay"),
        asked(50, purpose="judge"),
    ],
    ids=["no request", "no messages", "embedding", "redacted", "replay", "judge"],
)
def test_what_cannot_be_asked_again_or_was_our_own_is_not_drawn(
    project: Project, logged: list[str], event: WorkloadEvent
) -> None:
    log.write(project.pk, [event])
    assert ids(project) == logged


def test_a_corrected_call_counts_once_in_its_newest_version(project: Project, logged: list[str]) -> None:
    log.write(project.pk, [asked(4, served_model="a-newer-one")])
    assert ids(project) == logged and ids(project, model="a-newer-one") == [logged[4]]


def test_a_stranger_project_s_calls_are_not_drawn(project: Project, logged: list[str]) -> None:
    other = factories.project("other")
    theirs = log.write(other.pk, [asked(99)]).ids
    assert ids(other) == theirs and not set(theirs) & set(ids(project))


@pytest.mark.parametrize(
    "bad",
    ["yesterday", "2026-11-01T00:00:00", "2026-11-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "\x00", "NaN"],
)
@pytest.mark.parametrize("name", ["since", "until"])
def test_a_time_without_zone_or_sense_is_refused_by_name(name: str, bad: str) -> None:
    with pytest.raises(Invalid, match=f"{name} must be a time with its zone") as caught:
        wanted_events({name: bad})
    assert caught.value.field == "sampling"


@pytest.mark.parametrize("bad", [5, True, ["2026-11-01T00:00:00Z"], {"at": 1}, 1.5])
def test_a_time_that_is_no_text_is_refused(bad: Any) -> None:
    with pytest.raises(Invalid, match="since must be"):
        wanted_events({"since": bad})


@pytest.mark.parametrize("name", ["purpose", "is_replayable", "user_id", "beauty", ""])
def test_an_unknown_filter_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Invalid, match="kind, model, since, until") as caught:
        wanted_events({name: "x"})
    assert repr(name) in str(caught.value)


@given(st.integers(-2_000_000_000, 7_000_000_000))
def test_every_time_with_a_zone_is_read_as_it_was_written(seconds: int) -> None:
    """From the year 1906 to the year 2191."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert wanted_events({"until": at.isoformat()}).until == at


@given(
    st.dictionaries(
        st.sampled_from(["since", "until", "model", "kind"]), st.text(max_size=30) | st.none() | st.integers()
    )
)
def test_a_filter_is_read_or_refused_and_never_a_crash(sampling: dict[str, Any]) -> None:
    try:
        found = wanted_events(sampling)
    except Invalid as problem:
        assert problem.field == "sampling"
    else:
        assert found.since is None or found.since.tzinfo is not None


@pytest.mark.parametrize(("n", "concurrency", "kept"), [(5, 2, 13), (5, 1, 9), (20, 1, 24), (29, 8, 30), (100, 1, 30)])
def test_some_prompts_are_drawn_to_spare(
    project: Project, logged: list[str], n: int, concurrency: int, kept: int
) -> None:
    """Four a place, or a tenth: 5 + 8, 5 + 4, 20 + 4 (a tenth would be 2); never more than the thirty there are."""
    run = run_of(project, concurrency=concurrency)
    assert len(draw_sample(run, n=n).prompts) == run.prompts.count() == kept


def test_a_tenth_is_to_spare_where_that_is_more_than_four_a_place(project: Project, events: None) -> None:
    """50 and a tenth of it: 55 of the 60 there are."""
    log.write(project.pk, [asked(number) for number in range(60)])
    assert len(draw_sample(run_of(project), n=50).prompts) == 55


def test_the_sample_is_written_down_in_its_order(project: Project, logged: list[str]) -> None:
    run = run_of(project)
    sample = draw_sample(run, n=10)
    rows = list(SampledPrompt.objects.filter(run=run))
    assert [row.event_id for row in rows] == [prompt.event_id for prompt in sample.prompts]
    assert [row.position for row in rows] == list(range(14))


def test_a_kept_prompt_has_its_stratum_hash_and_covariates(project: Project, logged: list[str]) -> None:
    run = run_of(project)
    drawn, row = draw_sample(run, n=1).prompts[0], run.prompts.get(position=0)
    assert (row.stratum, row.prompt_hash, row.covariates) == (drawn.stratum, drawn.prompt_hash, list(drawn.covariates))
    assert row.stratum == "no system prompt · short · gpt-4o-mini-2024-07-18" and row.content_hash == ""


def test_what_it_was_drawn_from_is_noted_beside_the_filter(project: Project, logged: list[str]) -> None:
    """Thirty prompts and one of them again: 31 calls, 30 distinct, in one stratum."""
    log.write(project.pk, [asked(77, request=factories.chat_request("What is 5 + 5?"))])
    run = run_of(project, sampling={"model": "gpt-4o-mini"})
    draw_sample(run, n=3)
    run.refresh_from_db()
    noted = run.sampling["drawn_from"]
    assert run.sampling["model"] == "gpt-4o-mini" and (noted["n_calls"], noted["n_distinct"]) == (31, 30)
    assert noted["strata"] == {"no system prompt · short · gpt-4o-mini-2024-07-18": 30}


def test_a_run_that_noted_its_draw_can_be_read_again(project: Project, logged: list[str]) -> None:
    run = run_of(project)
    draw_sample(run, n=3)
    assert len(population(run.project_id, run.sampling)) == 30


def test_the_same_seed_draws_the_same_prompts_and_another_seed_others(project: Project, logged: list[str]) -> None:
    one, same, other = (draw_sample(run_of(project, seed=seed), n=20).prompts for seed in (3, 3, 4))
    assert one == same != other


def test_a_filter_that_nothing_meets_draws_nothing(project: Project, logged: list[str]) -> None:
    run = run_of(project, sampling={"kind": "nothing of the kind"})
    sample = draw_sample(run, n=10)
    assert (sample.population_size, run.prompts.count(), run.sampling["drawn_from"]["strata"]) == (0, 0, {})


@pytest.mark.parametrize("bad", ["0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z", "1900-01-01T00:00:00+14:00", LATEST])
def test_a_time_that_the_store_cannot_hold_is_refused_and_not_called_an_outage(bad: str) -> None:
    with pytest.raises(Invalid, match="must be a time"):
        wanted_events({"until": bad})


@pytest.mark.parametrize("sampling", [{"since": "1900-01-02T00:00:00Z"}, {"until": "9999-12-31T23:59:59Z"}])
def test_a_bound_beyond_all_calls_leaves_none_out(
    project: Project, logged: list[str], sampling: dict[str, str]
) -> None:
    assert ids(project, **sampling) == logged


@pytest.mark.parametrize("sampling", [{"until": "1900-01-02T00:00:00Z"}, {"since": "9999-12-31T23:59:59Z"}])
def test_a_bound_before_or_after_all_calls_leaves_none(
    project: Project, logged: list[str], sampling: dict[str, str]
) -> None:
    assert ids(project, **sampling) == []
