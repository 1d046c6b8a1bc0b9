"""After a kill: what was under way is booked at its worst and told in the log, once, and only this run's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import recovery
from evaluation.models import EvaluationRun, Judgement, PairwiseJudgement, ReplayCall
from netra.tokens import Tokens
from projects import log
from projects.models import Project
from tests import factories
from tests.evaluation.test_comparisons import NEW, OLD, answer, preference, run_of, verdict

CENT = Decimal("0.01")
NOON = factories.NOON
IN_FLIGHT = {"state": "in_flight", "reserved_usd": CENT, "started_at": NOON}


@pytest.fixture
def run(project: Project, events: None) -> EvaluationRun:
    """A dollar, of which ten cents were charged, eight of them for sure."""
    return run_of(project, charged_at_most_usd=10 * CENT, spent_usd=8 * CENT)


def reserved(run: EvaluationRun, usd: Decimal) -> None:
    EvaluationRun.objects.filter(pk=run.pk).update(reserved_usd=usd)


def one_of_each(run: EvaluationRun) -> list[Any]:
    """An answer, a verdict and a preference, all in flight, with a cent reserved each."""
    old, new = answer(run, 0, OLD, event_id="there"), answer(run, 0, NEW, event_id="there")
    rows = [answer(run, 1, OLD, **IN_FLIGHT), verdict(old, None, **IN_FLIGHT)]
    rows.append(preference(old, new, "", first=True, **IN_FLIGHT))
    reserved(run, 3 * CENT)
    return rows


def event_of(row: Any) -> dict[str, Any]:
    row.refresh_from_db()
    return log.event(row.run.project_id, row.event_id)


def count(run: EvaluationRun, **wanted: Any) -> int:
    return log.count(run.project_id, log.EventFilter(**wanted))


def test_what_was_in_flight_of_every_kind_is_booked(run: EvaluationRun) -> None:
    one_of_each(run)
    assert recovery.recover(run) == 3
    run.refresh_from_db()
    assert (run.charged_at_most_usd, run.reserved_usd, run.spent_usd) == (13 * CENT, 0, 8 * CENT)


def test_each_row_says_that_it_was_interrupted_and_costs_its_worst(run: EvaluationRun) -> None:
    one_of_each(run)
    recovery.recover(run)
    for table in recovery.TABLES:
        row = table.objects.get(state="interrupted")
        assert (row.charged_at_most_usd, row.reserved_usd, row.cost_usd) == (CENT, 0, None)
        assert (row.error_code, row.error) == ("interrupted", recovery.INTERRUPTED) and row.ended_at


def test_interrupted_verdicts_are_unscored_with_that_reason(run: EvaluationRun) -> None:
    one_of_each(run)
    recovery.recover(run)
    assert Judgement.objects.get(state="interrupted").unscored_because == "interrupted"
    assert PairwiseJudgement.objects.get().unscored_because == "interrupted"


def test_recovering_again_books_and_logs_nothing_more(run: EvaluationRun) -> None:
    one_of_each(run)
    recovery.recover(run)
    run.refresh_from_db()
    before, n_events = run.charged_at_most_usd, count(run)
    assert recovery.recover(run) == 0
    run.refresh_from_db()
    assert (run.charged_at_most_usd, count(run)) == (before, n_events) == (13 * CENT, 3)


def test_a_judge_killed_in_the_second_asking_is_booked_at_both_worst_cases(run: EvaluationRun) -> None:
    """The first asking cost a tenth of a cent of its cent; the row holds both reservations, which cover it."""
    first = {"charged_at_most_usd": CENT / 10, "cost_usd": CENT / 10, "unscored_because": "not_json"}
    verdict(answer(run, 0, OLD), None, **{**IN_FLIGHT, **first, "reserved_usd": 2 * CENT})
    reserved(run, 2 * CENT)
    recovery.recover(run)
    row = Judgement.objects.get()
    run.refresh_from_db()
    assert (row.charged_at_most_usd, row.cost_usd, row.unscored_because) == (2 * CENT, None, "interrupted")
    assert (run.charged_at_most_usd, run.reserved_usd) == (12 * CENT, 0)


def test_what_had_ended_is_left_alone(run: EvaluationRun) -> None:
    row = answer(run, 0, OLD, cost_usd=CENT, charged_at_most_usd=CENT, event_id="there")
    assert recovery.recover(run) == 0
    assert ReplayCall.objects.get() == row and ReplayCall.objects.get().cost_usd == CENT and count(run) == 0


def test_a_stranger_run_s_calls_stay_in_flight(run: EvaluationRun, project: Project) -> None:
    for other in (run_of(project), run_of(factories.project("other"))):
        one_of_each(other)
    assert recovery.recover(run) == 0
    assert ReplayCall.objects.filter(state="in_flight").count() == 2 and count(run) == 0


def test_an_interrupted_call_is_told_in_the_log_as_far_as_it_is_known(run: EvaluationRun) -> None:
    row = answer(run, 0, NEW, **IN_FLIGHT)
    recovery.recover(run)
    event = event_of(row)
    assert (event["outcome"], event["error_type"], event["purpose"]) == ("unknown", "interrupted", "replay")
    assert (event["provider"], event["requested_model"], event["run_id"]) == ("a", "new", str(run.pk))
    assert event["cost_recorded_usd"] is None and event["ended_at"] is None and event["started_at"] == NOON


def test_its_event_says_what_it_can_have_cost_and_that_it_was_recovered(run: EvaluationRun) -> None:
    row = answer(run, 0, NEW, **IN_FLIGHT)
    recovery.recover(run)
    event = event_of(row)
    assert Decimal(event["metadata"]["charged_at_most_usd"]) == CENT and event["metadata"]["option"] == NEW
    assert "recovered" in event["flags"] and not event["is_replayable"]


@pytest.mark.parametrize("is_simulated", [True, False])
def test_a_simulated_call_stays_one(run: EvaluationRun, is_simulated: bool) -> None:
    Project.objects.filter(pk=run.project_id).update(is_simulated=is_simulated)
    row = answer(run, 0, NEW, **IN_FLIGHT)
    recovery.recover(EvaluationRun.objects.get(pk=run.pk))
    assert event_of(row)["is_simulated"] is is_simulated


def test_an_answer_that_had_come_but_was_not_logged_is_logged_whole(run: EvaluationRun) -> None:
    tokens = Tokens(input_fresh=12, output_visible=3).as_dict()
    known = {"cost_usd": CENT, "charged_at_most_usd": CENT, "latency_ms": 12.5, "response": factories.chat_response()}
    row = answer(run, 0, NEW, started_at=NOON, tokens=tokens, **known)
    assert recovery.recover(run) == 0
    event = event_of(row)
    assert (event["outcome"], event["cost_recorded_usd"], event["duration_ms"]) == ("ok", CENT, 12.5)
    assert (event["tok_input_fresh"], event["tok_output_visible"]) == (12, 3)
    assert event["response"] == factories.chat_response()


def test_a_failed_verdict_that_was_not_logged_is_logged_as_a_judge_s(run: EvaluationRun) -> None:
    row = verdict(answer(run, 0, OLD, event_id="there"), None, state="failed", error_code="timeout", started_at=NOON)
    recovery.recover(run)
    event = event_of(row)
    assert (event["outcome"], event["error_type"], event["purpose"]) == ("provider_error", "timeout", "judge")
    assert event["requested_model"] == "judge"


def test_what_was_never_sent_is_no_event(run: EvaluationRun) -> None:
    answer(run, 0, OLD, state="interrupted", error_code="event_gone")
    recovery.recover(run)
    assert count(run) == 0 and ReplayCall.objects.get().event_id == ""


def test_an_option_without_a_provider_in_its_name_keeps_its_name(run: EvaluationRun) -> None:
    row = answer(run, 0, "gpt", **IN_FLIGHT)
    recovery.recover(run)
    assert (event_of(row)["provider"], event_of(row)["requested_model"]) == ("gpt", "gpt")


def our_event(run: EvaluationRun, row: Any, **fields: Any) -> str:
    given_ = {"source": "netra", "purpose": "replay", "run_id": str(run.pk), "duration_ms": 77.0}
    return log.write(run.project_id, [factories.event(row.call_key, **given_ | fields)]).ids[0]


def test_an_event_that_is_there_already_was_written_by_who_knew_more(run: EvaluationRun) -> None:
    row = answer(run, 0, NEW, started_at=NOON)
    event_id = our_event(run, row)
    recovery.recover(run)
    assert event_of(row)["event_id"] == event_id and event_of(row)["duration_ms"] == 77.0 and count(run) == 1


def test_an_uploaded_record_that_happens_to_have_its_key_is_not_taken_for_it(run: EvaluationRun) -> None:
    row = answer(run, 0, NEW, **IN_FLIGHT)
    uploaded = our_event(run, row, source="upload", purpose="ingested", run_id=None)
    recovery.recover(run)
    assert event_of(row)["event_id"] != uploaded and event_of(row)["purpose"] == "replay"


def test_the_same_key_in_a_stranger_s_log_is_not_looked_at(run: EvaluationRun) -> None:
    row = answer(run, 0, NEW, **IN_FLIGHT)
    other = factories.project("other")
    log.write(other.pk, [factories.event(row.call_key, source="netra", run_id=str(run.pk), purpose="replay")])
    recovery.recover(run)
    assert event_of(row)["outcome"] == "unknown"


def test_recovered_events_are_no_traffic_to_evaluate_on(run: EvaluationRun) -> None:
    one_of_each(run)
    recovery.recover(run)
    assert count(run) == 3 and log.population(run.project_id, log.EventFilter()) == []


AMOUNTS = st.lists(st.decimals("0.000000000001", "1", places=12), max_size=5)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(AMOUNTS)
def test_every_reserved_cent_is_charged_and_none_is_left_reserved(project: Project, amounts: list[Decimal]) -> None:
    run = run_of(project, n=max(1, len(amounts)), budget_usd=Decimal(10), reserved_usd=sum(amounts, Decimal(0)))
    for position, usd in enumerate(amounts):
        answer(run, position, OLD, state="in_flight", reserved_usd=usd)
    assert recovery._interrupt(run) == len(amounts)
    run.refresh_from_db()
    assert (run.charged_at_most_usd, run.reserved_usd) == (sum(amounts, Decimal(0)), 0)
