"""From the spool to the store: segments are written to the log in large batches, counted in a ledger, then removed."""

from __future__ import annotations

import fcntl
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import groupby, islice

from django.conf import settings
from django.db import connections
from django.utils import timezone
from django.utils.module_loading import import_string

from netra.errors import NetraError
from projects import arrivals
from projects.arrivals import Arrival
from projects.models import Import, Project
from projects.spool import SPOOL, Frame, Segment, Spool

log = logging.getLogger("netra.shipping")
# What came within so long travels together: one insert of a thousand costs little more than one of ten, and the store
# is kept from merging crumbs.
GATHER_S = 1.0
RETRY_S = 2.0
JOINED_FRAMES = 1_000


class Shipper:
    """A thread that empties the spool for as long as the process lives."""

    def __init__(self, spool: Spool = SPOOL) -> None:
        self._spool = spool
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        self._spool.has_more.set()  # what an earlier process left
        self._thread.start()

    def stop(self) -> None:
        """Ship what has arrived, and end."""
        self._stopping.set()
        self._spool.has_more.set()
        if self._thread.ident is not None:  # a server may be told to stop before it started
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._spool.has_more.wait()
            self._stopping.wait(GATHER_S)
            if not _tried(self._spool) and not self._stopping.wait(RETRY_S):
                self._spool.has_more.set()
            # Emptying clears the flag; that of `stop` must not go with it, or the thread sleeps on.
        _tried(self._spool)
        connections.close_all()


def _tried(spool: Spool) -> bool:
    try:
        ship(spool)
    except NetraError as problem:
        log.warning("The spool is kept and tried again: %s", problem)
        return False
    except Exception:
        log.exception("The spool could not be emptied; it is kept and tried again.")
        return False
    return True


def ship(spool: Spool = SPOOL) -> int:
    """Write every segment that nobody is writing to the log; returns how many events. Raises Unavailable.

    Safe to repeat: a segment goes only after its events are in the log, and events that are there already are known.
    """
    # Closed at once when a segment fails: whatever still held its lock would keep the next try from it.
    with _alone(spool), closing(spool.segments()) as segments:
        return sum(map(_ship, segments))


@contextmanager
def _alone(spool: Spool) -> Iterator[None]:
    """One process of a machine at a time: two would count into the same ledger."""
    spool.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(spool.folder / "shipping.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ship(segment: Segment) -> int:
    n_events = 0
    frames = sorted(segment.frames(), key=lambda frame: (frame.project_id, frame.source))
    for (project_id, source), group in groupby(frames, key=lambda frame: (frame.project_id, frame.source)):
        if not Project.objects.filter(pk=project_id).exists():
            continue  # deleted meanwhile, and its events with it
        as_source, ready = _ready(source, group)
        taking = _today(project_id, as_source)
        for arrived in _together(ready):
            n_events += arrived.n_events
            arrivals.settle(taking, arrived)
    segment.remove()
    return n_events


def _ready(source: str, frames: Iterator[Frame]) -> tuple[str, Iterator[Frame]]:
    """Frames whose sender left the making of rows to this side, made ready by who knows how; and their source."""
    known = settings.NETRA_RAW_FRAMES.get(source)
    if known is None:
        return source, frames
    as_source, maker = known
    return as_source, map(import_string(maker), _joined(frames))


def _joined(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Small frames as larger ones: what a maker looks up, it looks up once for many."""
    while some := list(islice(frames, JOINED_FRAMES)):
        left_out = [reason for frame in some for reason in frame.left_out]
        body, n_events = b"\n".join(frame.body for frame in some), sum(frame.n_events for frame in some)
        yield replace(some[0], body=body, n_events=n_events, left_out=left_out)


def _together(frames: Iterator[Frame]) -> Iterator[Arrival]:
    """Frames by the batch."""
    arrived = Arrival()
    for frame in frames:
        arrived.add(frame)
        if arrived.is_full:
            yield arrived
            arrived = Arrival()
    if arrived.n_events or arrived.left_out:
        yield arrived


def _today(project_id: int, source: str) -> Import:
    """The ledger of what was pushed to this machine today; another machine keeps its own."""
    now, here = timezone.now(), socket.gethostname()[:200]
    pushed = Import.objects.filter(project_id=project_id, source=source, is_push=True, file_path=here)
    return pushed.filter(created_at__date=now.date()).first() or Import.objects.create(
        project_id=project_id,
        source=source,
        format=source,
        is_push=True,
        file_path=here,
        file_name=f"Received on {now:%Y-%m-%d}",
        state=Import.State.DONE,
        started_at=now,
        finished_at=now,
    )
