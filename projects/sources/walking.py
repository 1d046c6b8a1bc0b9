"""Reading a log by time: half-open windows, ascending, narrower where the vendor cannot cope, wider where little is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from netra.errors import SourceFailed

Cursor = dict[str, Any]
Record = Mapping[str, Any] | bytes
FIRST_SPAN = timedelta(days=1)
NARROWEST = timedelta(minutes=1)
# A window that held less than this lets the next one be twice as wide; after a failure only so many of them do,
# for each failure costs a vendor's whole time-out.
FEW_RECORDS = 1_000
CALM_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Access:
    """What a vendor is asked with. The secret stays out of `repr`, hence out of logs and tracebacks."""

    base_url: str
    account: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` on, up to but not including `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of a window. `at` says where to go on in it, None that it is whole.

    The last piece tells how many records came in all, and how many the vendor says there are, if it does.
    """

    records: Sequence[Record] = ()
    at: Cursor | None = None
    n_received: int = 0
    n_expected: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records to be taken in together, and the cursor to keep with them.

    `n_received` and `n_expected` are told once a window is whole, of vendors that give a total of their own.
    """

    records: Sequence[Record]
    cursor: Cursor
    window: Window | None = None
    n_received: int = 0
    n_expected: int | None = None
    remarks: Sequence[str] = ()


def walk(
    read: Callable[[Window, Cursor], Iterator[Piece]],
    cursor: Cursor,
    until: datetime,
    *,
    longest: timedelta,
    first: timedelta = FIRST_SPAN,
) -> Iterator[Page]:
    """Pages from where the cursor stands up to `until`. Raises SourceFailed when a narrow window fails as well."""
    # The width is kept as well, so that what was cut off by a kill is read again in the same pieces.
    span, since = timedelta(seconds=cursor.get("span_s", first.total_seconds())), moment(cursor["since"])
    n_calm = CALM_WINDOWS
    while since < until:
        window = Window(since, moment(cursor["until"]) if "until" in cursor else min(since + span, until))
        n_records = 0
        try:
            for piece in read(window, cursor.get("at") or {}):
                n_records += len(piece.records)
                if piece.at is None and n_records < FEW_RECORDS:
                    n_calm += 1
                    span = min(longest, span * 2) if n_calm > CALM_WINDOWS else span
                page = _page(window, piece, span)
                yield page
        except SourceFailed as problem:
            if not problem.is_too_wide or window.until - since <= NARROWEST:
                raise
            n_calm = 0
            span, cursor = max(NARROWEST, (window.until - since) / 2), {"since": since.isoformat()}
            continue
        cursor, since = page.cursor, window.until


def _page(window: Window, piece: Piece, span: timedelta) -> Page:
    if piece.at is None:
        whole = {"since": window.until.isoformat(), "span_s": span.total_seconds()}
        return Page(piece.records, whole, window, piece.n_received, piece.n_expected)
    begun = {"since": window.since.isoformat(), "until": window.until.isoformat(), "at": piece.at}
    return Page(piece.records, begun, window)


def resting(cursor: Cursor) -> Cursor:
    """The cursor as the next sync may start from it: a window that was only begun is read again from its start."""
    return {name: value for name, value in cursor.items() if name not in ("until", "at", "span_s")}


def moment(text: str) -> datetime:
    """A moment as cursors keep it, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def rows_of(answer: Any, name: str = "data") -> list[Mapping[str, Any]]:
    """The list under a name of an answer. Raises SourceFailed when there is none: an answer of another kind."""
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise SourceFailed(f"The answer holds no list {name!r}: is the base URL right?")
    return [row if isinstance(row, dict) else {"unreadable": row} for row in found]
