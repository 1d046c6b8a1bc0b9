"""Long work of routing: an edge that loads a row and calls one stage."""

from __future__ import annotations

from celery import shared_task

from projects.models import Project
from routing import cache_checking, calibrating, certificates, predictor
from routing.counterfactual import adoption
from routing.models import RoutingPolicy


@shared_task(name="routing.tasks.train_due")
def train_due() -> None:
    """Train where judged pairs came or went; sent every five minutes."""
    for project in predictor.due():
        train_predictor.delay(project.pk)


@shared_task(name="routing.tasks.train_predictor")
def train_predictor(project_id: int) -> None:
    """Train one project's predictors. Safe to send twice: the same pairs give the same predictor, a version later."""
    predictor.train(Project.objects.get(pk=project_id))


@shared_task(name="routing.tasks.certify_due")
def certify_due() -> None:
    """Certify and de-certify by the rules of all projects; sent every five minutes."""
    for project in certificates.due():
        certify_project.delay(project.pk)


@shared_task(name="routing.tasks.certify_project")
def certify_project(project_id: int) -> None:
    """Certify one project's options. Safe to send twice: the same evidence changes nothing."""
    certificates.certify(Project.objects.get(pk=project_id))


@shared_task(name="routing.tasks.calibrate_tokens")
def calibrate_tokens() -> None:
    """Learn anew how long a token is in each project that has live calls; sent every hour."""
    for project in calibrating.due():
        calibrating.calibrate(project)


@shared_task(name="routing.tasks.check_caches")
def check_caches() -> None:
    """Compare what semantic caches gave with what the model says, and stop those that err; sent every minute."""
    for controls in cache_checking.due():
        cache_checking.check(controls)


@shared_task(name="routing.tasks.foresee_due")
def foresee_due() -> None:
    """Foresee what came into use without a forecast, whoever wrote it; sent every five minutes."""
    for row in adoption.due():
        foresee_policy.delay(row.pk)


@shared_task(name="routing.tasks.foresee_policy")
def foresee_policy(policy_id: int) -> None:
    """Foresee one version from the log before it. Safe to send twice: the first forecast stays."""
    row = RoutingPolicy.objects.select_related("project").filter(pk=policy_id).first()
    if row is not None:  # its project may be gone by now
        adoption.foresee(row)
