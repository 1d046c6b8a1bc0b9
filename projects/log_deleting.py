"""Deleting from the log: by age, by person, by id. What goes is off the disk, not only out of sight.

Each deletion is one mutation that rewrites the parts it touches (docs/decisions/0008-deleting-events.md). Events go
after what belongs to them, so that a deletion that was cut off finds them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from netra import clickhouse

# Events deleted in one go; their ids are held in the store's memory meanwhile, some hundred bytes each.
WINDOW = 250_000
CHUNK = 5_000
ROLL_UPS = ("event_hours", "latency_hours")
_TIME = "DateTime64(6, 'UTC')"
_CHANGED = (
    "SELECT event_id FROM workload_events WHERE project_id = {project_id:UInt64} AND event_id IN "
    "(SELECT event_id FROM superseded_events WHERE project_id = {project_id:UInt64}) "
    "GROUP BY event_id HAVING argMax(started_at, version)"
)
# The age of an event with versions is that of its newest: all of them go together.
_OLD = (
    f"((started_at < {{until:{_TIME}}} AND event_id NOT IN ({_CHANGED} >= {{until:{_TIME}}})) "
    f"OR event_id IN ({_CHANGED} < {{until:{_TIME}}}))"
)
_OLD_IDS = f"SELECT event_id FROM workload_events WHERE project_id = {{project_id:UInt64}} AND {_OLD}"  # noqa: S608
_THEIRS = (
    "SELECT event_id FROM workload_events WHERE project_id = {project_id:UInt64} "
    "AND user_id IN {persons:Array(String)} UNION DISTINCT "
    "SELECT event_id FROM source_records WHERE project_id = {project_id:UInt64} "
    "AND JSONExtractString(record, 'user_id') IN {persons:Array(String)}"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a deletion would take: events, and when the first and last of them started (None without any)."""

    n_events: int
    first_at: datetime | None
    last_at: datetime | None


def older(project_id: int, until: datetime) -> Found:
    """The events that `delete_older` would take."""
    return _found(project_id, _OLD, {"until": until})


def delete_older(project_id: int, until: datetime) -> int:
    """Delete the events whose newest version started before `until`, oldest first; returns how many. Idempotent."""
    n_events = 0
    while (edge := _edge(project_id, until)) is not None:
        n_found = older(project_id, edge).n_events
        if not n_found:  # old versions only, whose newest are younger than this window
            edge, n_found = until, older(project_id, until).n_events
        n_events += n_found
        given = {"project_id": project_id, "until": edge}
        _delete("source_records", f"event_id IN ({_OLD_IDS})", given)
        _delete("workload_events", _OLD, given)
        _forget_versions(project_id)
    for table in ROLL_UPS:  # the hour of the edge itself no longer agrees with the log, and is reckoned anew
        _delete(table, f"hour < toStartOfHour({{until:{_TIME}}})", {"project_id": project_id, "until": until})
    return n_events


def _edge(project_id: int, until: datetime) -> datetime | None:
    """Up to where the next window of old events reaches; None when there are none."""
    oldest = clickhouse.rows(
        f"SELECT started_at FROM workload_events WHERE project_id = {{project_id:UInt64}} AND {_OLD} "  # noqa: S608
        "ORDER BY started_at LIMIT {n:UInt64}",
        {"project_id": project_id, "until": until, "n": WINDOW + 1},
    )
    if not oldest:
        return None
    is_more = len(oldest) > WINDOW and oldest[-1]["started_at"] > oldest[0]["started_at"]
    return oldest[-1]["started_at"] if is_more else until


def _forget_versions(project_id: int) -> None:
    """Events that are gone have no versions: were they told of again, their first must count."""
    kept = (
        "SELECT event_id FROM workload_events WHERE project_id = {project_id:UInt64} AND event_id IN "
        "(SELECT event_id FROM superseded_events WHERE project_id = {project_id:UInt64})"
    )
    _delete("superseded_events", f"event_id NOT IN ({kept})", {"project_id": project_id})


def of_persons(project_id: int, persons: Sequence[str]) -> Found:
    """The events that any version or any source says are of one of these people."""
    return _found(project_id, f"event_id IN ({_THEIRS})", {"persons": list(persons)})


