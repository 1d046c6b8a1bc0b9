"""Retention: events older than a project keeps them go, at most a day late."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from projects import admission, log_deleting
from projects.models import Cleaning, Project

EVERY = timedelta(hours=24)


def with_retention() -> list[Project]:
    """Projects that do not keep their events for good."""
    return list(Project.objects.exclude(retention_days=None).order_by("pk"))


def due() -> list[Project]:
    """Projects whose retention was not applied within a day, or was shortened since."""
    return [project for project in with_retention() if _is_due(project)]


def _is_due(project: Project) -> bool:
    now = timezone.now()
    last, cutoff = project.cleanings.first(), admission.cutoff(project, now)
    return last is None or last.at <= now - EVERY or (cutoff is not None and last.cutoff_at < cutoff - EVERY)


def waiting(project: Project) -> int | None:
    """How many events would go now; None without a retention."""
    cutoff = admission.cutoff(project)
    return None if cutoff is None else log_deleting.older(project.pk, cutoff).n_events


def apply(project: Project) -> Cleaning | None:
    """Delete what is older than the project keeps it; None without a retention. Idempotent. Raises Unavailable."""
    cutoff = admission.cutoff(project)
    if cutoff is None:
        return None
    n_events = log_deleting.delete_older(project.pk, cutoff)
    made = Cleaning.objects.create(project=project, cutoff_at=cutoff, n_events=n_events)
    # Runs that found nothing say no more than that the last one was: only the newest of them is kept.
    project.cleanings.filter(~Q(pk=made.pk), n_events=0).delete()
    return made
