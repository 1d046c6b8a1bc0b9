"""The log: everything that happened, written once, never edited. The only room that knows its tables.

"Current" events are all versions except those that a later one replaced (docs/decisions/0003-versions.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from netra import clickhouse
from netra.errors import Invalid, NotFound
from projects.log_deleting import delete_project
from projects.log_filter import EventFilter, instant
from projects.log_writing import WriteReport, write

__all__ = [
    "CURRENT",
    "EventFilter",
    "WriteReport",
    "count",
    "delete_project",
    "events",
    "export",
    "migrate",
    "population",
    "write",
]

SCHEMA = Path(__file__).parent / "sql"
_TIME = "DateTime64(6, 'UTC')"
_OWN = "project_id = {project_id:UInt64}"
_GONE = "SELECT event_id, version FROM superseded_events WHERE project_id = {project_id:UInt64}"
_STANDS = f"(event_id, version) NOT IN ({_GONE})"
CURRENT = f"{_OWN} AND {_STANDS}"
# By the id alone as well, which the store has an index of.
_REPLACED = f"WHERE {_OWN} AND event_id IN (SELECT event_id FROM ({_GONE})) AND (event_id, version) IN ({_GONE})"  # noqa: S608


def current(clauses: str = "", *, has_replaced: bool = True) -> str:
    """The condition of a statement that reads few of the current events: `clauses` (each with AND before) go first.

    Only of rows that pass those are the id and the wider columns read at all, which the store would not see by itself.
    Where it is known that no version was replaced, ids are not read.
    """
    return f"PREWHERE {_OWN}{clauses} WHERE {_STANDS if has_replaced else 'true'}"


def migrate() -> Sequence[str]:
    """Make or change the store's tables; returns the names of what was applied."""
    return clickhouse.apply_schema(SCHEMA)


