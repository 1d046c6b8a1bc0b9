"""What the log is read for beside the list of calls: traces, sessions, versions, tries of one question.

Bounded by project and time or by an id, and by a number of rows: no page reads the whole log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netra import clickhouse
from projects import traces
from projects.log import CURRENT, current, cursor_time
from projects.log_filter import DEMAND, ERRORS, UNANSWERED, EventFilter, instant

# A trace or session of more calls is read a part at a time.
TREE_ROWS = 5_000
# The newest calls among which sessions are looked for, for one page of them.
SESSION_ROWS = 5_000
_NODES = (
    "event_id, version, started_at, is_start_known, duration_ms, ttft_ms, outcome, http_status, finish_reason, flags, "
    "purpose, source, sources, provider, requested_model, served_model, kind, trace_id, span_id, parent_span_id, "
    "session_id, user_id, prompt_hash, cost_usd, cost_recorded_usd, is_simulated, "
    "tok_input_fresh, tok_cache_read, tok_output_visible, tok_reasoning"
)


@dataclass(frozen=True, slots=True)
class Part:
    """Calls in the order of their starts; `after` continues, None at the end."""

    rows: list[dict[str, Any]]
    after: str | None


def newest_at(project_id: int, wanted: EventFilter | None = None) -> datetime | None:
    """The start of the newest current call; None in an empty log. Read from the end of the log's own order."""
    clauses, parameters = (wanted or EventFilter()).clauses()
    found: datetime | None = clickhouse.scalar(
        f"SELECT started_at FROM workload_events {current(clauses)} ORDER BY started_at DESC LIMIT 1",  # noqa: S608
        {"project_id": project_id, **parameters},
    )
    return found


def calls(project_id: int, wanted: EventFilter, *, limit: int = TREE_ROWS, after: str | None = None) -> Part:
    """Current calls, oldest first, without their texts: those of a trace or a session."""
    clauses, parameters = wanted.clauses()
    if after:
        clauses += " AND (started_at, event_id) > ({at:DateTime64(6, 'UTC')}, {after_id:String})"
        at, _, event_id = after.partition("|")
        parameters |= {"at": cursor_time(at), "after_id": event_id[:64]}
    found = clickhouse.rows(
        f"SELECT {_NODES} FROM workload_events {current(clauses)} "  # noqa: S608
        "ORDER BY started_at, event_id LIMIT {limit:UInt32}",
        {"project_id": project_id, "limit": limit + 1, **parameters},
    )
    last = found[limit - 1] if len(found) > limit else None
    return Part(found[:limit], f"{last['started_at'].isoformat()}|{last['event_id']}" if last else None)


