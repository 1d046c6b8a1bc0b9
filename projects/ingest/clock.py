"""When a call began, first spoke and ended: durations computed where both ends are told, odd clocks flagged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from projects.ingest import values

_MS = timedelta(milliseconds=1)


def times(started_at: datetime, first: Any, ended: Any, flags: set[str]) -> dict[str, Any]:
    """An event's times by name. An end before the start is flagged `clock_mismatch` and left out."""
    # A clock a little ahead at the other end is no reason to refuse a call: ends may lie past the time of import.
    later = started_at + timedelta(days=366)
    first_at = values.moment(first, "the time of the first token", now=later)
    ended_at = values.moment(ended, "the end", now=later)
    if any(at is not None and at < started_at for at in (first_at, ended_at)):
        flags.add("clock_mismatch")
        first_at, ended_at = _after(first_at, started_at), _after(ended_at, started_at)
    if started_at < values.EARLIEST:
        flags.add("implausible_time")
    return {
        "started_at": started_at,
        "first_token_at": first_at,
        "ended_at": ended_at,
        "ttft_ms": None if first_at is None else (first_at - started_at) / _MS,
        "duration_ms": None if ended_at is None else (ended_at - started_at) / _MS,
    }


def _after(at: datetime | None, started_at: datetime) -> datetime | None:
    return None if at is None or at < started_at else at
