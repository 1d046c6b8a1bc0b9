"""A span's ids and times: checked, in hex and UTC, odd clocks flagged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from projects.ingest.values import EARLIEST
from projects.ingest.verdicts import Rejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NS = 86_400 * 10**9
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def ids(span: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Trace, span and parent span. Raises Rejected for what is none; no parent is none."""
    trace_id = _hex(span.get("trace_id"), _TRACE_ID, "invalid_trace_id")
    span_id = _hex(span.get("span_id"), _SPAN_ID, "invalid_span_id")
    parent = span.get("parent_span_id")
    if not parent or parent == "0" * 16:  # how some write that there is none
        return trace_id, span_id, None
    return trace_id, span_id, _hex(parent, _SPAN_ID, "invalid_span_id")


def _hex(value: Any, shape: re.Pattern[str], code: str) -> str:
    found = value.lower() if isinstance(value, str) else ""
    if not shape.fullmatch(found) or not found.strip("0"):
        raise Rejected(code)
    return found


def _start(ns: Any, now: datetime) -> datetime:
    if ns is None or ns == "" or ns == 0:
        raise Rejected("missing_timestamp")
    start = _nanoseconds(ns, "the start")
    if start > now.timestamp() * 10**9 + _DAY_NS:
        raise Rejected("timestamp_in_future", "The start is more than a day ahead.")
    return _moment(start)


def _nanoseconds(ns: Any, name: str) -> int:
    if isinstance(ns, bool) or not isinstance(ns, (int, float)) or ns != ns or not 0 <= ns < 2**64:
        raise Rejected("invalid_timestamp", f"{name} is {str(ns)[:40]!r}.")
    return int(ns)


def _moment(ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ns // 1000)


def times(span: Mapping[str, Any], ttft_ms: float | None, flags: set[str], now: datetime) -> dict[str, Any]:
    """An event's times by name. An end of 0 is none; one before the start is flagged and left out."""
    started_at = _start(span.get("start_ns"), now)
    start, end = int(span["start_ns"]), _nanoseconds(span.get("end_ns") or 0, "the end")
    if started_at < EARLIEST:
        flags.add("implausible_time")
    if 0 < end < start:
        flags.add("clock_mismatch")
    return {
        "started_at": started_at,
        "ended_at": _moment(end) if end >= start else None,
        "duration_ms": (end - start) / 10**6 if end >= start else None,
        "first_token_at": None if ttft_ms is None else started_at + timedelta(milliseconds=min(ttft_ms, 10**9)),
        "ttft_ms": ttft_ms,
    }
