"""Events accepted but not yet in the store: appended to a segment file before the answer goes out.

A segment is a run of frames: a header line (length, checksum, what was left out) and the events, a line each as
`log_lines` writes them. What `append` has returned for survives a kill of the process. A process writes a segment of
its own, locked while it lives; others take it over once it is gone. The space is bounded: past it, `append` refuses,
and nothing is held in memory.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.conf import settings

from netra.errors import Busy
from projects.ingest.verdicts import Rejected, Skipped

SUFFIX = ".segment"
RETRY_AFTER_S = 5.0
RECOUNT_S = 1.0
SEGMENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One accepted batch of a project: its events a line each, and the reasons of what was left out of it."""

    project_id: int
    source: str
    body: bytes
    n_events: int
    left_out: Sequence[Rejected | Skipped] = ()


class Spool:
    """Segments in a folder. Safe to use from several threads, and from several processes side by side."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.has_more = threading.Event()
        self._lock = threading.Lock()
        self._open: BinaryIO | None = None
        self._written = 0
        self._waiting_bytes: int | None = None
        self._counted_at = 0.0

    def append(self, frame: Frame) -> None:
        """Keep a batch. It is on disk, past a kill of this process, when this returns. Raises Busy when full."""
        body = frame.body
        header = orjson.dumps(
            {
                "project_id": frame.project_id,
                "source": frame.source,
                "n_events": frame.n_events,
                "bytes": len(body),
                "crc": zlib.crc32(body),
                "left_out": [[type(each).__name__, each.code, str(each)] for each in frame.left_out],
            }
        )
        with self._lock:
            self._write(header + b"\n" + body + b"\n")
        self.has_more.set()

    def _write(self, data: bytes) -> None:
        if not self._has_room(len(data)):
            self.has_more.set()
            raise Busy("The log store is behind and its spool is full; send this again.", retry_after_s=RETRY_AFTER_S)
        if self._open is None:
            self._open = _locked(_fresh(self.folder))
        start = self._written
        try:
            # One write: what the kernel has taken survives the process, and readers ignore a frame that is cut.
            rest = memoryview(data)
            while rest:
                rest = rest[self._open.write(rest) :]
        except OSError:
            # A disk that is full took a part: without it, the next frame would not be found.
            with suppress(OSError):
                self._open.truncate(start)
            self.rotate_locked()
            raise Busy("The disk of the spool is full; send this again.", retry_after_s=RETRY_AFTER_S) from None
        self._written += len(data)
        assert self._waiting_bytes is not None
        self._waiting_bytes += len(data)
        if self._written >= SEGMENT_BYTES:
            self.rotate_locked()

    def _has_room(self, n_bytes: int) -> bool:
        """Looks at the disk again when it seems full, once a second: this process or another may have shipped some."""
        now = time.monotonic()
        is_full = self._waiting_bytes is not None and self._waiting_bytes + n_bytes > self.max_bytes
        if self._waiting_bytes is None or (is_full and now - self._counted_at >= RECOUNT_S):
            self._waiting_bytes, self._counted_at = sum(map(_size, self.folder.glob(f"*{SUFFIX}"))), now
        return self._waiting_bytes + n_bytes <= self.max_bytes

    def rotate_locked(self) -> None:
        """Close the segment being written, so that it can be shipped. The caller holds the lock."""
        if self._open is not None:
            self._open.close()  # which releases its lock
            self._open, self._written = None, 0

    def segments(self) -> Generator[Segment]:
        """Every segment nobody writes, oldest first, each locked while it is looked at."""
        with self._lock:
            self.rotate_locked()
            self._waiting_bytes = None  # counted anew: others may have shipped some
        self.has_more.clear()
        for path in sorted(self.folder.glob(f"*{SUFFIX}"), key=_age):
            if (file := _try_locked(path)) is not None:
                with file:
                    yield Segment(path, file)
                with self._lock:
                    self._waiting_bytes = None

    def close(self) -> None:
        with self._lock:
            self.rotate_locked()


@dataclass(frozen=True, slots=True)
class Segment:
    path: Path
    file: BinaryIO

    def frames(self) -> Iterator[Frame]:
        """Whole frames. One that is cut at the end was never acknowledged; past a damaged one, the next are found."""
        while header := self.file.readline():
            after = self.file.tell()
            if (frame := self._frame(header)) is not None:
                yield frame
            else:
                self.file.seek(after)  # no header, or not its body: whatever follows may still be whole

    def _frame(self, header: bytes) -> Frame | None:
        try:
            told: dict[str, Any] = orjson.loads(header)
            body = self.file.read(told["bytes"])
        except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
            return None
        if len(body) < told["bytes"] or zlib.crc32(body) != told.get("crc"):
            return None
        self.file.readline()
        left_out = [_reason(*each) for each in told["left_out"]]
        return Frame(told["project_id"], told["source"], body, told["n_events"], left_out)

    def remove(self) -> None:
        """What it held is in the store."""
        self.path.unlink(missing_ok=True)


def _reason(kind: str, code: str, sentence: str) -> Rejected | Skipped:
    if kind == Skipped.__name__:
        return Skipped(code)
    reason = Rejected(code)
    reason.args = (sentence,)
    return reason


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{os.getpid()}-{uuid.uuid4().hex}{SUFFIX}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process shipped it just now
        return 0


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process shipped it just now
        return 0.0


def _locked(path: Path) -> BinaryIO:
    # Held open for as long as the segment is written: the lock lives with the file.
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "ab", buffering=0)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _try_locked(path: Path) -> BinaryIO | None:
    """The segment opened for reading; None while its writer lives, or when another process was first."""
    try:
        file = open(path, "rb")  # noqa: SIM115 (handed on with its lock)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if path.exists():
        return file
    file.close()
    return None


SPOOL = Spool(settings.DATA_DIR / "spool", max_bytes=settings.SPOOL_MAX_BYTES)
