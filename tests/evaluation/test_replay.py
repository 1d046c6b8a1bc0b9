"""A run asks each lane once, keeps its budget, and goes on where it was left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from evaluation import comparisons, recovery, runs
from evaluation.models import EvaluationRun, Judgement, PairwiseJudgement, ReplayCall
from evaluation.tasks import resume_runs, run_evaluation
from netra import celery
from netra.errors import Conflict, Invalid
from projects import log
from tests.evaluation.conftest import wish

Lane = ReplayCall.LaneName


def carried_out(run):
    done = runs.carry_out(run.pk)
    assert done is not None
    return done


def money_of(run):
    rows = [*ReplayCall.objects.filter(run=run).exclude(lane=Lane.RECORDED), *Judgement.objects.filter(run=run)]
    rows += PairwiseJudgement.objects.filter(run=run)
    return sum((row.charged_at_most_usd for row in rows), Decimal(0)), sum(
        (row.reserved_usd for row in rows), Decimal(0)
    )


def test_every_lane_is_asked_once_a_prompt(start):
    run = carried_out(start())
    assert run.state == EvaluationRun.State.DECIDING
    for lane in (Lane.RECORDED, Lane.INCUMBENT, Lane.CANDIDATE):
        assert ReplayCall.objects.filter(run=run, lane=lane).count() == run.n_pairs == 40


def test_the_plan_is_frozen_before_the_first_call_and_says_the_population(start):
    run = carried_out(start())
    assert run.plan["population_size"] == run.sampling["drawn_from"]["n_distinct"] > 40
    assert run.plan["max_pairs"] == 40 and run.plan["margin_safety"] is None
    assert set(run.prices) == {"simulated/sim-large", "simulated/sim-medium", "simulated/sim-judge"}


def test_every_call_is_an_event_with_its_purpose(start):
    run = carried_out(start())
    replayed = log.count(run.project_id, log.EventFilter(purpose="replay", run_id=str(run.pk)))
    judged = log.count(run.project_id, log.EventFilter(purpose="judge", run_id=str(run.pk)))
    assert replayed == ReplayCall.objects.filter(run=run).exclude(lane=Lane.RECORDED).count()
    assert judged == Judgement.objects.filter(run=run).count()
    assert not ReplayCall.objects.filter(run=run, event_id="").exists()


def test_the_books_balance(start):
    run = carried_out(start(pairwise="simulated/sim-judge"))
    charged, reserved = money_of(run)
    assert run.charged_at_most_usd == charged == run.spent_usd > 0
    assert run.reserved_usd == reserved == 0


def test_the_request_is_sent_as_it_was_logged_but_for_the_model(start):
    run = carried_out(start(max_pairs=5))
    call = ReplayCall.objects.filter(run=run, lane=Lane.CANDIDATE).select_related("prompt").first()
    original = log.event(run.project_id, call.prompt.event_id)["request"]
    sent = log.event(run.project_id, call.event_id)["request"]
    assert sent == {**original, "model": "sim-medium"}


def test_a_policy_on_temperature_and_seed_is_kept_on_the_run_and_sent(start):
    run = carried_out(start(max_pairs=5, policy={"temperature": 0, "seed": 11}))
    call = ReplayCall.objects.filter(run=run, lane=Lane.INCUMBENT).first()
    sent = log.event(run.project_id, call.event_id)["request"]
    assert (sent["temperature"], sent["seed"]) == (0, 11) and run.policy == {"temperature": 0, "seed": 11}


def test_the_same_answer_is_judged_once(start):
    run = carried_out(start())
    same = ReplayCall.objects.filter(run=run).exclude(same_answer_as=None)
    assert same.exists()
    for call in same.select_related("same_answer_as"):
        assert call.text == call.same_answer_as.text and not call.judgements.exists()


def test_one_incumbent_call_serves_all_candidates(start):
    run = carried_out(start(candidates=["simulated/sim-medium", "simulated/sim-fast"], max_pairs=20))
    assert ReplayCall.objects.filter(run=run, lane=Lane.INCUMBENT).count() == 20
    assert ReplayCall.objects.filter(run=run, lane=Lane.CANDIDATE).count() == 40


def test_a_hopeless_candidate_is_dropped_and_costs_no_more(start):
    run = carried_out(start(candidates=["simulated/sim-medium", "simulated/sim-bargain"], max_pairs=120))
    dropped = run.candidates.get(option="simulated/sim-bargain")
    asked = ReplayCall.objects.filter(run=run, option="simulated/sim-bargain").count()
    assert dropped.dropped_at_pair is not None
    assert asked < ReplayCall.objects.filter(run=run, option="simulated/sim-medium").count()


@pytest.mark.parametrize("budget", ["0.0002", "0.002", "0.01"])
def test_the_budget_is_never_passed(start, budget):
    run = carried_out(start(budget_usd=Decimal(budget), max_pairs=100, concurrency=16))
    charged, _ = money_of(run)
    assert charged == run.charged_at_most_usd <= Decimal(budget)
    assert run.state == EvaluationRun.State.DECIDING


def test_without_money_for_one_call_nothing_is_sent(start):
    run = carried_out(start(budget_usd=Decimal("0.000001")))
    assert not ReplayCall.objects.filter(run=run).exclude(lane=Lane.RECORDED).exists()
    assert run.charged_at_most_usd == 0 and "budget" in run.sentence


def test_a_cancelled_run_that_waits_never_starts(start):
    run = start()
    runs.cancel(run)
    assert runs.carry_out(run.pk) is None
    assert not ReplayCall.objects.filter(run=run).exists()


def test_cancelling_stops_new_calls_and_keeps_what_was_answered(start):
    run = start()
    EvaluationRun.objects.filter(pk=run.pk).update(is_cancel_asked=True)
    assert carried_out(run).state == EvaluationRun.State.CANCELLED


def test_a_run_that_is_over_cannot_be_cancelled(start):
    run = start()
    run_evaluation(run.pk)
    with pytest.raises(Conflict, match="over"):
        runs.cancel(run)


def test_a_cancelled_run_goes_on_where_it_was_left(start):
    run = start()
    run_evaluation(run.pk)
    before = set(ReplayCall.objects.filter(run=run).values_list("call_key", "started_at"))
    EvaluationRun.objects.filter(pk=run.pk).update(state="cancelled")
    runs.resume(run)
    carried_out(run)
    # More prompts may be asked, but none of those that were answered is asked again.
    assert before <= set(ReplayCall.objects.filter(run=run).values_list("call_key", "started_at"))


def test_a_budget_below_what_was_charged_is_refused(start):
    run = carried_out(start(max_pairs=5))
    with pytest.raises(Invalid, match="already"):
        runs.resume(run, budget_usd=Decimal("0.0000001"))


def test_two_workers_never_hold_one_run(start):
    run = start()
    assert run.claim("one") and not run.claim("two") and run.claim("one")
    run.release("one")
    assert run.claim("two")


def test_a_dead_workers_run_is_free_when_its_lease_runs_out(start):
    run = start()
    run.claim("dead")
    assert runs.carry_out(run.pk) is None
    EvaluationRun.objects.filter(pk=run.pk).update(lease_until=timezone.now())
    assert carried_out(run).state == EvaluationRun.State.DECIDING


def test_a_process_that_ends_leaves_the_run_to_the_next(start):
    run = start()
    celery.stopping.set()
    try:
        assert carried_out(run).state == EvaluationRun.State.RUNNING
    finally:
        celery.stopping.clear()
    assert carried_out(run).state == EvaluationRun.State.DECIDING


def interrupt(run, position, lane=Lane.CANDIDATE, reserved="0.001"):
    """As a kill leaves it: marked in flight with its worst case reserved, and nothing known."""
    call = ReplayCall.objects.get(run=run, prompt__position=position, lane=lane)
    freed = call.charged_at_most_usd
    ReplayCall.objects.filter(pk=call.pk).update(
        state="in_flight", reserved_usd=Decimal(reserved), charged_at_most_usd=0, cost_usd=None, event_id="", text=""
    )
    EvaluationRun.objects.filter(pk=run.pk).update(
        state="running",
        reserved_usd=Decimal(reserved),
        charged_at_most_usd=run.charged_at_most_usd - freed,
        spent_usd=run.spent_usd - freed,
    )
    return call


def test_what_was_in_flight_is_booked_at_its_worst_and_never_asked_again(start):
    run = carried_out(start(max_pairs=10))
    call = interrupt(run, 3)
    run.refresh_from_db()
    before = run.charged_at_most_usd
    assert recovery.recover(run) == 1
    run.refresh_from_db()
    call.refresh_from_db()
    assert call.state == "interrupted" and call.cost_usd is None and call.charged_at_most_usd == Decimal("0.001")
    assert run.charged_at_most_usd == before + Decimal("0.001") and run.reserved_usd == 0
    assert recovery.recover(run) == 0


def test_an_interrupted_prompt_is_left_out_and_the_next_takes_its_place(start):
    run = carried_out(start(max_pairs=10))
    call = interrupt(run, 3)
    done = carried_out(run)
    call.refresh_from_db()
    found = comparisons.paired(done)["simulated/sim-medium"]
    assert call.state == "interrupted"
    assert found.positions == (0, 1, 2, 4, 5, 6, 7, 8, 9, 10) and comparisons.n_left_out(done) == 1


def test_an_interrupted_call_is_an_event_of_unknown_outcome(start):
    run = carried_out(start(max_pairs=5))
    call = ReplayCall(
        call_key=f"run-{run.pk}-99-1",
        run=run,
        prompt=run.prompts.first(),
        lane=Lane.CANDIDATE,
        option="simulated/sim-medium",
        reserved_usd=Decimal("0.001"),
        attempts=1,
    )
    call.save()
    EvaluationRun.objects.filter(pk=run.pk).update(reserved_usd=Decimal("0.001"))
    recovery.recover(run)
    call.refresh_from_db()
    event = log.event(run.project_id, call.event_id)
    assert event["outcome"] == "unknown" and event["cost_usd"] is None
    assert Decimal(event["metadata"]["charged_at_most_usd"]) == Decimal("0.001")


def test_broken_verdicts_are_asked_for_again_and_then_stay_unscored(start):
    run = carried_out(start(judges={"correctness": ["simulated/sim-judge-broken"]}))
    judged = Judgement.objects.filter(run=run)
    unscored = judged.filter(score=None)
    assert judged.filter(attempts=2).exists()
    assert all(each.attempts == 2 and each.unscored_because for each in unscored)
    assert not judged.exclude(score=None).exclude(unscored_because="").exists()


def test_pairs_are_compared_in_both_orders(start):
    run = carried_out(start(pairwise="simulated/sim-judge", max_pairs=30))
    rows = PairwiseJudgement.objects.filter(run=run)
    assert rows.exists()
    assert rows.filter(is_incumbent_first=True).count() == rows.filter(is_incumbent_first=False).count()


def test_a_prompt_that_is_gone_from_the_log_is_left_out(start):
    run = start(max_pairs=10)
    runs._prepare(run, ["simulated/sim-medium"], {})
    run.prompts.filter(position=2).update(event_id="not-there")
    done = carried_out(run)
    assert 2 not in comparisons.paired(done)["simulated/sim-medium"].positions
    assert ReplayCall.objects.get(run=run, error_code="event_gone").charged_at_most_usd == 0


def test_runs_nobody_holds_are_taken_up(start, settings):
    run = start(max_pairs=5)
    settings.CELERY_TASK_ALWAYS_EAGER = True
    celery.app.conf.task_always_eager = True
    try:
        resume_runs()
    finally:
        celery.app.conf.task_always_eager = False
    run.refresh_from_db()
    assert run.state == EvaluationRun.State.DONE


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"incumbent": ""}, "incumbent"),
        ({"candidates": []}, "candidates"),
        ({"candidates": ["simulated/sim-large"]}, "candidates"),
        ({"candidates": ["simulated/sim-fast", "simulated/sim-fast"]}, "candidates"),
        ({"judges": {}}, "judges"),
        ({"judges": {"beauty": ["simulated/sim-judge"]}}, "judges"),
        ({"judges": {"safety": ["simulated/sim-judge"]}}, "judges"),
        ({"judges": {"quality": []}}, "judges"),
        ({"budget_usd": Decimal(0)}, "budget_usd"),
        ({"budget_usd": Decimal("NaN")}, "budget_usd"),
        ({"concurrency": 0}, "concurrency"),
        ({"max_pairs": 0}, "max_pairs"),
        ({"thresholds": {"alpha": 2.0}}, "thresholds"),
        ({"thresholds": {"no_such": 1}}, "thresholds"),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(simulated, changed, field):
    with pytest.raises(Invalid) as caught:
        runs.create(simulated, wish(**changed))
    assert caught.value.field == field
    assert not EvaluationRun.objects.exists()
