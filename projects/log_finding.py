"""The store's side of recognising a call: records that were merged, and events that new records may belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import Any

import orjson

from netra import clickhouse
from projects.identity import LINKS, RECOGNISED, WINDOW, moment, near_names

# Ids to look for in one statement; foreign ones are bound, and ClickHouse limits a statement's length.
CHUNK = 1_000
# A provider's clock and a gateway's differ by no more, and nothing is asked of parts further off.
FAR = timedelta(days=1)
Told = Mapping[str, Any]
_LIGHT = "event_id, argMax(content_hash, version) AS content, max(version) AS newest, " + ", ".join(
    f"argMax({name}, version) AS {name}_" for name in RECOGNISED
)
_MOMENT = f"toString(intDiv(toUnixTimestamp(started_at), {int(WINDOW.total_seconds())}))"
_OUTPUT = "toString(tok_output_visible + coalesce(tok_reasoning, 0) + coalesce(tok_audio_out, 0))"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a merged event that is in the store."""

    event_id: str
    content_hash: str
    import_id: int


def sources(project_id: int) -> set[str]:
    """Every product that told of a call of this project."""
    found = clickhouse.rows(
        "SELECT DISTINCT arrayJoin(sources) AS told_by FROM workload_events WHERE project_id = {project_id:UInt64} "
        "AND purpose IN ('ingested', 'live')",
        {"project_id": project_id},
    )
    return {each["told_by"] for each in found}


def records(project_id: int, keys: Sequence[str]) -> dict[str, Record]:
    """Records of merged events by key: the event id that the record would have had alone."""
    found: dict[str, Record] = {}
    for chunk in chunks(keys):
        rows = clickhouse.rows(
            "SELECT record_key, argMax(event_id, ingested_at) AS event, argMax(content_hash, ingested_at) AS content, "
            "argMax(import_id, ingested_at) AS taken_by FROM source_records "
            "WHERE project_id = {project_id:UInt64} AND record_key IN {ids:Array(String)} GROUP BY record_key",
            {"project_id": project_id, "ids": list(chunk)},
        )
        found |= {each["record_key"]: Record(each["event"], each["content"], each["taken_by"]) for each in rows}
    return found


def records_of(project_id: int, event_ids: Sequence[str]) -> list[dict[str, Any]]:
    """What each product told of these events, in the order it came; of a changed record the newest."""
    return clickhouse.rows(
        "SELECT event_id, record_key, argMax(record, ingested_at) AS record, min(ingested_at) AS since, "
        "argMax(import_id, ingested_at) AS taken_by FROM source_records "
        "WHERE project_id = {project_id:UInt64} AND event_id IN {ids:Array(String)} "
        "GROUP BY event_id, record_key ORDER BY since, record_key",
        {"project_id": project_id, "ids": list(event_ids)},
    )


