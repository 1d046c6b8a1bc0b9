"""How the log stands just now: what an answer stays true for, which versions were replaced, which hours are summed up.

Nothing here is trusted that can be checked: an hour of the roll-up counts only while it has as many rows as the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache

from netra import clickhouse
from projects.analytics.calls import Bound, log_rows
from projects.analytics.rolled import Hours
from projects.analytics.times import from_micros, micros

KEPT_S = 3600
Span = tuple[datetime, datetime]
Part = tuple[str, str, int, int, int, int]
_NEVER = "toDateTime64(0, 6, 'UTC')"
_SPAN = "{since:DateTime64(6, 'UTC')}", "{until:DateTime64(6, 'UTC')}"
_ROLLED = (
    "project_id, started_at, purpose, source, provider, requested_model, served_model, kind, operation, environment, "
    "outcome, error_type, finish_reason, is_refusal, is_replayable, is_simulated, duration_ms, ttft_ms, "
    "tok_input_fresh, tok_cache_read, tok_cache_write_5m, tok_cache_write_1h, tok_output_visible, tok_reasoning, "
    "tok_audio_in, tok_audio_out, cost_recorded_usd, cost_usd"
)


@dataclass(slots=True)
class _State:
    """The parts that the log has, and what was asked about them since: whose replaced versions are placed in time, and
    how many rows the roll-up has of a month."""

    parts: list[Part]
    placed: set[int] = field(default_factory=set)
    rolled: dict[int, int] = field(default_factory=dict)

    def n_rows(self, table: str, months: Sequence[int]) -> int:
        return sum(part[2] for part in self.parts if part[0] == table and part[1].isdigit() and int(part[1]) in months)


_state: ContextVar[_State | None] = ContextVar("state_of_the_log", default=None)


@contextmanager
def moment() -> Iterator[_State]:
    """Within it the state of the log is asked for once; one inside another is the same moment."""
    if (known := _state.get()) is not None:
        yield known
        return
    state = _State(_read_parts())
    token = _state.set(state)
    try:
        yield state
    finally:
        _state.reset(token)


def fingerprint(spans: Sequence[Span]) -> str:
    """Changes whenever a row is added to or taken from a month that one of the spans touches. Reads no data."""
    months = [(f"{since:%Y%m}", f"{until:%Y%m}") for since, until in spans]
    with moment() as state:
        known = state.parts
    parts = [part for part in known if not part[1].isdigit() or any(low <= part[1] <= high for low, high in months)]
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def _read_parts() -> list[Part]:
    """Of each table and month: rows, the numbers of its last insertion and change, and whether it hides rows."""
    found = clickhouse.rows(
        "SELECT table, partition, sum(rows) AS n, max(max_block_number) AS block, max(data_version) AS version, "
        "max(has_lightweight_delete) AS has_hidden "
        "FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table IN ('workload_events', 'superseded_events') GROUP BY table, partition ORDER BY table, partition",
        settings=clickhouse.UNCOMPILED,
    )
    return [
        (row["table"], row["partition"], row["n"], row["block"], row["version"], row["has_hidden"]) for row in found
    ]


def locate(project_id: int) -> None:
    """Note where replaced versions stand in time, for those written without it. One pass over the project's ids."""
    unplaced = (
        "SELECT event_id, version FROM superseded_events WHERE project_id = {project_id:UInt64} "
        "GROUP BY event_id, version HAVING toUnixTimestamp64Micro(max(started_at)) = 0"
    )
    if not clickhouse.rows(f"{unplaced} LIMIT 1", {"project_id": project_id}):
        return
    clickhouse.command(
        "INSERT INTO superseded_events (project_id, event_id, version, superseded_at, started_at) "  # noqa: S608
        "SELECT project_id, event_id, version, now64(6), started_at FROM workload_events "
        f"WHERE project_id = {{project_id:UInt64}} AND (event_id, version) IN ({unplaced})",
        {"project_id": project_id},
    )


def has_replaced(project_id: int, span: Span) -> bool:
    """Whether versions that a later one replaced stand in the span."""
    with moment() as state:
        if not any(part[0] == "superseded_events" and part[2] for part in state.parts):
            return False
        return bool(_kept("replaced", project_id, span, _has_replaced))


