"""What pages and the API read of runs and recommendations, charts included; nothing of anybody else's."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from evaluation import pictures, reading
from evaluation.models import EvaluationRun, Recommendation
from netra.errors import NotFound
from projects import log
from projects.models import Project
from tests import factories
from tests.evaluation.test_comparisons import NEW, NEWER, OLD, answer, run_of, scored, verdict

ABSENT = 10**12


@pytest.fixture
def run(project: Project) -> EvaluationRun:
    return run_of(project)


def advice(run: EvaluationRun, **fields: Any) -> Recommendation:
    given_: dict[str, Any] = {
        "verdict": "KEEP",
        "incumbent": run.incumbent,
        "sentence": "Keep it.",
        "decision": {"findings": []},
        "pack": "{}",
        "pack_sha256": "0" * 64,
        "expires_at": timezone.now() + timedelta(days=30),
    }
    return Recommendation.objects.create(project=run.project, run=run, **given_ | fields)


def test_a_run_is_found_in_its_project_only(run: EvaluationRun) -> None:
    assert reading.run_of(run.project, run.pk) == run
    with pytest.raises(NotFound, match="no such evaluation in this project"):
        reading.run_of(factories.project("other"), run.pk)


def test_a_recommendation_is_found_in_its_project_only(run: EvaluationRun) -> None:
    found = advice(run)
    assert reading.recommendation_of(run.project, found.pk) == found
    with pytest.raises(NotFound, match="no such recommendation in this project"):
        reading.recommendation_of(factories.project("other"), found.pk)


@pytest.mark.parametrize("pk", [0, -1, ABSENT])
def test_what_is_not_there_is_not_found(project: Project, pk: int) -> None:
    for find in (reading.run_of, reading.recommendation_of):
        with pytest.raises(NotFound):
            find(project, pk)


def test_the_latest_recommendation_is_the_newest_of_this_project(run: EvaluationRun) -> None:
    now = timezone.now()
    newest = advice(run, created_at=now)
    advice(run, created_at=now - timedelta(days=1))
    advice(run_of(factories.project("other")), created_at=now + timedelta(days=1))
    assert reading.latest(run.project) == newest


def test_without_a_recommendation_there_is_no_latest(project: Project) -> None:
    advice(run_of(factories.project("other")))
    assert reading.latest(project) is None


def test_progress_counts_calls_by_state_and_verdicts(run: EvaluationRun) -> None:
    scored(run, 0, OLD)
    verdict(answer(run, 0, NEW), None, unscored_because="not_json")
    answer(run, 1, OLD, state="in_flight")
    told = reading.progress(run)
    assert told["states"] == {"in_flight": 1, "done": 2, "failed": 0, "interrupted": 0}
    assert (told["n_judgements"], told["n_unscored"]) == (2, 1)


@pytest.mark.parametrize(
    ("fields", "share_pairs", "share_spent"),
    [
        ({"n_pairs": 3, "budget_usd": Decimal(2), "charged_at_most_usd": Decimal("0.5")}, 1.0, 0.25),
        ({"n_pairs": 0}, 0.0, 0.0),
        ({"plan": None}, None, 0.0),
        ({"budget_usd": Decimal(0)}, 0.0, None),
    ],
)
def test_progress_is_told_in_shares_where_there_is_a_whole(
    project: Project, fields: dict[str, Any], share_pairs: float | None, share_spent: float | None
) -> None:
    """Three of the three pairs allowed; 0.50 of 2.00 USD."""
    told = reading.progress(run_of(project, **fields))
    assert (told["share_pairs"], told["share_spent"]) == (share_pairs, share_spent)


def test_progress_is_of_this_run_alone(run: EvaluationRun, project: Project) -> None:
    scored(run_of(project), 0, OLD)
    told = reading.progress(run)
    assert sum(told["states"].values()) == told["n_judgements"] == 0


def shown(run: EvaluationRun, **wanted: Any) -> list[tuple[int, str]]:
    return [(call.prompt.position, call.option) for call in reading.calls(run, wanted)["calls"]]


def test_calls_come_in_the_order_of_the_prompts(run: EvaluationRun) -> None:
    for position, option in ((2, OLD), (0, NEW), (0, OLD)):
        answer(run, position, option)
    assert shown(run) == [(0, NEW), (0, OLD), (2, OLD)]


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        ({"lane": "candidate"}, [1]),
        ({"state": "failed"}, [2]),
        ({"option": OLD}, [0, 2]),
        ({"option": OLD, "state": "done"}, [0]),
        ({"option": "' OR 1=1 --"}, []),
        ({"unheard_of": "x"}, [0, 1, 2]),
    ],
)
def test_calls_are_narrowed_by_what_is_asked(run: EvaluationRun, wanted: dict[str, str], positions: list[int]) -> None:
    answer(run, 0, OLD)
    answer(run, 1, NEW)
    answer(run, 2, OLD, state="failed")
    assert [position for position, _ in shown(run, **wanted)] == positions


PAGES = [(3, 0, 3, None), (100, 0, 100, None), (101, 0, 100, 100), (101, 100, 1, None), (3, 999, 0, None)]


@pytest.mark.parametrize(("n", "start", "on_page", "next_start"), PAGES)
def test_calls_are_paged_by_a_hundred(
    project: Project, n: int, start: int, on_page: int, next_start: int | None
) -> None:
    run = run_of(project, n=1)
    prompt, table = run.prompts.get(), run.calls.model
    lane = {"lane": "candidate", "option": NEW, "state": "done"}
    table.objects.bulk_create(table(run=run, prompt=prompt, call_key=f"k-{at}", **lane) for at in range(n))
    told = reading.calls(run, {"start": start})
    assert (len(told["calls"]), told["n_calls"], told["next_start"]) == (on_page, n, next_start)


def test_a_page_of_calls_takes_three_queries_however_many(run: EvaluationRun, django_assert_num_queries: Any) -> None:
    for position in range(3):
        scored(run, position, OLD)
    with django_assert_num_queries(3):
        told = reading.calls(run, {})
        assert [len(call.judgements.all()) + call.prompt.position for call in told["calls"]] == [1, 2, 3]


def test_calls_of_another_run_are_not_on_the_page(run: EvaluationRun, project: Project) -> None:
    answer(run_of(project), 0, OLD)
    assert shown(run) == []


@pytest.fixture
def told(run: EvaluationRun, events: None) -> Recommendation:
    """Three prompts that are in the log, answered by both lanes."""
    made = [factories.event(f"r-{number}", request=factories.chat_request(f"Question {number}")) for number in range(3)]
    for position, event_id in enumerate(log.write(run.project_id, made).ids):
        run.prompts.filter(position=position).update(event_id=event_id)
        for option in (OLD, NEW):
            scored(run, position, option)
    return advice(run)


def finding(*influential: int, candidate: str = NEW) -> dict[str, Any]:
    return {"candidate": candidate, "influential": list(influential)}


def test_pairs_stand_side_by_side_in_the_order_of_their_weight(told: Recommendation) -> None:
    found = reading.side_by_side(told, finding(2, 0))
    assert [each["position"] for each in found] == [2, 0]
    assert [each["messages"][0]["content"] for each in found] == ["Question 2", "Question 0"]


def test_each_pair_has_both_answers_and_what_was_said_of_them(told: Recommendation) -> None:
    (pair,) = reading.side_by_side(told, finding(1))
    assert (pair["incumbent"].text, pair["candidate"].text) == ("a/old at 1", "a/new at 1")
    assert [each.score for each in pair["candidate"].judgements.all()] == [0.5]


def test_a_candidate_that_did_not_answer_leaves_its_side_empty(told: Recommendation) -> None:
    (pair,) = reading.side_by_side(told, finding(1, candidate=NEWER))
    assert pair["candidate"] is None and pair["incumbent"].option == OLD


@pytest.mark.parametrize("event_id", ["no-such-event", ""])
def test_a_prompt_that_left_the_log_is_shown_without_its_words(told: Recommendation, event_id: str) -> None:
    told.run.prompts.update(event_id=event_id)
    assert reading.side_by_side(told, finding(0))[0]["messages"] == []


def test_a_prompt_in_a_stranger_s_log_is_shown_without_its_words(told: Recommendation) -> None:
    secret = factories.event("s", request=factories.chat_request("A stranger's secret"))
    theirs = log.write(factories.project("other").pk, [secret]).ids[0]
    told.run.prompts.filter(position=0).update(event_id=theirs)
    assert reading.side_by_side(told, finding(0))[0]["messages"] == []


def test_places_beyond_the_sample_are_passed_over(told: Recommendation) -> None:
    assert [each["position"] for each in reading.side_by_side(told, finding(99, 1, -1))] == [1]


@pytest.mark.parametrize("made", [{"candidate": NEW}, {"candidate": NEW, "influential": None}, finding()])
def test_without_telling_pairs_none_are_shown(told: Recommendation, made: dict[str, Any]) -> None:
    assert reading.side_by_side(told, made) == []


def test_at_most_six_pairs_are_shown(project: Project, events: None) -> None:
    run = run_of(project, n=8)
    assert len(reading.side_by_side(advice(run), finding(*range(8)))) == 6


def a_gate(name: str = "quality", **fields: Any) -> dict[str, Any]:
    return {"name": name, "estimate": 0.01, "low": -0.02, "high": 0.04} | fields


def a_finding(candidate: str = NEW, *gates: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given_ = {"mean_cost_usd": "0.002", "incumbent_cost_usd": "0.005", "trajectory": [[1, 1.0], [2, 3.0]]}
    return {"candidate": candidate, "gates": list(gates) or [a_gate()], **given_, **fields}


def columns(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """The data behind every glyph of a chart, wherever Bokeh keeps it."""
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("name") == "ColumnDataSource":
                found.append(dict(value["attributes"]["data"]["entries"]))
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(drawn)
    return found


def chart(run: EvaluationRun, name: str, *findings: dict[str, Any], scheme: str = "light") -> dict[str, Any]:
    return pictures.chart(advice(run, decision={"findings": list(findings)}), name, scheme)


def test_the_trade_off_is_in_dollars_a_thousand_and_points(run: EvaluationRun) -> None:
    """0.002 USD a call are 2 a thousand, 0.01 is one point; the incumbent stands at 5 on the zero line."""
    own, rival = sorted(columns(chart(run, "trade-off", a_finding())), key=lambda each: each["name"] == ["new"])
    assert (rival["x"], rival["y"], rival["low"], rival["high"]) == ([2.0], [1.0], [-2.0], [4.0])
    assert (own["name"], own["x"], own["y"]) == (["incumbent"], [5.0], [0.0])


def test_a_model_is_named_without_its_provider(run: EvaluationRun) -> None:
    drawn = chart(run, "trade-off", a_finding("router/openai/gpt-x"), a_finding("bare"))
    assert ["gpt-x", "bare"] in [each["name"] for each in columns(drawn)]


@pytest.mark.parametrize(
    "unknown",
    [
        a_finding(mean_cost_usd=None),
        a_finding(incumbent_cost_usd=None),
        a_finding(NEW, a_gate(low=None)),
        a_finding(NEW, a_gate(estimate=None)),
        a_finding(NEW, a_gate("safety")),
    ],
    ids=["cost", "today's cost", "interval", "quality", "no gate of quality"],
)
def test_what_is_not_known_is_not_drawn_as_zero(run: EvaluationRun, unknown: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="not known"):
        chart(run, "trade-off", unknown)


def test_one_unknown_candidate_does_not_hide_the_others(run: EvaluationRun) -> None:
    drawn = chart(run, "trade-off", a_finding(NEWER, mean_cost_usd=None), a_finding(NEW))
    assert ["new"] in [each["name"] for each in columns(drawn)]


def test_evidence_is_drawn_for_every_candidate_up_to_what_convinces(run: EvaluationRun) -> None:
    """Two candidates at α = 0.05: 2 / 0.05 = 40; drawn from 1/40 to three times 40, the value itself kept."""
    high, low = a_finding(NEW, trajectory=[[5, 1e9]]), a_finding(NEWER, trajectory=[[5, 1e-9]])
    first, second = columns(chart(run, "evidence", high, low))
    assert (first["y"], first["e"], second["y"], second["e"]) == ([120.0], [1e9], [1 / 40], [1e-9])


@pytest.mark.parametrize("path", [None, [], [[1, None]]])
def test_a_candidate_without_evidence_is_an_empty_line(run: EvaluationRun, path: Any) -> None:
    (drawn,) = columns(chart(run, "evidence", a_finding(trajectory=path)))
    assert drawn["n"] == drawn["y"] == []


@pytest.mark.parametrize("name", ["", "secrets", "evidence/", "EVIDENCE", "../evidence"])
def test_other_names_are_no_chart(run: EvaluationRun, name: str) -> None:
    with pytest.raises(NotFound, match="no such chart"):
        chart(run, name, a_finding())


@pytest.mark.parametrize("name", ["evidence", "trade-off"])
def test_without_findings_there_is_no_chart(run: EvaluationRun, name: str) -> None:
    with pytest.raises(NotFound):
        chart(run, name)


def test_without_a_plan_there_is_no_goal_to_draw_evidence_against(project: Project) -> None:
    with pytest.raises(NotFound):
        chart(run_of(project, plan=None), "evidence", a_finding())


@pytest.mark.parametrize("scheme", ["dark", "light", "", "neon", "<script>"])
def test_any_scheme_gets_a_chart_and_only_dark_is_dark(run: EvaluationRun, scheme: str) -> None:
    drawn = json.dumps(chart(run, "trade-off", a_finding(), scheme=scheme))
    assert ("#5cc4bd" in drawn) is (scheme == "dark") and "neon" not in drawn


@given(st.text(max_size=40))
def test_a_short_name_is_the_end_of_the_whole_one(name: str) -> None:
    short = pictures._short({"candidate": f"provider/{name}"})
    assert name.endswith(short) and "/" not in short
