"""Judging live answers: which are taken, what is paid, what becomes of them, and that nothing is done twice."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from evaluation import live_court, live_judging, live_sample, live_settings, runs
from evaluation.models import EvaluationRun, Judgement, LivePair, ReplayCall
from netra.simulation.personas import PERSONAS, Persona
from projects import log
from projects.log import EventFilter
from projects.models import Project
from routing import beliefs, observation, predictor
from routing.gateway import planning
from routing.models import JudgedPair, LiveBelief, RoutingPolicy
from tests.evaluation.live import BEST, EQUAL, JUDGE, LARGE, MEDIUM, ask, catalog, options, switch_on, write_policy
from tests.routing.conftest import gateway
from tests.routing.gatewayed import Gateway

__all__ = ["gateway"]


@pytest.fixture
def world(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Two options that are as good, the cheaper one with three quarters of the calls, and a simulated judge."""
    monkeypatch.setattr(planning, "random", random.Random(3))
    monkeypatch.setitem(PERSONAS, "sim-large", BEST)
    monkeypatch.setitem(PERSONAS, "sim-medium", EQUAL)
    catalog()
    write_policy(gateway, "split", shares={MEDIUM: 3, LARGE: 1})
    return gateway


def sat(gateway: Gateway) -> live_judging.Sitting:
    found = live_judging.sit(gateway.project)
    assert found is not None
    return found


def purposes(gateway: Gateway) -> Counter[str]:
    return Counter(row["purpose"] for row in log.events(gateway.project.pk, EventFilter(), limit=1_000).rows)


def test_only_answers_that_a_policy_chose_against_its_default_are_judged(world: Gateway) -> None:
    switch_on(world)
    chosen = options(ask(world, range(12)))
    ask(world, range(30, 33), model=MEDIUM)  # named by the sender: no policy decided
    assert sat(world).n_judged == chosen.count(MEDIUM) > 0
    pairs = LivePair.objects.all()
    assert {(pair.option, pair.default_option, pair.policy) for pair in pairs} == {(MEDIUM, LARGE, "auto v1")}
    assert {round(pair.probability, 6) for pair in pairs} == {0.75}


def test_every_call_is_in_the_log_with_its_purpose_and_price(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(12))
    before = purposes(world)
    n_judged = sat(world).n_judged
    told = purposes(world)
    assert told["replay"] == n_judged and told["live"] == before["live"]
    assert told["judge"] == Judgement.objects.count() > 0
    spent = EvaluationRun.objects.get(live_day__project=world.project).spent_usd
    rows = log.events(world.project.pk, EventFilter(), limit=1_000).rows
    assert spent == sum(row["cost_usd"] for row in rows if row["purpose"] != "live") > 0


def test_judging_again_takes_nothing_twice(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(12))
    first, told = sat(world), purposes(world)
    assert first.n_judged > 0 and sat(world).n_judged == 0
    assert purposes(world) == told and LivePair.objects.count() == first.n_judged


def test_the_predictor_and_the_beliefs_learn_of_it(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(16))
    n = sat(world).n_judged
    lessons = JudgedPair.objects.filter(project=world.project, option=MEDIUM, default_option=LARGE)
    assert lessons.count() == n and {row.source for row in lessons} == {"live judging"}
    belief = LiveBelief.objects.get()
    assert belief.n == n and belief.low < 0 < belief.high and belief.since <= timezone.now()
    assert beliefs.held(world.project)[MEDIUM, LARGE].n == n


def test_pairs_from_before_a_change_do_not_teach_the_predictor(project: Project, events: None) -> None:
    start = timezone.now() - timedelta(hours=2)
    for place in range(120):
        LivePair.objects.create(
            project=project,
            event_id=f"{place:032x}",
            option=MEDIUM,
            default_option=LARGE,
            policy="auto",
            probability=1.0,
            difference=0.3 if place < 60 else -0.7,
            answered_at=start + timedelta(minutes=place),
        )
    # All are handed down in one sitting: what counts is when they were answered.
    assert live_judging.teach(project) == 120
    belief = LiveBelief.objects.get()
    assert belief.has_changed and belief.changed_at == belief.since >= start + timedelta(hours=1)
    (row,) = predictor.train(project)
    assert row.report["n_outdated"] == JudgedPair.objects.filter(answered_at__lt=belief.since).count() >= 60


