"""Which calls the kinds of work are found in: a seeded draw of each stratum, and an unbroken run of the newest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from netra import clickhouse
from netra.tokens import BUCKETS
from projects.clusters.drawing import allot
from projects.log import CURRENT, EventFilter, current
from projects.log_filter import DEMAND
from projects.log_reading import newest_at
from projects.replayability import OPERATIONS

MAX_STRATA = 400
MAX_BYTES = 48_000_000  # of bodies, in one read
BATCH = 200
REST = "rest"
_TIME = "DateTime64(6, 'UTC')"
_ASKED = f"{DEMAND} AND is_start_known AND operation IN {{operations:Array(String)}}"
_READABLE = "request IS NOT NULL AND NOT has(flags, 'private')"
# What a call looks like without reading it: the log's own name for it, its model, its size, whether it has tools.
_STRATUM = (
    "toString(cityHash64(kind, coalesce(requested_model, served_model, ''), has_tools, "
    "multiIf(prompt_chars < 500, 0, prompt_chars < 4000, 1, 2)))"
)
_LUCK = "cityHash64(event_id, {seed:UInt64}) / 18446744073709551616."
_LIGHT = (
    "event_id, started_at, kind, provider, requested_model, served_model, operation, outcome, flags, stream, "
    "has_tools, n_messages, session_id, trace_id, cost_usd, duration_ms, length(request) AS n_bytes, "
    + ", ".join(f"tok_{name}" for name in BUCKETS)
)


@dataclass(frozen=True, slots=True)
class Window:
    """Times, and how much demand there is: all of it, of that hashed by privacy mode, and without a prompt."""

    since: datetime
    until: datetime
    n_calls: int
    n_private: int
    n_without_prompt: int
    ingested_after: datetime | None = None
    ingested_until: datetime | None = None

    def clauses(self) -> tuple[str, dict[str, Any]]:
        clauses, given = EventFilter(since=self.since, until=self.until).clauses()
        return _came(clauses, given, self.ingested_after, self.ingested_until)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A call of the sample; `row` has its light columns."""

    row: dict[str, Any]
    stands_for: float


def window(
    project_id: int,
    *,
    days: int,
    ingested_after: datetime | None = None,
    ingested_until: datetime | None = None,
) -> Window | None:
    """The days up to the newest call; None in an empty log. Bounds of ingestion: only calls that came between them."""
    newest = newest_at(project_id, EventFilter(is_demand=True))
    if newest is None:
        return None
    until = newest + timedelta(microseconds=1)
    since = until - timedelta(days=days)
    clauses, given = _came(*EventFilter(since=since, until=until).clauses(), ingested_after, ingested_until)
    told = clickhouse.rows(
        f"SELECT count() AS n, countIf(has(flags, 'private')) AS n_private, countIf(request IS NULL) AS n_without "  # noqa: S608
        f"FROM workload_events WHERE {CURRENT} AND {_ASKED}{clauses}",
        _bound(project_id, given),
    )[0]
    return Window(since, until, told["n"], told["n_private"], told["n_without"], ingested_after, ingested_until)


def _came(
    clauses: str, given: dict[str, Any], after: datetime | None, until: datetime | None
) -> tuple[str, dict[str, Any]]:
    for name, sign, at in (("came_after", ">", after), ("came_until", "<=", until)):
        if at is not None:
            clauses, given = f"{clauses} AND ingested_at {sign} {{{name}:{_TIME}}}", {**given, name: at}
    return clauses, given


def _bound(project_id: int, given: dict[str, Any]) -> dict[str, Any]:
    return {"project_id": project_id, "operations": list(OPERATIONS), **given}