def whole(project_id: int, event_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The newest version of each, whatever was superseded: a kill may have left it without a successor."""
    if not event_ids:
        return
    found = clickhouse.rows(
        "SELECT * FROM workload_events WHERE project_id = {project_id:UInt64} AND event_id IN {ids:Array(String)} "
        "ORDER BY version DESC LIMIT 1 BY event_id",
        {"project_id": project_id, "ids": list(event_ids)},
    )
    for row in found:
        for name in ("request", "response", "metadata", "usage_raw"):
            row[name] = orjson.loads(row[name]) if row[name] else None
        yield row


def standing(project_id: int, event_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Those of these events that are current, with their version."""
    found: list[tuple[str, int]] = []
    for chunk in chunks(event_ids):
        rows = clickhouse.rows(
            "SELECT event_id, version FROM workload_events WHERE project_id = {project_id:UInt64} "
            "AND event_id IN {ids:Array(String)} AND (event_id, version) NOT IN (SELECT event_id, version FROM "
            "superseded_events WHERE project_id = {project_id:UInt64} AND event_id IN {ids:Array(String)})",
            {"project_id": project_id, "ids": list(chunk)},
        )
        found += [(each["event_id"], each["version"]) for each in rows]
    return found


def by_id(project_id: int, event_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The newest version of each of these events."""
    for chunk in chunks(sorted(event_ids)):
        yield from _light(project_id, "event_id IN {ids:Array(String)}", {"ids": list(chunk)})


def tied(project_id: int, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    """Events with a strong tie to one of these records, for where only one tracer tells of calls."""
    for chunk in chunks(told):
        ids = _ids(chunk, ("provider_response_id",))
        found = _in_time(project_id, chunk, "provider_response_id IN {provider_response_ids:Array(String)}", ids)
        yield from _current(project_id, found)


def linked(project_id: int, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    """Events with any tie to one of these records."""
    for chunk in chunks(told):
        ids = _ids(chunk, ("provider_response_id", "call_id", *LINKS))
        any_tie = " OR ".join(f"{name[:-1]} IN {{{name}:Array(String)}}" for name in ids)
        found = chain(_in_time(project_id, chunk, any_tie, ids), _without_prompt(project_id, chunk))
        yield from _current(project_id, found)


def _current(project_id: int, found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Without versions that a later one replaced: what was asked for is true of those only."""
    newest = {(each["event_id"], each["newest"]): each for each in found}
    replaced: dict[str, int] = {}
    for chunk in chunks(sorted({event_id for event_id, _ in newest})):
        rows = clickhouse.rows(
            "SELECT event_id, max(version) AS last FROM superseded_events WHERE project_id = {project_id:UInt64} "
            "AND event_id IN {ids:Array(String)} GROUP BY event_id",
            {"project_id": project_id, "ids": list(chunk)},
        )
        replaced |= {each["event_id"]: each["last"] for each in rows}
    yield from (each for (event_id, version), each in newest.items() if version > replaced.get(event_id, 0))


def _ids(told: Sequence[Told], names: Sequence[str]) -> dict[str, list[str]]:
    return {f"{name}s": sorted({each[name] for each in told if each[name]}) for name in names}


def _in_time(project_id: int, told: Sequence[Told], any_tie: str, ids: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read near their times, where those are known."""
    if not any(ids.values()):
        return
    times = [each["started_at"] for each in told if each["is_start_known"]]
    if times:
        near = {"since": min(times) - FAR, "until": max(times) + FAR}
        yield from _light(project_id, f"{_BETWEEN} AND ({any_tie})", ids | near)
        yield from _light(project_id, f"NOT is_start_known AND ({any_tie})", ids)
    if len(times) < len(told):
        yield from _light(project_id, any_tie, ids)


def _without_prompt(project_id: int, told: Sequence[Told]) -> Iterator[dict[str, Any]]:
    """Of two records one of which lacks the prompt, those that are near in time and alike."""
    timed = [each for each in told if each["is_start_known"]]
    if not timed:
        return
    spoken = [name for each in timed if each["prompt_hash"] for name in _places(each)]
    silent = [name for each in timed if not each["prompt_hash"] for name in _places(each)]
    times = [each["started_at"] for each in timed]
    near = {"since": min(times) - WINDOW, "until": max(times) + WINDOW, "spoken": spoken, "silent": silent}
    places = f"[concat('user ', user_id, ' ', {_MOMENT}), concat('output ', {_OUTPUT}, ' ', {_MOMENT})]"
    clause = (
        f"is_start_known AND {_BETWEEN} AND (hasAny({places}, {{silent:Array(String)}}) "
        f"OR (prompt_hash = '' AND hasAny({places}, {{spoken:Array(String)}})))"
    )
    yield from _light(project_id, clause, near)


_BETWEEN = "started_at BETWEEN {since:DateTime64(6, 'UTC')} AND {until:DateTime64(6, 'UTC')}"


def _places(told: Told) -> Iterator[str]:
    at = moment(told)
    for name in near_names(told):
        yield from (f"{name} {each}" for each in (at - 1, at, at + 1))


def _light(project_id: int, clause: str, parameters: Told) -> list[dict[str, Any]]:
    found = clickhouse.rows(
        f"SELECT {_LIGHT} FROM workload_events WHERE project_id = {{project_id:UInt64}} "  # noqa: S608
        f"AND purpose IN ('ingested', 'live') AND ({clause}) GROUP BY event_id",
        {"project_id": project_id, **parameters},
    )
    return [{name.removesuffix("_"): value for name, value in row.items()} for row in found]


def chunks(of: Iterable[Any]) -> Iterator[Sequence[Any]]:
    rest = iter(of)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
