"""Sums and latency counts of many projects out of the hourly roll-up: two statements, however many projects there are.

A project whose roll-up does not hold just now is left out here, and read by the engine instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from netra import clickhouse
from projects.analytics import standing
from projects.analytics.vocabulary import CONDITIONS

DEMAND = "purpose IN ('ingested', 'live')"
_WITHIN = (
    "project_id IN {ids:Array(UInt64)} AND hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')}"
    f" AND {DEMAND}"
)
Span = tuple[datetime, datetime]
Row = dict[str, Any]
Counts = Mapping[tuple[int, bool], list[tuple[int, int]]]


def newest_at(ids: Collection[int]) -> dict[int, datetime]:
    """Each project's newest call, as far as summed up; no entry without any."""
    found = clickhouse.rows(
        "SELECT project_id, max(last_at) AS at FROM event_hours "  # noqa: S608
        f"WHERE project_id IN {{ids:Array(UInt64)}} AND {DEMAND} AND n_calls > 0 GROUP BY project_id",
        {"ids": sorted(ids)},
    )
    return {row["project_id"]: row["at"] for row in found}


def sound(ids: Collection[int], span: Span) -> set[int]:
    """Those whose hours agree with the log. Most are told by two questions for all; the others are asked one by one."""
    doubted = _with_replaced(ids, span) if standing.months_agree(span) else set(ids)
    return {each for each in ids if each not in doubted or not standing.hours(each, span).stale}


def _with_replaced(ids: Collection[int], span: Span) -> set[int]:
    """Versions replaced in the span, or at a time that is not noted yet."""
    found = clickhouse.rows(
        "SELECT DISTINCT project_id FROM superseded_events WHERE project_id IN {ids:Array(UInt64)} AND "
        "((started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}) "
        "OR toUnixTimestamp64Micro(started_at) = 0)",
        {"ids": sorted(ids), "since": span[0], "until": span[1]},
    )
    return {row["project_id"] for row in found}


def sums(ids: Collection[int], span: Span, stretch: timedelta) -> Mapping[int, list[Row]]:
    """Of each project one row a stretch of the span that has calls; `place` counts stretches from its beginning."""
    found = clickhouse.rows(
        "SELECT project_id, intDiv(toUnixTimestamp(hour) - {first:Int64}, {length:Int64}) AS place, "  # noqa: S608
        f"sum(n_calls) AS n, sumIf(n_calls, {CONDITIONS['errors'].expression}) AS n_errors, "
        "sum(cost_usd) AS usd, sum(n_cost_usd) AS n_priced, sumIf(n_duration_ns, outcome = 'ok') AS n_timed "
        f"FROM event_hours WHERE {_WITHIN} GROUP BY project_id, place ORDER BY project_id, place",
        {**_told(ids, span), "first": int(span[0].timestamp()), "length": int(stretch.total_seconds())},
    )
    rows: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        rows[row["project_id"]].append(row)
    return rows


def latency_counts(
    ids: Collection[int], span: Span, middle: datetime
) -> Mapping[tuple[int, bool], list[tuple[int, int]]]:
    """Answered calls a bucket of latency, of each project before (False) and from (True) the middle on."""
    found = clickhouse.rows(
        "SELECT project_id, hour >= {middle:DateTime('UTC')} AS is_now, bucket, sum(n) AS n_calls "  # noqa: S608
        f"FROM latency_hours WHERE {_WITHIN} AND measure = 'duration_ms' AND cut = 'model' AND outcome = 'ok' "
        "GROUP BY project_id, is_now, bucket",
        {**_told(ids, span), "middle": middle},
    )
    counts: dict[tuple[int, bool], list[tuple[int, int]]] = defaultdict(list)
    for row in found:
        counts[row["project_id"], bool(row["is_now"])].append((row["bucket"], row["n_calls"]))
    return counts


def _told(ids: Collection[int], span: Span) -> dict[str, Any]:
    return {"ids": sorted(ids), "since": span[0], "until": span[1]}