def delete_person(project_id: int, persons: Sequence[str], *, known_as: str) -> int:
    """Delete a person's events, and keep the digests of their records; returns how many events. Idempotent.

    `persons` are the ids to look for; `known_as` is the keyed hash that the digests are kept under.
    """
    given = {"project_id": project_id, "known_as": known_as}
    _keep_digests(f"SELECT event_id AS record_key FROM ({_THEIRS})", {**given, "persons": list(persons)})  # noqa: S608
    # Of a call that several products told of, each one's record.
    _keep_digests(_THEIR_RECORDS, given)
    n_events = _found(project_id, f"event_id IN ({_ERASED})", given).n_events
    for table in ("source_records", "superseded_events", "workload_events"):
        _delete(table, f"event_id IN ({_ERASED})", given)  # by digest: a mutation's text is kept by the store
    return n_events


_ERASED = "SELECT record_key FROM erased_records WHERE project_id = {project_id:UInt64} AND person = {known_as:String}"
_THEIR_RECORDS = (
    "SELECT record_key FROM source_records WHERE project_id = {project_id:UInt64} "  # noqa: S608
    f"AND event_id IN ({_ERASED})"
)


def _keep_digests(found: str, given: Mapping[str, Any]) -> None:
    clickhouse.command(
        "INSERT INTO erased_records (project_id, person, record_key) "  # noqa: S608
        "SELECT {project_id:UInt64}, {known_as:String}, record_key FROM "
        f"({found}) WHERE record_key NOT IN ({_ERASED})",
        given,
    )


def erased(project_id: int, event_ids: Sequence[str]) -> set[str]:
    """Which of these records were deleted on request."""
    found: set[str] = set()
    for chunk in _chunks(event_ids):
        rows = clickhouse.rows(
            "SELECT DISTINCT record_key FROM erased_records WHERE project_id = {project_id:UInt64} "  # noqa: S608
            f"AND record_key IN ({_listed(chunk)})",
            {"project_id": project_id},
        )
        found |= {row["record_key"] for row in rows}
    return found


def let_in_again(project_id: int, known_as: str) -> None:
    """Forget the digests of a person's records: they may be imported again."""
    _delete("erased_records", "person = {known_as:String}", {"project_id": project_id, "known_as": known_as})


def present(project_id: int, event_ids: Sequence[str]) -> set[str]:
    """Which of these events are in the log."""
    found: set[str] = set()
    for chunk in _chunks(event_ids):
        rows = clickhouse.rows(
            "SELECT DISTINCT event_id FROM workload_events WHERE project_id = {project_id:UInt64} "  # noqa: S608
            f"AND event_id IN ({_listed(chunk)})",
            {"project_id": project_id},
        )
        found |= {row["event_id"] for row in rows}
    return found


def delete_events(project_id: int, event_ids: Sequence[str]) -> None:
    """Delete events by id, all versions, with what their sources told."""
    for chunk in _chunks(event_ids):
        for table in ("source_records", "superseded_events", "workload_events"):
            _delete(table, f"event_id IN ({_listed(chunk)})", {"project_id": project_id})


def delete_project(project_id: int) -> None:
    """Remove everything of a project."""
    for table in ("source_records", "superseded_events", "workload_events", "erased_records", *ROLL_UPS):
        _delete(table, "true", {"project_id": project_id})


def _found(project_id: int, clause: str, given: Mapping[str, Any]) -> Found:
    (row,) = clickhouse.rows(
        "SELECT uniqExact(event_id) AS n, min(started_at) AS first_at, max(started_at) AS last_at "  # noqa: S608
        f"FROM workload_events WHERE project_id = {{project_id:UInt64}} AND {clause}",
        {**given, "project_id": project_id},
    )
    return Found(row["n"], row["first_at"], row["last_at"]) if row["n"] else Found(0, None, None)


def _delete(table: str, clause: str, given: Mapping[str, Any]) -> None:
    """One mutation, waited for on every replica; none where nothing matches, for it would rewrite nothing slowly."""
    where = f"WHERE project_id = {{project_id:UInt64}} AND {clause}"
    if not clickhouse.scalar(f"SELECT 1 FROM {table} {where} LIMIT 1", given):  # noqa: S608
        return
    clickhouse.command(f"ALTER TABLE {table} DELETE {where} SETTINGS mutations_sync = 2", given)


def _listed(event_ids: Sequence[str]) -> str:
    """Ids are hexadecimal digests of our own making; anything else names no event."""
    return ", ".join(f"'{each}'" for each in event_ids if each.isalnum()) or "''"


def _chunks(event_ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(event_ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
