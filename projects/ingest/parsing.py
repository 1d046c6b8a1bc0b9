"""One line of a log → its events, or why not. Whatever the line holds, nothing else comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from projects.ingest import values
from projects.ingest.formats import Format
from projects.ingest.verdicts import Rejected, Skipped
from projects.workloads import WorkloadEvent

Found = WorkloadEvent | Rejected | Skipped
# What a shape that no rule foresaw may raise; ArithmeticError is dates and decimals beyond all bounds.
_ODD = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def line(chosen: Format, data: bytes | None, now: datetime) -> Iterator[Found]:
    """Each record of a line: an event, or the reason it is left out. `data` is None for a line over the limit."""
    try:
        found, is_repaired = _loaded(data)
    except Rejected as reason:
        yield reason
        return
    yield from parsed(chosen, found, now, is_repaired=is_repaired)


def parsed(chosen: Format, found: Mapping[str, Any], now: datetime, *, is_repaired: bool = False) -> Iterator[Found]:
    """The records of an object that is loaded already."""
    try:
        yield from records(chosen, chosen.records(found), now, is_repaired=is_repaired)
    except _ODD as problem:
        yield _odd_shape(problem)
    except Rejected as reason:
        yield reason


def records(
    chosen: Format, found: Iterable[Mapping[str, Any]], now: datetime, *, is_repaired: bool = False
) -> Iterator[Found]:
    """Records that are taken apart already, each an event or the reason it is left out."""
    for record in found:
        yield _event(chosen, record, now, is_repaired=is_repaired)


def _event(chosen: Format, record: Mapping[str, Any], now: datetime, *, is_repaired: bool) -> Found:
    try:
        event = _storable(chosen.parse(record, now=now))
    except (Rejected, Skipped) as reason:
        return reason
    except _ODD as problem:
        return _odd_shape(problem)
    return replace(event, flags=event.flags | {"text_repaired"}) if is_repaired else event


def _storable(event: WorkloadEvent) -> WorkloadEvent:
    """Raises Rejected for a start before there were computers' clocks: the store has no such times."""
    if event.started_at is not None and event.started_at < _BEGINNING:
        raise Rejected("invalid_timestamp", f"The call starts in the year {event.started_at.year}.")
    return event


def _odd_shape(problem: Exception) -> Rejected:
    """A shape no rule foresaw. Refusing the record loses less than guessing, or than stopping the import."""
    return Rejected("wrong_type", f"The record has an unexpected shape ({type(problem).__name__}).")


def _loaded(data: bytes | None) -> tuple[dict[str, Any], bool]:
    """The object of a line, and whether characters that cannot be stored were replaced in it."""
    if data is None:
        raise Rejected("line_too_long")
    record = values.load(data)
    if not isinstance(record, dict):
        raise Rejected("not_an_object")
    if b"\\u0000" in data or b"\\ud" in data or b"\\uD" in data:
        cleaned = values.repaired(record)
        return cleaned, cleaned != record
    return record, False
