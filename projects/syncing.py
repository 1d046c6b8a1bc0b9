"""Fetching a source: page by page into the log, each settled with the cursor to go on from, then held to totals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from netra import celery
from netra.errors import Invalid, SourceFailed
from netra.fetching import Fetcher
from netra.refused_fetches import Words
from projects import ledger
from projects.ingest import formats, parsing, values
from projects.ledger import Batch
from projects.models import Import, ImportLine, Project, Source, SourceSync, User
from projects.privacy import Door
from projects.sources import vendors
from projects.sources.walking import Access, Cursor, Page, Record, moment, resting
from projects.workloads import WorkloadEvent

# Records appear late, and change once their call ends: so much is read again each time.
REREAD = timedelta(minutes=30)
# A window is read when it is over, so that pages hold still while they are turned.
SETTLED = timedelta(minutes=1)
MOST_TRIES = 5
FIRST_RETRY_S = 30.0
LOOK_S = 2.0
# Of scheduled syncs that brought nothing, older ones than this many are forgotten.
IDLE_KEPT = 50


class Interrupted(Exception):
    """Cancelled, or the process is asked to stop; what was settled stays, and a stopped sync goes on later."""


def start(source: Source, *, cause: str, by: User | None = None, since: datetime | None = None) -> SourceSync:
    """Note a sync; the caller sends the task. The one under way, if there is one. Raises Invalid.

    `since`: read everything from then on once more, instead of what is new.
    """
    until = timezone.now() - SETTLED
    since = since and _checked(since, until)
    with transaction.atomic():
        held = Source.objects.select_for_update().get(pk=source.pk)
        under_way = held.syncs.unfinished().select_related("taking").first()
        if under_way is not None:
            return under_way
        cursor = _first_cursor(held, since, until)
        taking = Import.objects.create(
            project=source.project,
            source=source.kind,
            format=vendors.named(source.kind).FORMAT,
            file_name=f"{source.name} up to {until:%Y-%m-%d %H:%M} UTC",
            started_by=by,
        )
        begins = None if "after" in cursor else moment(cursor["since"])
        return SourceSync.objects.create(
            source=source, taking=taking, cause=cause, cursor=cursor, since=begins, until=until
        )


def _checked(since: datetime, until: datetime) -> datetime:
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    if since >= until:
        raise Invalid("The time to read from lies in the future.", field="since")
    if since < values.EARLIEST:
        raise Invalid(f"There were no such calls before {values.EARLIEST:%Y}.", field="since")
    return since


def _first_cursor(source: Source, since: datetime | None, until: datetime) -> Cursor:
    if since is not None:
        return {"since": since.astimezone(UTC).isoformat()}
    kept: Cursor = source.cursor or {"since": (until - timedelta(days=source.history_days)).isoformat()}
    if source.cursor and set(kept) == {"since"}:
        return {"since": (moment(kept["since"]) - REREAD).isoformat()}
    return kept


def run(sync: SourceSync) -> SourceSync:
    """Read on from where the sync stands; returns it as it ends, or as it waits for its next try.

    Safe to run again after a kill: pages already in the log are recognised. Raises Unavailable when a store is down;
    the sync then stays unfinished and goes on later.
    """
    is_resumed = sync.taking.started_at is not None
    taking = sync.taking
    taking.state, taking.heartbeat_at, taking.sentence = Import.State.RUNNING, timezone.now(), ""
    taking.started_at = taking.started_at or timezone.now()
    taking.save(update_fields=["state", "heartbeat_at", "started_at", "sentence"])
    try:
        _read(sync, is_resumed=is_resumed)
    except Interrupted:
        Import.objects.filter(pk=taking.pk).update(heartbeat_at=None)
    except SourceFailed as problem:
        _set_aside(sync, problem) if problem.retry and sync.n_tries + 1 < MOST_TRIES else _fail(sync, str(problem))
    else:
        _finish(sync)
    # Removed meanwhile, there is nothing to look up.
    return SourceSync.objects.select_related("source", "taking").filter(pk=sync.pk).first() or sync


def _read(sync: SourceSync, *, is_resumed: bool) -> None:
    source = sync.source
    vendor, secret = vendors.named(source.kind), source.secret()
    access = Access(source.base_url, source.account, secret)
    headers = vendor.headers(access)
    words = Words(source.get_kind_display(), [secret, *headers.values()])
    if not secret:
        raise words.failed(f"cannot be asked: {source.secret_shown} holds no secret.", retry=False)
    with Fetcher(words, headers, pause=_pausing(sync)) as fetch:
        for page in vendor.read(fetch, access, sync.cursor, sync.until):
            fetch.pause(0)
            _settle(sync, page, fetch.n_bytes, is_resumed=is_resumed)
            is_resumed = False


def _pausing(sync: SourceSync) -> Callable[[float], None]:
    """Waits with a beating heart, and raises Interrupted as soon as the sync should end."""

    def pause(seconds: float) -> None:
        ends = time.monotonic() + seconds
        while True:
            _look(sync)
            left = ends - time.monotonic()
            if left <= 0:
                return
            celery.stopping.wait(min(left, LOOK_S))

    return pause


def _look(sync: SourceSync) -> None:
    running = Import.objects.filter(pk=sync.taking_id, state=Import.State.RUNNING)
    # Gone or cancelled: then nothing may be written any more.
    if celery.stopping.is_set() or not running.update(heartbeat_at=timezone.now()):
        raise Interrupted


def _settle(sync: SourceSync, page: Page, n_bytes: int, *, is_resumed: bool) -> None:
    """Take the records of a page in; its cursor is kept in the transaction that counts them."""
    batch = _batch(sync, page.records)
    batch.bytes_done = n_bytes
    if batch.n_lines:
        ledger.settle(sync.taking, batch, is_resumed=is_resumed, beside=lambda: _mark(sync, page))
    else:
        with transaction.atomic():
            _mark(sync, page)


def _batch(sync: SourceSync, records: Iterable[Record]) -> Batch:
    """The project is looked up each time: privacy mode holds from the moment it is switched on."""
    project = Project.objects.get(pk=sync.taking.project_id)
    chosen, now, door = formats.named(sync.taking.format), datetime.now(UTC), Door.of(project)
    batch = Batch(last_line=sync.taking.last_line)
    for record in records:
        batch.last_line += 1
        batch.n_lines += 1
        for found in _parsed(chosen, record, now):
            if isinstance(found, WorkloadEvent):
                batch.events.append(door.let_in(found))
                batch.numbers.append(batch.last_line)
            else:
                batch.left_out.append((batch.last_line, found))
    return batch


def _parsed(chosen: formats.Format, record: Record, now: datetime) -> Iterable[parsing.Found]:
    if isinstance(record, bytes):
        return parsing.line(chosen, record, now)
    cleaned = values.repaired(dict(record))
    return parsing.parsed(chosen, cleaned, now, is_repaired=cleaned != record)


def _mark(sync: SourceSync, page: Page) -> None:
    sync.cursor, sync.n_tries, sync.resume_at = page.cursor, 0, None
    sync.n_received += len(page.records)
    if page.window is not None:
        sync.window_since, sync.window_until = page.window.since, page.window.until
    if page.n_expected is not None:
        sync.n_expected = (sync.n_expected or 0) + page.n_expected
        sync.n_checked += page.n_received
    sync.remarks = [*sync.remarks, *(remark for remark in page.remarks if remark not in sync.remarks)]
    sync.save()
    Source.objects.filter(pk=sync.source_id).update(cursor=resting(page.cursor))


def _set_aside(sync: SourceSync, problem: SourceFailed) -> None:
    """Wait as long as the vendor asks, or longer with each failure, and try again."""
    wait_s = max(problem.retry_after_s or 0.0, FIRST_RETRY_S * 2**sync.n_tries)
    resume_at = timezone.now() + timedelta(seconds=wait_s)
    SourceSync.objects.filter(pk=sync.pk).update(n_tries=sync.n_tries + 1, resume_at=resume_at)
    _end(sync, Import.State.QUEUED, str(problem))


def _fail(sync: SourceSync, sentence: str) -> None:
    if _end(sync, Import.State.FAILED, sentence):
        Source.objects.filter(pk=sync.source_id).update(n_failures=sync.source.n_failures + 1)


def _finish(sync: SourceSync) -> None:
    sentence = ""
    if sync.is_reconciled is False:
        sentence = f"{sync.source.get_kind_display()} counts {sync.n_expected:,} records; {sync.n_checked:,} came."
    if _end(sync, Import.State.DONE, sentence):
        Source.objects.filter(pk=sync.source_id).update(n_failures=0, synced_at=timezone.now())
        # Known records are read again each time: listing them would fill the database.
        sync.taking.lines.filter(outcome=ImportLine.Outcome.DUPLICATE).delete()
        _forget_idle(sync.source)


def _end(sync: SourceSync, state: str, sentence: str) -> bool:
    """Unless it was cancelled meanwhile."""
    ends = None if state == Import.State.QUEUED else timezone.now()
    running = Import.objects.filter(pk=sync.taking_id, state=Import.State.RUNNING)
    return bool(running.update(state=state, sentence=sentence, finished_at=ends, heartbeat_at=None))


def _forget_idle(source: Source) -> None:
    """A sync every few minutes would bury those that brought something."""
    nothing = dict.fromkeys(("n_taken", "n_versioned", "n_merged", "n_flagged", "n_rejected"), 0)
    idle = Import.objects.filter(sync__source=source, sync__cause=SourceSync.Cause.SCHEDULE, **nothing)
    idle = idle.filter(state=Import.State.DONE, sentence="").order_by("-pk")
    Import.objects.filter(pk__in=list(idle.values_list("pk", flat=True)[IDLE_KEPT:])).delete()


def cancel(sync: SourceSync) -> None:
    """Stop after the page at hand; what was taken stays."""
    unfinished = Import.objects.filter(pk=sync.taking_id, state__in=(Import.State.QUEUED, Import.State.RUNNING))
    unfinished.update(state=Import.State.CANCELLED, finished_at=timezone.now())


def due(now: datetime) -> list[Source]:
    """Sources whose schedule wants a sync now."""
    found: QuerySet[Source] = Source.objects.scheduled().select_related("project")
    found = found.exclude(syncs__in=SourceSync.objects.unfinished())
    return [
        source
        for source in found.annotate(tried_at=Max("syncs__taking__created_at"))
        if source.tried_at is None or (source.interval is not None and source.tried_at + source.interval <= now)
    ]