def _has_replaced(project_id: int, span: Span) -> bool:
    with moment() as state:
        if project_id not in state.placed:
            locate(project_id)
            state.placed.add(project_id)
    return bool(
        clickhouse.rows(
            "SELECT 1 FROM superseded_events WHERE project_id = {project_id:UInt64} "  # noqa: S608
            f"AND started_at >= {_SPAN[0]} AND started_at < {_SPAN[1]} LIMIT 1",
            _parameters(project_id, span),
        )
    )


def hours(project_id: int, span: Span) -> Hours:
    """The whole hours of a span, and those whose roll-up does not hold: read once for a state of the log."""
    whole = Hours.of(span)
    if whole.since >= whole.until:
        return whole
    return Hours(whole.since, whole.until, _kept("stale", project_id, (whole.since, whole.until), _checked))


def has_more(project_id: int, span: Span, n: int) -> bool:
    """Whether the log has more rows than that in a span. Where its months have not, the span is not looked at."""
    with moment() as state:
        if state.n_rows("workload_events", _months(span)) <= n:
            return False
        return int(_kept("rows", project_id, span, _n_rows)) > n


def _n_rows(project_id: int, span: Span) -> int:
    found = clickhouse.scalar(
        "SELECT count() FROM workload_events WHERE project_id = {project_id:UInt64} "  # noqa: S608
        f"AND started_at >= {_SPAN[0]} AND started_at < {_SPAN[1]}",
        _parameters(project_id, span),
    )
    return int(found)


def _kept(name: str, project_id: int, span: Span, read: Callable[[int, Span], Any]) -> Any:
    ends = ":".join(str(micros(at)) for at in span)
    key = f"analytics-{name}:{project_id}:{ends}:{fingerprint([span])}"
    found = cache.get(key)
    if found is None:
        found = read(project_id, span)
        cache.set(key, found, KEPT_S)
    return found


def _checked(project_id: int, span: Span) -> list[datetime]:
    """By month first, which reads no events; hour by hour only where a month disagrees or a version was replaced."""
    return _stale(project_id, span) if has_replaced(project_id, span) or not months_agree(span) else []


def months_agree(span: Span) -> bool:
    """Whether the roll-up has as many rows as the log in each month touched, of all projects together."""
    months = _months(span)
    with moment() as state:
        told = [part for part in state.parts if part[0] == "workload_events" and part[1].isdigit()]
        parts = {int(part[1]): part for part in told}
        if any(month in parts and parts[month][5] for month in months):  # rows are hidden
            return False
        rolled = _rolled(state, months)
    return all(rolled[month] == (parts[month][2] if month in parts else 0) for month in months)


def _rolled(state: _State, months: Sequence[int]) -> dict[int, int]:
    if unknown := [month for month in months if month not in state.rolled]:
        found = clickhouse.rows(
            "SELECT toYYYYMM(hour) AS month, sum(n_rows) AS n FROM event_hours "
            "WHERE toYYYYMM(hour) IN {months:Array(UInt32)} GROUP BY month",
            {"months": unknown},
        )
        state.rolled |= dict.fromkeys(unknown, 0) | {row["month"]: row["n"] for row in found}
    return state.rolled