def test_the_budget_of_the_day_is_never_passed(world: Gateway) -> None:
    switch_on(world, daily_budget_usd=Decimal("0.008"))
    ask(world, range(44))
    sitting = sat(world)
    assert "budget of the day" in sitting.sentence and sitting.n_judged < LivePair.objects.count()
    for _ in range(3):  # trying again finds nothing left
        day = sat(world).run
        assert day.charged_at_most_usd <= Decimal("0.008") and day.reserved_usd == 0


def test_a_larger_budget_goes_on_where_the_smaller_ended(world: Gateway) -> None:
    switch_on(world, daily_budget_usd=Decimal("0.008"))
    n = options(ask(world, range(44))).count(MEDIUM)
    first = sat(world).n_judged
    switch_on(world, daily_budget_usd=Decimal(1))
    assert 0 < first < n and first + sat(world).n_judged == n == LivePair.objects.judged().count()


def test_what_is_switched_off_asks_nobody(world: Gateway) -> None:
    ask(world, range(8))
    assert live_judging.sit(world.project) is None
    switch_on(world)
    switch_on(world, is_on=False)
    assert live_judging.sit(world.project) is None and not LivePair.objects.exists()


def test_switching_off_stops_a_sitting_under_way(world: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off after the answers were taken: nothing more is asked, and switching on goes on with the same."""
    switch_on(world)
    n = options(ask(world, range(12))).count(MEDIUM)
    drawn = live_sample.drawn

    def then_off(*given: Any) -> Any:
        found = drawn(*given)
        switch_on(world, is_on=False)
        return found

    monkeypatch.setattr(live_sample, "drawn", then_off)
    sitting = sat(world)
    assert (sitting.n_judged, sitting.sentence) == (0, "Switched off.")
    monkeypatch.setattr(live_sample, "drawn", drawn)
    switch_on(world)
    assert sat(world).n_judged == n


def test_a_sitting_that_was_killed_is_gone_on_with_and_pays_nothing_twice(
    world: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(world)
    n = options(ask(world, range(24))).count(MEDIUM)
    score, asked = live_judging.Court._scored, []

    async def dies(self: Any, call: ReplayCall, request: Any) -> float | None:
        asked.append(call)
        if len(asked) > 4:
            raise RuntimeError("the process died")
        return await score(self, call, request)

    monkeypatch.setattr(live_judging.Court, "_scored", dies)
    with pytest.raises(RuntimeError):
        live_judging.sit(world.project)
    monkeypatch.setattr(live_judging.Court, "_scored", score)
    paid = set(ReplayCall.objects.values_list("call_key", flat=True))
    live_judging.sit(world.project)
    assert LivePair.objects.judged().count() == n
    assert paid <= set(ReplayCall.objects.values_list("call_key", flat=True))
    assert ReplayCall.objects.filter(lane="incumbent").count() == n == purposes(world)["replay"]


def test_a_pair_that_other_judges_had_begun_on_is_given_up(world: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings changed between two sittings: scores of two panels are not mixed, and the rest goes on."""
    switch_on(world)
    n = options(ask(world, range(12))).count(MEDIUM)
    close = live_court._close
    monkeypatch.setattr(live_court, "_close", lambda *_: None)
    sat(world)
    assert LivePair.objects.open().count() == n and Judgement.objects.exists()
    monkeypatch.setattr(live_court, "_close", close)
    switch_on(world, judges=["simulated/sim-judge-noisy"])
    sat(world)
    assert LivePair.objects.filter(unscored_because="unscored").exists() and not LivePair.objects.open().exists()


def test_two_processes_do_not_sit_at_once(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    sat(world)
    run = live_settings.today(world.project)
    assert run is not None
    EvaluationRun.objects.filter(pk=run.pk).update(state="running")
    assert run.claim("another process")
    assert live_judging.sit(world.project) is None


def test_a_shadow_is_judged_by_its_copy_and_nothing_is_asked_again(world: Gateway) -> None:
    write_policy(world, "shadow", exploration=0)
    switch_on(world)
    ask(world, range(12))
    told = purposes(world)
    assert told["replay"] == 12 and sat(world).n_judged == 12
    assert purposes(world)["replay"] == 12  # the copies that were there
    assert {(pair.option, pair.probability) for pair in LivePair.objects.all()} == {(MEDIUM, 1.0)}


def test_a_share_is_drawn_by_digest_and_the_same_each_time(world: Gateway) -> None:
    ask(world, range(30))
    some, all_ = live_sample.drawn(world.project, 0.5), live_sample.drawn(world.project, 1.0)
    assert some == live_sample.drawn(world.project, 0.5) and 0 < len(some) < len(all_)
    assert {each.event_id for each in some} <= {each.event_id for each in all_}
    assert all(live_sample.place(world.project.pk, each.event_id) < 0.5 for each in some)


def test_an_answer_word_for_word_the_same_is_a_tie_and_costs_no_judge(
    world: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PERSONAS, "sim-medium", Persona("sim-medium", 1 - 1e-9, "0.60", "2.40", 60, 2.0))
    switch_on(world)
    ask(world, range(8))
    assert sat(world).n_judged > 0 and not Judgement.objects.exists()
    assert set(LivePair.objects.values_list("difference", flat=True)) == {0.0}


def test_an_unreadable_judge_leaves_a_pair_unscored_and_teaches_nothing(world: Gateway) -> None:
    switch_on(world, judges=["simulated/sim-judge-broken", JUDGE])
    ask(world, range(24))
    sitting = sat(world)
    lost = LivePair.objects.filter(unscored_because="unscored")
    assert sitting.n_unscored == lost.count() > 0
    assert JudgedPair.objects.count() == sitting.n_judged == LivePair.objects.judged().count()


def test_a_default_that_cannot_be_called_any_more_is_said(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    RoutingPolicy.objects.update(default_option="nowhere/gone")
    sitting = sat(world)
    assert sitting.n_judged == 0
    assert set(LivePair.objects.values_list("unscored_because", flat=True)) == {"default_unreachable"}


def test_a_judge_that_cannot_be_called_any_more_is_said(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    live_settings.LiveJudging.objects.update(judges=["nowhere/gone"])
    assert "nowhere/gone" in sat(world).sentence and not Judgement.objects.exists()


def test_what_an_earlier_day_left_is_given_up(world: Gateway) -> None:
    switch_on(world, daily_budget_usd=Decimal("0.004"))
    ask(world, range(12))
    sat(world)
    run = live_settings.today(world.project)
    assert run is not None and LivePair.objects.open().exists()
    run.live_day.day = timezone.now().date().replace(year=2025)
    run.live_day.save()
    switch_on(world, daily_budget_usd=Decimal(1))
    sat(world)
    assert not LivePair.objects.open().exists() and LivePair.objects.filter(unscored_because="left_over").exists()


def test_a_day_is_no_run_that_somebody_asked_for(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    day = sat(world).run
    assert day.is_over and not EvaluationRun.objects.asked_for().exists()
    EvaluationRun.objects.filter(pk=day.pk).update(state="queued")
    assert not EvaluationRun.objects.unattended(timezone.now()).exists() and runs.carry_out(day.pk) is None


def test_the_live_answer_is_shown_as_it_was_given(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    sat(world)
    pair = LivePair.objects.judged().first()
    assert pair is not None
    row = ReplayCall.objects.get(prompt=pair.prompt, lane="candidate")
    assert row.event_id == pair.event_id and row.option == MEDIUM and row.text
    assert row.charged_at_most_usd == 0  # it was paid when it was given


def test_the_command_judges_until_nothing_is_left(world: Gateway) -> None:
    switch_on(world)
    n = options(ask(world, range(12))).count(MEDIUM)
    out = StringIO()
    call_command("judge_live", world.project.slug, stdout=out)
    assert f"{n} pairs judged" in out.getvalue() and "0 pairs judged" in out.getvalue()


@pytest.mark.parametrize("name", ["agent", "nowhere"])
def test_the_command_says_why_it_does_nothing(world: Gateway, name: str) -> None:
    with pytest.raises(CommandError):
        call_command("judge_live", name)


def test_events_of_a_sitting_are_recorded_under_the_name_of_ours(world: Gateway) -> None:
    switch_on(world)
    ask(world, range(8))
    sat(world)
    rows = log.events(world.project.pk, EventFilter(purpose="judge"), limit=100).rows
    assert rows and {row["source"] for row in rows} == {observation.SOURCE}