def tried_again(project_id: int, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Which of these calls were failed tries, with the call that tried again: one query, by their traces' ids."""
    open_ = [row for row in rows if row["trace_id"] and row["prompt_hash"] and traces.is_unanswered(row)]
    if not open_:
        return {}
    later = clickhouse.rows(
        "SELECT event_id, trace_id, prompt_hash, started_at, outcome, flags, purpose FROM workload_events "  # noqa: S608
        f"WHERE {CURRENT} AND started_at >= {{since:DateTime64(6, 'UTC')}} AND {DEMAND} "
        "AND trace_id IN {ids:Array(String)} LIMIT 10000",
        {
            "project_id": project_id,
            "since": min(row["started_at"] for row in open_),
            "ids": sorted({row["trace_id"] for row in open_}),
        },
    )
    asked = {row["event_id"] for row in open_}
    return {event_id: other for event_id, other in traces.attempts(later).items() if event_id in asked}


def n_attempts(project_id: int, wanted: EventFilter) -> int:
    """How many calls were failed tries of a question that the same trace asked again later: no demand of their own."""
    clauses, parameters = wanted.clauses()
    within = f"{CURRENT} AND {DEMAND}{clauses} AND trace_id != '' AND prompt_hash != ''"
    found = clickhouse.scalar(
        "SELECT sum(arrayCount(at -> at < last_at, failed_at)) FROM (SELECT max(started_at) AS last_at, "  # noqa: S608
        f"groupArrayIf(started_at, {UNANSWERED}) AS failed_at FROM workload_events WHERE {within} AND trace_id IN "
        f"(SELECT trace_id FROM workload_events WHERE {within} AND {UNANSWERED}) GROUP BY trace_id, prompt_hash)",
        {"project_id": project_id, **parameters},
    )
    return int(found or 0)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions by their last call, newest first; `before` continues with older ones, None at the end."""

    rows: list[dict[str, Any]]
    before: datetime | None


def sessions(project_id: int, wanted: EventFilter, *, before: datetime | None = None, limit: int = 50) -> Sessions:
    """Which sessions were at work last, in the window of `wanted`. Figures are of the calls in that window.

    Looks at the newest few thousand calls that have a session, so its cost does not grow with the log.
    """
    clauses, parameters = wanted.clauses()
    before = instant(before) if before else None
    earlier = " AND started_at < {before:DateTime64(6, 'UTC')}" if before else ""
    at = {"before": before} if before else {}
    found = clickhouse.rows(
        "SELECT session_id, max(started_at) AS last_at, count() OVER () AS n_found, min(min(started_at)) OVER () AS "  # noqa: S608
        f"oldest_at, sum(count()) OVER () AS n_read FROM (SELECT session_id, started_at FROM workload_events "
        f"{current(clauses + earlier)} AND {DEMAND} AND session_id != '' "
        f"ORDER BY started_at DESC LIMIT {SESSION_ROWS}) "
        f"GROUP BY session_id ORDER BY last_at DESC LIMIT {limit} WITH TIES",
        {"project_id": project_id, **parameters, **at},
    )
    if not found:
        return Sessions([], None)
    is_all = found[0]["n_found"] <= limit and found[0]["n_read"] < SESSION_ROWS
    further = None if is_all else found[-1]["last_at"] if found[0]["n_found"] > limit else found[0]["oldest_at"]
    figures = _figures(project_id, clauses, parameters, [row["session_id"] for row in found])
    shown = [each for each in figures if before is None or each["last_at"] < before]
    return Sessions(sorted(shown, key=lambda each: each["last_at"], reverse=True), further)


def _figures(project_id: int, clauses: str, parameters: Mapping[str, Any], ids: Sequence[str]) -> list[dict[str, Any]]:
    theirs = f"{clauses} AND session_id IN {{ids:Array(String)}}"
    return clickhouse.rows(
        "SELECT session_id, count() AS n_calls, min(started_at) AS first_at, max(started_at) AS last_at, "  # noqa: S608
        "uniqExact(trace_id) AS n_traces, any(user_id) AS one_user, uniqExact(user_id) AS n_users, "
        f"countIf({ERRORS}) AS n_errors, sum(cost_usd) AS spent_usd, countIf(cost_usd IS NOT NULL) AS n_priced, "
        "sum(tok_output_visible) AS tokens_out, max(is_simulated) AS is_simulated "
        f"FROM workload_events {current(theirs)} AND {DEMAND} GROUP BY session_id",
        {"project_id": project_id, "ids": list(ids), **parameters},
    )


def changes(project_id: int, event_id: str, *, limit: int = 50) -> list[dict[str, Any]]:
    """The newest versions of an event, newest first, each with the names of what it changed (None: not to be told)."""
    told = ", ".join(f"toString({name}) AS {name}" for name in _COMPARED)
    bodies = ", ".join(f"toString(cityHash64({name})) AS {name}" for name in _BODIES)
    found = clickhouse.rows(
        f"SELECT version, ingested_at, import_id, {told}, {bodies} FROM workload_events "  # noqa: S608
        "WHERE project_id = {project_id:UInt64} AND event_id = {event_id:String} ORDER BY version DESC "
        "LIMIT 1 BY version LIMIT {limit:UInt32}",
        {"project_id": project_id, "event_id": event_id, "limit": limit + 1},
    )
    older: list[dict[str, Any] | None] = [*found[1:], None]
    return [_change(new, old) for new, old in zip(found, older, strict=True)][:limit]


_BODIES = ("request", "response", "metadata", "usage_raw")
_COMPARED = (
    *(
        "sources",
        "outcome",
        "http_status",
        "finish_reason",
        "is_refusal",
        "requested_model",
        "served_model",
        "provider",
    ),
    *("duration_ms", "ttft_ms", "session_id", "user_id", "trace_id", "span_id", "cost_recorded_usd", "cost_usd"),
    *("tok_input_fresh", "tok_cache_read", "tok_output_visible", "tok_reasoning", "flags", "tags", "is_replayable"),
)


def _change(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> dict[str, Any]:
    changed = None if old is None else [name for name in (*_COMPARED, *_BODIES) if new[name] != old[name]]
    return {name: new[name] for name in ("version", "ingested_at", "import_id")} | {"changed": changed}
