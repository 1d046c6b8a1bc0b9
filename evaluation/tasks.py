"""The chain of an evaluation, from top to bottom: carry out → decide. Tasks load, call one stage, and go on."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from evaluation import forgetting, live_judging, live_settings, recommendations, runs
from evaluation.models import EvaluationRun
from projects.models import Project
from routing.tasks import certify_project


@shared_task(name="evaluation.tasks.run_evaluation")
def run_evaluation(run_id: int) -> None:
    """Work on a run, and recommend when it is over. Safe to send twice: the lease lets one worker in."""
    run = runs.carry_out(run_id)
    if run is not None and run.state == EvaluationRun.State.DECIDING:
        recommend(run_id)


@shared_task(name="evaluation.tasks.recommend")
def recommend(run_id: int) -> None:
    """Decide on what a run has gathered."""
    recommendations.generate(EvaluationRun.objects.select_related("project").get(pk=run_id))


@shared_task(name="evaluation.tasks.resume_runs")
def resume_runs() -> None:
    """Take up the runs that no living worker holds; sent at the start and every minute."""
    for run_id in EvaluationRun.objects.unattended(timezone.now()).order_by("pk").values_list("pk", flat=True):
        run_evaluation.delay(run_id)


@shared_task(name="evaluation.tasks.forget_answers")
def forget_answers() -> None:
    """Follow what was deleted from the log; sent every five minutes."""
    forgetting.forget_gone()


@shared_task(name="evaluation.tasks.judge_live_due")
def judge_live_due() -> None:
    """Sit where live judging is switched on; sent every minute."""
    for row in live_settings.switched_on():
        judge_live.delay(row.project_id)


@shared_task(name="evaluation.tasks.judge_live")
def judge_live(project_id: int) -> None:
    """One sitting, and certificates by what it taught. Safe to send twice: the lease lets one worker in."""
    sitting = live_judging.sit(Project.objects.get(pk=project_id))
    if sitting is not None and sitting.n_judged:
        certify_project.delay(project_id)
