"""Answers follow the calls they were asked from: the words go, the figures and the verdict stay and can be verified."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command

from evaluation import forgetting, recommendations, runs, tasks
from evaluation.evidence import sha256, verify
from evaluation.models import EvaluationRun, HumanLabel, Judgement, Recommendation, ReplayCall, SampledPrompt
from netra.errors import Conflict
from projects import erasure, log
from projects.log import EventFilter
from projects.models import Project
from projects.workloads import Purpose
from routing.models import JudgedPair
from routing.observation import SOURCE
from tests import factories
from tests.evaluation.conftest import wish
from tests.evaluation.test_comparisons import NEW, OLD
from tests.evaluation.test_recommendations import gathered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()


@pytest.fixture
def judged(project: Project) -> EvaluationRun:
    """Six pairs, recommended upon, whose prompts are Ann's three calls and Bob's three; replays are in the log."""
    cache.clear()
    run = gathered(project, 6, {OLD: 90, NEW: 90})
    for prompt in run.prompts.all():
        user_id = "ann" if prompt.position < 3 else "bob"
        asked = factories.event(f"r-{prompt.position}", user_id=user_id)
        SampledPrompt.objects.filter(pk=prompt.pk).update(event_id=log.write(project.pk, [asked]).ids[0])
    for call in ReplayCall.objects.all():
        made = factories.event(call.call_key, source=SOURCE, purpose=Purpose.REPLAY)
        ReplayCall.objects.filter(pk=call.pk).update(event_id=log.write(project.pk, [made]).ids[0])
    recommendations.generate(run)
    EvaluationRun.objects.filter(pk=run.pk).update(state="done")
    return run


def words(run: EvaluationRun) -> dict[int, Any]:
    return dict(ReplayCall.objects.filter(run=run, option=NEW).values_list("prompt__position", "text"))


def test_the_words_of_a_deleted_persons_calls_go_and_others_stay(project: Project, judged: EvaluationRun) -> None:
    erasure.erase(project, "ann")
    assert forgetting.forget_gone() == 3
    told = words(judged)
    assert [told[n] for n in range(3)] == ["", "", ""]
    assert all(told[n] for n in range(3, 6))
    gone = Judgement.objects.filter(call__prompt__position__lt=3)
    assert set(gone.values_list("response", "rationale")) == {(None, "")}


def test_scores_and_costs_stay(project: Project, judged: EvaluationRun) -> None:
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    assert Judgement.objects.exclude(score=None).count() == 12
    assert ReplayCall.objects.exclude(cost_usd=None).count() == 12


def test_replays_of_them_leave_the_log(project: Project, judged: EvaluationRun) -> None:
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    assert log.count(project.pk, EventFilter(purpose="replay")) == 6
    assert log.count(project.pk, EventFilter(user_id="bob")) == 3


def test_the_pack_loses_the_judges_words_and_still_verifies(project: Project, judged: EvaluationRun) -> None:
    before = Recommendation.objects.get()
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    found = Recommendation.objects.get()
    assert found.pack != before.pack
    assert found.decision == before.decision
    report = verify(found.pack, sha256_noted=found.pack_sha256)
    assert (report.problems, report.verdict) == ([], before.verdict)
    assert found.pack_sha256 == sha256(found.pack)


def test_a_recommendation_made_again_afterwards_verifies_too(project: Project, judged: EvaluationRun) -> None:
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    Recommendation.objects.all().delete()
    recommendations.generate(EvaluationRun.objects.get(pk=judged.pk))
    assert verify(Recommendation.objects.get().pack).problems == []


def test_a_forged_score_without_words_is_noticed(judged: EvaluationRun) -> None:

    pack = json.loads(Recommendation.objects.get().pack)
    pack["verdicts"][0]["raw"] = None
    assert verify(json.dumps(pack)).problems


def test_peoples_notes_go(project: Project, judged: EvaluationRun) -> None:
    HumanLabel.objects.create(call=ReplayCall.objects.first(), dimension="quality", score=1, note="says her name")
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    assert HumanLabel.objects.get().note == ""


def test_it_looks_only_after_a_deletion_and_once(
    project: Project, judged: EvaluationRun, django_assert_max_num_queries: Any
) -> None:
    assert forgetting.forget_gone() == 0
    erasure.erase(project, "ann")
    assert [forgetting.forget_gone() for _ in range(2)] == [3, 0]
    with django_assert_max_num_queries(4):
        forgetting.forget_gone()


def test_a_run_at_work_is_looked_at_when_it_is_over(project: Project, judged: EvaluationRun) -> None:
    EvaluationRun.objects.update(state="running")
    erasure.erase(project, "ann")
    assert forgetting.forget_gone() == 0
    EvaluationRun.objects.update(state="done")
    tasks.forget_answers()
    assert words(judged)[0] == ""


def test_the_command_does_it_at_once(project: Project, judged: EvaluationRun) -> None:
    out = StringIO()
    call_command("delete_user_events", "agent", "ann", stdout=out)
    assert "3 events deleted, and 3 answers" in out.getvalue()
    assert words(judged)[0] == ""


def test_retention_reaches_replays_as_well(project: Project, judged: EvaluationRun) -> None:
    Project.objects.filter(pk=project.pk).update(retention_days=1)
    SampledPrompt.objects.update(event_id="0" * 32)
    log.write(project.pk, [factories.event("old", started_at=factories.NOON.replace(year=2020))])
    call_command("apply_retention", "agent", stdout=StringIO())
    assert set(words(judged).values()) == {""}


def test_privacy_mode_starts_no_evaluation(project: Project) -> None:
    project.is_private = True
    with pytest.raises(Conflict, match="Privacy mode is on"):
        runs.check(project, wish())


def test_what_a_deleted_call_taught_live_routing_goes_too(project: Project, judged: EvaluationRun) -> None:
    erasure.erase(project, "ann")
    forgetting.forget_gone()
    gone = set(judged.prompts.filter(position__lt=3).values_list("event_id", flat=True))
    left = set(JudgedPair.objects.filter(project=project).values_list("event_id", flat=True))
    assert len(left) == 3 and not left & gone
