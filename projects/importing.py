"""Taking in a file: every line read, judged and counted; progress, cancelling, and going on after an interruption."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.utils import timezone

from netra import celery
from projects import uploads
from projects.ingest import formats, openai, parsing, reader
from projects.ingest.reader import Line, Reader
from projects.ingest.verdicts import FLAGS, FileRefused, Rejected
from projects.ledger import Batch, settle, tell
from projects.models import Import, ImportLine, Project
from projects.privacy import Door
from projects.workloads import WorkloadEvent

STALE = timedelta(minutes=3)


def run(taking: Import) -> Import:
    """Take the file of an import in, from where it was left; returns the import in its final state.

    Safe to run again after a kill: batches already in the log are recognised. Raises Unavailable when a store is
    down; the import then stays unfinished and goes on later.
    """
    taking.state = Import.State.RUNNING
    taking.started_at = taking.started_at or timezone.now()
    taking.heartbeat_at = timezone.now()
    path = Path(taking.file_path)
    if not taking.sealed_key:  # of a sealed copy the size was told when it came
        taking.bytes_total = path.stat().st_size if path.exists() else None
    taking.save()
    try:
        with _fewer_collections():
            _take(taking, path)
    except FileRefused as refused:
        taking.state, taking.sentence = Import.State.REFUSED, str(refused)
    except OSError as problem:
        taking.state, taking.sentence = Import.State.FAILED, f"The file cannot be read: {problem.strerror}."
    if taking.is_over:
        taking.finished_at = timezone.now()
        uploads.remove_copy(taking)
    taking.save()
    return taking


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """A batch makes a million small objects without cycles; looking for cycles among them costs a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _take(taking: Import, path: Path) -> None:
    if not taking.format:
        taking.format = _detected(path, taking.sealed_key)
        taking.save(update_fields=["format"])
    source = Reader(path, sealed_key=taking.sealed_key)
    is_resumed = taking.last_line > 0
    for batch in _batches(taking, source):
        settle(taking, batch, is_resumed=is_resumed)
        is_resumed = False
        if _is_cancelled(taking):
            taking.state = Import.State.CANCELLED
            return
        if celery.stopping.is_set():
            return
    for flag in sorted(source.flags):
        taking.flag_counts[flag] = taking.flag_counts.get(flag, 0) + 1
        tell(taking, [ImportLine(of_import=taking, line_number=0, outcome="flagged", code=flag, sentence=FLAGS[flag])])
    taking.bytes_done = taking.bytes_total or taking.bytes_done
    taking.state = Import.State.DONE


def _detected(path: Path, sealed_key: str) -> str:
    records = reader.peek(path, sealed_key=sealed_key)
    return formats.detect(records) if records else openai.NAME


def _batches(taking: Import, source: Reader) -> Iterator[Batch]:
    chosen, now, batch, door = formats.named(taking.format), datetime.now(UTC), Batch(), _door(taking)
    for line in source:
        if line.number <= taking.last_line:
            continue
        _read(chosen, line, batch, now, door)
        if batch.is_full:
            yield batch
            batch, door = Batch(), _door(taking)
    if batch.n_lines:
        yield batch


def _door(taking: Import) -> Door:
    """As the project has it now: privacy mode may be turned on while a long file is read."""
    return Door.of(Project.objects.get(pk=taking.project_id))


def _read(chosen: formats.Format, line: Line, batch: Batch, now: datetime, door: Door) -> None:
    batch.last_line, batch.bytes_done = line.number, line.bytes_done
    batch.n_lines += 1
    batch.n_bytes += len(line.data or b"")
    if line.problem:
        batch.left_out.append((line.number, Rejected(line.problem)))
        return
    for found in parsing.line(chosen, line.data, now):
        if isinstance(found, WorkloadEvent):
            batch.events.append(door.let_in(found))
            batch.numbers.append(line.number)
        else:
            batch.left_out.append((line.number, found))


def _is_cancelled(taking: Import) -> bool:
    return Import.objects.filter(pk=taking.pk, state=Import.State.CANCELLED).exists()


def cancel(taking: Import) -> None:
    """Stop after the batch at hand; what was taken stays."""
    if not taking.is_over:
        Import.objects.filter(pk=taking.pk).update(state=Import.State.CANCELLED, finished_at=timezone.now())