_LISTED = (
    "event_id, version, started_at, is_start_known, purpose, source, provider, requested_model, served_model, outcome, "
    "http_status, kind, duration_ms, ttft_ms, cost_usd, cost_recorded_usd, flags, is_replayable, not_replayable, "
    "session_id, user_id, run_id, prompt_chars, is_refusal, finish_reason, is_simulated, sources, "
    "trace_id, span_id, parent_span_id, prompt_hash, "
    "tok_input_fresh, tok_cache_read, tok_output_visible, tok_reasoning"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows newest first; `after` continues, None at the end."""

    rows: list[dict[str, Any]]
    after: str | None


def events(project_id: int, wanted: EventFilter, *, limit: int = 50, after: str | None = None) -> Page:
    """Current events, newest first. `after` is the `after` of the page before."""
    clauses, parameters = wanted.clauses()
    if after:
        at, _, event_id = after.partition("|")
        at_most = "started_at <= {at:DateTime64(6, 'UTC')}"
        clauses += f" AND {at_most} AND (started_at, event_id) < ({{at:DateTime64(6, 'UTC')}}, {{after_id:String}})"
        parameters |= {"at": cursor_time(at), "after_id": event_id}
    found = clickhouse.rows(
        f"SELECT {_LISTED} FROM workload_events {current(clauses)} "  # noqa: S608
        "ORDER BY started_at DESC, event_id DESC LIMIT {limit:UInt32}",
        {"project_id": project_id, "limit": limit + 1, **parameters},
    )
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], f"{last['started_at'].isoformat()}|{last['event_id']}" if last else None)


def cursor_time(text: str) -> datetime:
    """A time out of a page's address; without a zone it is UTC. Raises Invalid."""
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        raise Invalid(
            "This place in the list cannot be read; start again from the first page.", field="after"
        ) from None


def event(project_id: int, event_id: str, version: int | None = None) -> dict[str, Any]:
    """One event whole, its newest version unless told; bodies as objects. Raises NotFound."""
    if version and not 0 < version < 2**32:
        raise NotFound("There is no such version of this event.")
    clause = " AND version = {version:UInt32}" if version else ""
    found = clickhouse.rows(
        "SELECT * FROM workload_events WHERE project_id = {project_id:UInt64} AND event_id = {event_id:String}"  # noqa: S608
        + clause
        + " ORDER BY version DESC LIMIT 1",
        {"project_id": project_id, "event_id": event_id, "version": version or 0},
    )
    if not found:
        raise NotFound("There is no such event in this project.")
    return _opened(found[0])


def versions(project_id: int, event_id: str) -> list[dict[str, Any]]:
    """Every version of an event, newest first: number and when it came."""
    return clickhouse.rows(
        "SELECT version, ingested_at, import_id FROM workload_events "
        "WHERE project_id = {project_id:UInt64} AND event_id = {event_id:String} ORDER BY version DESC",
        {"project_id": project_id, "event_id": event_id},
    )


def records(project_id: int, event_id: str) -> list[dict[str, Any]]:
    """What each product told of an event that several told of, in the order they came; empty for one source's."""
    found = clickhouse.rows(
        "SELECT record_key, source, source_record_id, ingested_at, record FROM source_records "
        "WHERE project_id = {project_id:UInt64} AND event_id = {event_id:String} ORDER BY ingested_at",
        {"project_id": project_id, "event_id": event_id},
    )
    latest = {each["record_key"]: each | {"record": orjson.loads(each["record"])} for each in found}
    return list(latest.values())


def requests(
    project_id: int, event_ids: Sequence[str], *, within: tuple[datetime, datetime] | None = None
) -> dict[str, dict[str, Any]]:
    """Newest versions by id, whole, bodies as objects; ids that are not there are left out.

    `within`: first and last start of these events, where they are known; nothing else is read then.
    """
    clauses, times = " AND event_id IN {ids:Array(String)}", {}
    if within is not None:
        clauses = f" AND started_at BETWEEN {{first:{_TIME}}} AND {{last:{_TIME}}}{clauses}"
        times = {"first": within[0], "last": within[1]}
    found = clickhouse.rows(
        f"SELECT * FROM workload_events {current(clauses)}",  # noqa: S608
        {"project_id": project_id, "ids": list(event_ids), **times},
    )
    return {each["event_id"]: _opened(each) for each in found}


def _opened(found: dict[str, Any]) -> dict[str, Any]:
    for name in ("request", "response", "metadata", "usage_raw"):
        found[name] = orjson.loads(found[name]) if found[name] else None
    return found


def population(project_id: int, wanted: EventFilter) -> list[dict[str, Any]]:
    """Light rows of the replayable events, oldest first: what a sample is drawn from."""
    clauses, parameters = wanted.clauses()
    return clickhouse.rows(
        "SELECT event_id, kind, prompt_hash, system_hash, prompt_chars, n_messages, has_tools, has_images, wants_json, "  # noqa: S608
        "started_at, requested_model, served_model, provider, cost_usd, duration_ms, is_refusal, outcome, "
        "tok_input_fresh, tok_cache_read, tok_output_visible, tok_reasoning, content_hash "
        f"FROM workload_events {current(' AND is_replayable' + clauses)} AND purpose IN ('ingested', 'live') "
        "ORDER BY started_at, event_id",
        {"project_id": project_id, **parameters},
    )


def export(project_id: int, wanted: EventFilter, *, batch: int = 2_000) -> Iterable[dict[str, Any]]:
    """Every current event whole, newest first, a batch at a time."""
    after: str | None = None
    while True:
        page = events(project_id, wanted, limit=batch, after=after)
        times = [each["started_at"] for each in page.rows]
        within = (min(times), max(times)) if times else None
        whole = requests(project_id, [each["event_id"] for each in page.rows], within=within)
        yield from (whole[each["event_id"]] for each in page.rows)
        after = page.after
        if after is None:
            return


def count(project_id: int, wanted: EventFilter) -> int:
    clauses, parameters = wanted.clauses()
    given = {"project_id": project_id, **parameters}
    found: int = clickhouse.scalar(f"SELECT count() FROM workload_events WHERE {_OWN}{clauses}", given)  # noqa: S608
    # Few versions were ever replaced: counting those apart spares reading the id of every row.
    gone: int = clickhouse.scalar(f"SELECT count() FROM workload_events {_REPLACED}{clauses}", given)  # noqa: S608
    return found - gone
