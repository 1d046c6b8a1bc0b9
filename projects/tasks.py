"""Long work of the demand side: an edge that loads a row, calls one stage, and decides about trying again."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from netra.errors import Busy, NetraError
from projects import digest_sending, erasure, importing, kind_arrivals, kind_fitting, retention, syncing, uploads
from projects.analytics import standing
from projects.models import Import, KindFit, SourceSync

RETRY_S = 20


@shared_task(name="projects.tasks.run_import")
def run_import(import_id: int) -> None:
    """Take one file in. Claimed by its heartbeat, so that two workers never run the same one."""
    now = timezone.now()
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - importing.STALE)
    if not Import.objects.unfinished().filter(is_free, pk=import_id).update(heartbeat_at=now):
        return
    taking = Import.objects.get(pk=import_id)
    try:
        importing.run(taking)
    except NetraError as problem:
        if not problem.retry:
            raise
        Import.objects.filter(pk=import_id).update(heartbeat_at=None, sentence=str(problem))
        run_import.apply_async((import_id,), countdown=RETRY_S)


@shared_task(name="projects.tasks.apply_retention")
def apply_retention() -> None:
    """Delete what is past its days, what a deletion on request met under way, and stray copies of uploads."""
    uploads.remove_strays()
    for project in retention.due():
        retention.apply(project)
    erasure.sweep()


@shared_task(name="projects.tasks.resume_imports")
def resume_imports() -> None:
    """Send out every unfinished import; the claim in `run_import` drops those that are at work."""
    for import_id in Import.objects.unfinished().values_list("pk", flat=True):
        run_import.delay(import_id)


@shared_task(name="projects.tasks.run_sync")
def run_sync(sync_id: int) -> None:
    """Read one source. Claimed like an import; one that waits for its vendor is left until its time."""
    now = timezone.now()
    is_due = Q(resume_at=None) | Q(resume_at__lte=now)
    sync = SourceSync.objects.unfinished().select_related("source", "taking").filter(is_due, pk=sync_id).first()
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - importing.STALE)
    if sync is None or not Import.objects.filter(is_free, pk=sync.taking_id).update(heartbeat_at=now):
        return
    try:
        syncing.run(sync)
    except NetraError as problem:
        if not problem.retry:
            raise
        Import.objects.filter(pk=sync.taking_id).update(heartbeat_at=None, sentence=str(problem))


@shared_task(name="projects.tasks.sync_sources")
def sync_sources() -> None:
    """Begin the syncs whose time has come, and send out every unfinished one."""
    for source in syncing.due(timezone.now()):
        syncing.start(source, cause=SourceSync.Cause.SCHEDULE)
    for sync_id in SourceSync.objects.unfinished().values_list("pk", flat=True):
        run_sync.delay(sync_id)


@shared_task(name="projects.tasks.send_digests")
def send_digests() -> None:
    """Send every digest whose day or week has ended."""
    now = timezone.now()
    for row in digest_sending.due(now):
        digest_sending.send_due(row, now)


@shared_task(name="projects.tasks.rebuild_rollups")
def rebuild_rollups() -> None:
    """Sum up again the hours that deletions, new versions or a kill left apart from the log. Readers never wait."""
    for project_id in standing.projects_rolled():
        standing.rebuild(project_id)


@shared_task(name="projects.tasks.run_kind_fit")
def run_kind_fit(fit_id: int) -> None:
    """Find a project's kinds of work. Claimed like an import."""
    now = timezone.now()
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - kind_fitting.STALE)
    if not KindFit.objects.unfinished().filter(is_free, pk=fit_id).update(heartbeat_at=now):
        return
    fit = KindFit.objects.select_related("project").get(pk=fit_id)
    try:
        kind_fitting.run(fit)
    except NetraError as problem:
        KindFit.objects.filter(pk=fit_id).update(heartbeat_at=None, sentence=str(problem))
    except Exception:
        kind_fitting.fail(fit, "It failed for a reason of Netra's own; the server's log has it.")
        raise


@shared_task(name="projects.tasks.tend_kinds")
def tend_kinds() -> None:
    """Send out unfinished fits, let new calls join the kinds of work, and drop calls that were deleted."""
    for fit_id in KindFit.objects.unfinished().values_list("pk", flat=True):
        run_kind_fit.delay(fit_id)
    for project in kind_arrivals.waiting_projects():
        kind_arrivals.forget_gone(project)
        with suppress(Busy):  # another took the rest of today's embeddings; tomorrow there are more
            kind_arrivals.join(project)
