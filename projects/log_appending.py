"""Appending rows that came ready: what is plainly new goes in as it is; the rest is left to `log_writing`.

Plainly new is a row whose record nobody told of before, here or in the same batch, and whose call no other record can
have told of: its product is the only one about, and where that is a tracer, the provider's response id is new as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyarrow import compute

from netra import clickhouse
from projects.identity import TRACERS
from projects.log_rows import id_keys
from projects.log_turns import turn
from projects.workloads import Purpose

# A provider's clock and a gateway's differ by no more.
FAR = timedelta(days=1)
# Ids are written out, which costs a tenth of binding them; a statement may hold 256 KiB.
STATEMENT_CHARS = 180_000
_SEEN = "purpose IN ('ingested', 'live')"
_UNTIMED = "NOT is_start_known"
_NEAR = "started_at BETWEEN {since:DateTime64(6, 'UTC')} AND {until:DateTime64(6, 'UTC')}"


def append(project_id: int, ready: pa.Table, *, import_id: int) -> list[int]:
    """Write the rows that are plainly new, in one insert; returns the places of the others, of which none is written.

    Idempotent, also after a kill in the middle: what was written is known the next time. Raises Unavailable.
    """
    with turn(project_id):
        careful = _careful(project_id, ready)
        fresh = ready if not careful else ready.filter(compute.invert(_mask(ready.num_rows, careful)))
        clickhouse.insert("workload_events", _stamped(project_id, fresh, import_id))
    return sorted(careful)


def _careful(project_id: int, ready: pa.Table) -> set[int]:
    """Places of the rows that need a closer look."""
    everything = set(range(ready.num_rows))
    sources = set(ready["source"].unique().to_pylist())
    purposes = set(ready["purpose"].unique().to_pylist())
    if len(sources) != 1 or purposes - {Purpose.INGESTED, Purpose.LIVE} or not all(ready["is_start_known"].to_pylist()):
        return everything
    times = compute.min_max(ready["started_at"]).as_py()
    near = {"since": times["min"] - FAR, "until": times["max"] + FAR}
    (source,) = sources
    spans = [_NEAR, *([_UNTIMED] if _holds(project_id, _UNTIMED, {}) else [])]
    # Another product that told of calls in these days, or of calls of an unknown day, may have told of these.
    if any(
        _holds(project_id, f"{when} AND sources != [{{source:String}}]", {"source": source, **near}) for when in spans
    ):
        return everything
    ids: list[str] = ready["event_id"].to_pylist()
    known = _repeated(ids) | _known(project_id, ids)
    places = {place for place, event_id in enumerate(ids) if event_id in known}
    return places | (_tied(project_id, ready, spans, near) if source in TRACERS else set())


def _holds(project_id: int, clause: str, parameters: Mapping[str, Any]) -> bool:
    """Whether there is any such call of this project."""
    found = clickhouse.rows(
        f"SELECT 1 FROM workload_events WHERE project_id = {{project_id:UInt64}} AND {clause} AND {_SEEN} LIMIT 1",  # noqa: S608
        {"project_id": project_id, **parameters},
    )
    return bool(found)


def _repeated(ids: Sequence[Any]) -> set[Any]:
    """What stands there more than once; None does not count."""
    if len(set(ids)) == len(ids):
        return set()
    return {each for each, n in Counter(ids).items() if n > 1 and each is not None}


def _known(project_id: int, ids: Collection[str]) -> set[str]:
    """Which of these events are there, under their own id or as a record of another."""
    found: set[str] = set()
    for listed in _listed(ids):
        # They are digests of our own, hexadecimal: writing them out is safe.
        wanted = f"splitByChar(',', '{listed}')"
        for asked in (
            f"SELECT event_id AS id FROM workload_events PREWHERE project_id = {{project_id:UInt64}} "  # noqa: S608
            f"AND id_key IN ({id_keys(listed.split(','))}) WHERE event_id IN {wanted} SETTINGS use_skip_indexes = 0",
            "SELECT record_key AS id FROM source_records WHERE project_id = {project_id:UInt64} "  # noqa: S608
            f"AND record_key IN {wanted}",
        ):
            found |= {row["id"] for row in clickhouse.rows(asked, {"project_id": project_id})}
    return found


def _tied(project_id: int, ready: pa.Table, spans: Sequence[str], near: Mapping[str, Any]) -> set[int]:
    """Rows whose call a record with the same response id told of: here, or in the store near their time."""
    ids: list[str | None] = ready["provider_response_id"].to_pylist()
    met = _repeated(ids)
    # Others' ids may hold anything but NUL: in hexadecimal they are written out as safely as our own.
    for listed in _listed((each.encode().hex() for each in {*ids} - met if each), between="00"):
        for when in spans:
            rows = clickhouse.rows(
                "SELECT DISTINCT provider_response_id AS id FROM workload_events "  # noqa: S608
                f"WHERE project_id = {{project_id:UInt64}} AND {when} AND {_SEEN} "
                f"AND provider_response_id IN splitByChar('\\0', unhex('{listed}'))",
                {"project_id": project_id, **near},
            )
            met |= {row["id"] for row in rows}
    return {place for place, each in enumerate(ids) if each in met}


def _listed(ids: Iterable[str], between: str = ",") -> Iterator[str]:
    """Ids in one text, as many at a time as a statement holds."""
    part: list[str] = []
    size = 0
    for each in ids:
        if size + len(each) > STATEMENT_CHARS:
            yield between.join(part)
            part, size = [], 0
        part.append(each)
        size += len(each) + 1
    if part:
        yield between.join(part)


def _mask(n: int, places: Collection[int]) -> pa.Array:
    return pa.array([place in places for place in range(n)], pa.bool_())


def _stamped(project_id: int, fresh: pa.Table, import_id: int) -> pa.Table:
    """With what is only known now."""
    n, now = fresh.num_rows, datetime.now(UTC)
    stamps = {
        "project_id": pa.scalar(project_id, pa.uint64()),
        "version": pa.scalar(1, pa.uint32()),
        "ingested_at": pa.scalar(now, pa.timestamp("us", "UTC")),
        "import_id": pa.scalar(import_id, pa.uint64()),
    }
    for name, value in stamps.items():
        fresh = fresh.append_column(name, pa.repeat(value, n))
    return fresh