def draw(project_id: int, within: Window, *, n: int, seed: int) -> list[Drawn]:
    """About `n` readable calls, oldest first: the same log and seed, the same calls.

    Each stratum gives so many of those with the least luck (a hash of id and seed), so that nothing large is sorted.
    """
    sizes = _strata(project_id, within)
    wanted = allot(sizes, n)
    clauses, given = within.clauses()
    names = [name for name in wanted if name != REST]
    rates = {name: min(1.0, (1.5 * wanted[name] + 10) / sizes[name]) for name in wanted}
    found = clickhouse.rows(
        f"SELECT {_LIGHT}, if({_STRATUM} IN {{names:Array(String)}}, {_STRATUM}, '{REST}') AS stratum, {_LUCK} AS luck "  # noqa: S608
        f"FROM workload_events WHERE {CURRENT} AND {_ASKED} AND {_READABLE}{clauses} "
        f"AND {_LUCK} < transform({_STRATUM}, {{names:Array(String)}}, {{rates:Array(Float64)}}, {{rest:Float64}}) "
        "ORDER BY luck, event_id",
        _bound(
            project_id,
            {
                **given,
                "seed": seed,
                "names": names or [""],
                "rates": [rates[name] for name in names] or [0.0],
                "rest": rates.get(REST, 0.0),
            },
        ),
    )
    return _weighed(found, sizes, wanted)


def _strata(project_id: int, within: Window) -> dict[str, int]:
    clauses, given = within.clauses()
    found = clickhouse.rows(
        f"SELECT {_STRATUM} AS stratum, count() AS n FROM workload_events "  # noqa: S608
        f"WHERE {CURRENT} AND {_ASKED} AND {_READABLE}{clauses} GROUP BY stratum ORDER BY n DESC, stratum",
        _bound(project_id, given),
    )
    sizes = {row["stratum"]: row["n"] for row in found[:MAX_STRATA]}
    rest = sum(row["n"] for row in found[MAX_STRATA:])
    return sizes | ({REST: rest} if rest else {})


def _weighed(rows: Sequence[dict[str, Any]], sizes: dict[str, int], wanted: dict[str, int]) -> list[Drawn]:
    by_stratum: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if len(by_stratum[row["stratum"]]) < wanted.get(row["stratum"], 0):
            by_stratum[row["stratum"]].append(row)
    drawn = [Drawn(row, sizes[name] / len(mine)) for name, mine in by_stratum.items() for row in mine]
    return sorted(drawn, key=lambda each: (each.row["started_at"], each.row["event_id"]))


def newest(project_id: int, within: Window, *, n: int) -> list[dict[str, Any]]:
    """Light rows of the newest calls of the window, oldest first; private ones and those without a prompt too."""
    clauses, given = within.clauses()
    found = clickhouse.rows(
        f"SELECT {_LIGHT} FROM workload_events {current(clauses)} AND {_ASKED} "  # noqa: S608
        "ORDER BY started_at DESC, event_id DESC LIMIT {n:UInt32}",
        _bound(project_id, {**given, "n": n}),
    )
    return found[::-1]


def bodies(project_id: int, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """(row, request, response) of rows in the order of time, as far as MAX_BYTES of requests reach; None: not logged.

    A batch at a time; the times of a batch keep the store from reading all it has.
    """
    n_bytes = 0
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        found = {row["event_id"]: row for row in _bodies(project_id, part)}
        for row in part:
            n_bytes += row["n_bytes"] or 0
            if n_bytes > MAX_BYTES:
                return
            body = found.get(row["event_id"])
            if body is not None:
                yield row, _loaded(body["request"]), _loaded(body["response"])


def _bodies(project_id: int, part: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return clickhouse.rows(
        f"SELECT event_id, request, response FROM workload_events WHERE {CURRENT} "  # noqa: S608
        f"AND started_at >= {{first:{_TIME}}} AND started_at <= {{last:{_TIME}}} AND event_id IN {{ids:Array(String)}}",
        {
            "project_id": project_id,
            "first": part[0]["started_at"],
            "last": part[-1]["started_at"],
            "ids": [row["event_id"] for row in part],
        },
    )


def _loaded(text: str | None) -> Any:
    return orjson.loads(text) if text else None
