"""A bounded run of a project's newest calls, oldest first, as a prefix cache sees them: priced, with their prompts.

Reuse lives between neighbours, so the sample is one unbroken run and never drawn at random.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from netra import clickhouse, prices
from netra.errors import Invalid
from netra.tokens import BUCKETS, Tokens
from projects.cache_reuse.prompts import Call, Segment, segments
from projects.log import CURRENT, EventFilter
from projects.log_filter import DEMAND, EARLIEST, LATEST
from projects.replayability import OPERATIONS

DAYS, MAX_DAYS = 30, 366
CALLS, MAX_CALLS = 3_000, 20_000
MAX_BYTES = 48_000_000  # of requests; what is kept in memory is about three times that
BATCH = 500
# Calls whose prompt a model read: not answered by another cache, not refused at the door.
_READ = (
    f"{DEMAND} AND request IS NOT NULL AND is_start_known "
    "AND operation IN {operations:Array(String)} AND outcome NOT IN ('cached', 'provider_error', 'gateway_error') "
    "AND NOT has(flags, 'response_cache_hit')"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """`calls` are the newest of the `n_in_window` whose prompts were logged; `content` names exactly these calls."""

    since: datetime
    until: datetime
    n_in_window: int
    n_left_out: int
    rows: tuple[dict[str, Any], ...]
    content: str

    @property
    def first_at(self) -> datetime | None:
        return self.rows[0]["started_at"] if self.rows else None

    @property
    def is_whole(self) -> bool:
        """Whether every call of the window is in it."""
        return len(self.rows) == self.n_in_window

    @property
    def has_private(self) -> bool:
        return any("private" in row["flags"] for row in self.rows)


def choose(
    project_id: int,
    *,
    days: int = DAYS,
    until: datetime | None = None,
    session_id: str | None = None,
    max_calls: int = CALLS,
) -> Sample:
    """Which calls: one query over light columns. The window ends at `until`, else at the newest call.

    Raises Invalid for a window or number that is too large.
    """
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(f"The window is between 1 and {MAX_DAYS} days.", field="days")
    if not 1 <= max_calls <= MAX_CALLS:
        raise Invalid(f"A sample holds between 1 and {MAX_CALLS:,} calls.", field="calls")
    end = _bound(until) if until else _newest(project_id)
    since = end - timedelta(days=days)
    wanted = EventFilter(since=since, until=end, session_id=session_id)
    n_in_window, n_demand = _counts(project_id, wanted)
    newest = _newest_of(project_id, wanted, max_calls) if n_in_window > max_calls else wanted
    rows = _light(project_id, newest, max_calls)
    return Sample(since, end, n_in_window, n_demand - n_in_window, rows, _content(rows))


def calls(project_id: int, sample: Sample) -> list[Call]:
    """The sample with its prompts and prices: reads the log once, at most MAX_BYTES of requests."""
    book = prices.book(project_id)
    bodies = dict(_bodies(project_id, sample.rows))
    return [_call(row, bodies[row["event_id"]], book) for row in sample.rows if row["event_id"] in bodies]


def _bound(until: datetime) -> datetime:
    """A time that the log can have, with its zone."""
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(aware, EARLIEST + timedelta(days=MAX_DAYS)), LATEST)


def _newest(project_id: int) -> datetime:
    """Just after the newest call; a fixed day where there is none."""
    found: datetime = clickhouse.scalar(
        f"SELECT max(started_at) FROM workload_events WHERE {CURRENT} AND {DEMAND}",  # noqa: S608
        {"project_id": project_id},
    )
    return found + timedelta(microseconds=1)


def _counts(project_id: int, wanted: EventFilter) -> tuple[int, int]:
    clauses, parameters = wanted.clauses()
    found = clickhouse.rows(
        f"SELECT countIf({_READ}) AS n_read, count() AS n FROM workload_events "  # noqa: S608
        f"WHERE {CURRENT} AND {DEMAND}{clauses}",
        {"project_id": project_id, "operations": list(OPERATIONS), **parameters},
    )[0]
    return found["n_read"], found["n"]


def _newest_of(project_id: int, wanted: EventFilter, n: int) -> EventFilter:
    """The same from the n-th newest call on: before that no request need be opened for its length."""
    clauses, parameters = wanted.clauses()
    oldest: datetime = clickhouse.scalar(
        f"SELECT started_at FROM workload_events WHERE {CURRENT} AND {_READ}{clauses} "  # noqa: S608
        "ORDER BY started_at DESC LIMIT 1 OFFSET {n:UInt32}",
        {"project_id": project_id, "operations": list(OPERATIONS), "n": n - 1, **parameters},
    )
    return replace(wanted, since=oldest)


_LIGHT = ", ".join(
    (
        *("event_id", "version", "content_hash", "started_at", "provider", "requested_model", "served_model", "flags"),
        *("session_id", "user_id", "kind", "length(request) AS n_bytes", *(f"tok_{name}" for name in BUCKETS)),
    )
)


def _light(project_id: int, wanted: EventFilter, max_calls: int) -> tuple[dict[str, Any], ...]:
    """The newest calls, oldest first: as many as the limits on their number and their bytes allow."""
    clauses, parameters = wanted.clauses()
    found = clickhouse.rows(
        f"SELECT {_LIGHT} FROM workload_events WHERE {CURRENT} AND {_READ}{clauses} "  # noqa: S608
        "ORDER BY started_at DESC, event_id DESC LIMIT {n:UInt32}",
        {"project_id": project_id, "operations": list(OPERATIONS), "n": max_calls, **parameters},
    )
    kept, n_bytes = [], 0
    for row in found:
        n_bytes += row["n_bytes"]
        if n_bytes > MAX_BYTES:
            break
        kept.append(row)
    return tuple(reversed(kept))


def _content(rows: Sequence[dict[str, Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(f"{row['event_id']}\0{row['version']}\0{row['content_hash']}\n".encode())
    return digest.hexdigest()


def _bodies(project_id: int, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, tuple[Segment, ...]]]:
    """Requests by event, a batch at a time; the times of a batch keep the store from reading all it has."""
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        found = clickhouse.rows(
            f"SELECT event_id, request FROM workload_events WHERE {CURRENT} "  # noqa: S608
            "AND started_at >= {first:DateTime64(6, 'UTC')} AND started_at <= {last:DateTime64(6, 'UTC')} "
            "AND event_id IN {ids:Array(String)}",
            {
                "project_id": project_id,
                "first": part[0]["started_at"],
                "last": part[-1]["started_at"],
                "ids": [row["event_id"] for row in part],
            },
        )
        for row in found:
            yield row["event_id"], segments(orjson.loads(row["request"]))


def priced(row: Mapping[str, Any], book: prices.PriceBook) -> prices.DatedRates | None:
    """The prices that held: of the model that served the call, else of the one asked for."""
    models = (model for model in (row["served_model"], row["requested_model"]) if model)
    dated = (book.rates(row["provider"], model, row["started_at"]) for model in models)
    return next((each for each in dated if each is not None), None)


def _call(row: dict[str, Any], prompt: tuple[Segment, ...], book: prices.PriceBook) -> Call:
    held = priced(row, book)
    model = row["served_model"] or row["requested_model"] or "unknown"
    return Call(
        event_id=row["event_id"],
        at_s=row["started_at"].timestamp(),
        model=f"{row['provider']}/{model}" if row["provider"] else model,
        segments=prompt,
        tokens=Tokens(**{name: row[f"tok_{name}"] for name in BUCKETS}),
        rates=held.rates if held is not None else None,
        is_batch="batch" in row["flags"],
        session=row["session_id"],
        user=row["user_id"],
        kind=row["kind"],
    )