def _months(span: Span) -> list[int]:
    """The months that a span touches, as 202611."""
    first, last = (12 * at.year + at.month - 1 for at in span)
    return [100 * (month // 12) + month % 12 + 1 for month in range(first, last + 1)]


def _stale(project_id: int, span: Span) -> list[datetime]:
    """Hours that have other rows than the log (a kill in between, a deletion), or versions replaced since they were
    summed up."""
    where = f"project_id = {{project_id:UInt64}} AND {{at}} >= {_SPAN[0]} AND {{at}} < {_SPAN[1]}"
    of_event, of_hour = where.replace("{at}", "started_at"), where.replace("{at}", "hour")
    found = clickhouse.rows(
        f"SELECT at FROM ("  # noqa: S608
        f"SELECT toStartOfHour(started_at) AS at, count() AS n, {_NEVER} AS rebuilt, {_NEVER} AS replaced, 0 AS r "
        f"FROM workload_events WHERE {of_event} GROUP BY at UNION ALL "
        f"SELECT hour, 0, max(rebuilt_at), {_NEVER}, sum(n_rows) FROM event_hours WHERE {of_hour} GROUP BY hour "
        "UNION ALL "
        f"SELECT toStartOfHour(started_at) AS at, 0, {_NEVER}, max(superseded_at), 0 "
        f"FROM superseded_events WHERE {of_event} GROUP BY at"
        ") GROUP BY at HAVING sum(n) != sum(r) OR max(replaced) > max(rebuilt) ORDER BY at",
        _parameters(project_id, span),
    )
    return [row["at"] for row in found]


def rebuild(project_id: int) -> int:
    """Sum up again every hour of a project that does not hold; returns how many. Safe beside writers and other readers:
    what comes in meanwhile makes an hour disagree with the log, so it is read from there until the next time."""
    locate(project_id)
    span = whole_log(project_id)
    stale = [] if span is None else _stale(project_id, span)
    for at in range(0, len(stale), 500):
        _rebuild(project_id, [int(hour.timestamp()) for hour in stale[at : at + 500]])
    return len(stale)


def _rebuild(project_id: int, stale: list[int]) -> None:
    asked = {"project_id": project_id, "hours": stale}
    for table in ("event_hours", "latency_hours"):
        clickhouse.command(
            f"DELETE FROM {table} WHERE project_id = {{project_id:UInt64}} "  # noqa: S608
            "AND toUnixTimestamp(hour) IN {hours:Array(UInt32)}",
            asked,
        )
    # A minute back: a version being replaced at this very moment may not be seen yet.
    clickhouse.command(
        f"INSERT INTO events_to_roll ({_ROLLED}, is_current, rebuilt_at) "  # noqa: S608
        f"SELECT {_ROLLED}, (event_id, version) NOT IN (SELECT event_id, version FROM superseded_events "
        "WHERE project_id = {project_id:UInt64}), now64(6) - toIntervalMinute(1) FROM workload_events "
        "WHERE project_id = {project_id:UInt64} AND toStartOfHour(started_at) IN "
        "(arrayMap(x -> toDateTime(x, 'UTC'), {hours:Array(UInt32)}))",
        asked,
    )


def whole_log(project_id: int) -> Span | None:
    """From the first to after the last hour, of the log and of the roll-up."""
    found = clickhouse.rows(
        "SELECT min(low) AS first, max(high) AS last, sum(n) AS n_all FROM ("
        "SELECT toUnixTimestamp64Micro(min(started_at)) AS low, toUnixTimestamp64Micro(max(started_at)) AS high, "
        "count() AS n FROM workload_events WHERE project_id = {project_id:UInt64} UNION ALL "
        "SELECT toInt64(toUnixTimestamp(min(hour))) * 1000000, toInt64(toUnixTimestamp(max(hour))) * 1000000, "
        "count() FROM event_hours WHERE project_id = {project_id:UInt64}) WHERE n > 0",
        {"project_id": project_id},
    )[0]
    if not found["n_all"]:
        return None
    return max(from_micros(found["first"]), _FIRST), min(from_micros(found["last"] + 3_600_000_000), _LAST)


_FIRST, _LAST = from_micros(0), from_micros(4_291_747_200_000_000)


def ends(project_id: int, span: Span) -> tuple[datetime | None, datetime | None]:
    """The first and the last current call of the agent in a span; None where there is none."""
    found, replaced = [], has_replaced(project_id, span)
    for way in ("ASC", "DESC"):
        bound = Bound()
        source = log_rows(bound, project_id, span, has_replaced=replaced, told="started_at purpose")
        at = clickhouse.scalar(
            f"SELECT started_at FROM {source} WHERE purpose IN ('ingested', 'live') "  # noqa: S608
            f"ORDER BY started_at {way} LIMIT 1",
            bound.values,
        )
        found.append(at)
    return found[0], found[1]


def projects_rolled() -> list[int]:
    """Every project that the log or the roll-up knows."""
    found = clickhouse.rows(
        "SELECT DISTINCT project_id FROM (SELECT project_id FROM workload_events UNION DISTINCT "
        "SELECT project_id FROM event_hours) ORDER BY project_id"
    )
    return [row["project_id"] for row in found]


def _parameters(project_id: int, span: Span) -> dict[str, Any]:
    return {"project_id": project_id, "since": span[0], "until": span[1]}
