"""How options did by the log: every attempt counts where it was made, also those that a fallback made good.

Copies and evaluations count as well as live calls: an option that policies leave alone is known by nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from netra import clickhouse
from projects import log

_SINCE = " AND purpose IN ('live', 'replay') AND started_at >= {since:DateTime64(6, 'UTC')}"
# These say nothing of the option: the sender asked for what nobody can do, or hung up.
NOT_ITS_FAULT = ("request_refused", "unsendable", "cancelled")
_ATTEMPTS = (
    "SELECT started_at, if(JSONExtractString(attempt, 'option') = '', served, "  # noqa: S608
    "JSONExtractString(attempt, 'option')) AS option, JSONExtractString(attempt, 'error') AS error, "
    "JSONExtractFloat(attempt, 'duration_ms') AS took_ms "
    "FROM (SELECT started_at, JSONExtractString(metadata, 'option') AS served, "
    f"arrayJoin(JSONExtractArrayRaw(metadata, 'attempts')) AS attempt FROM workload_events {log.current(_SINCE)}) "
    "WHERE option != '' AND error NOT IN {excused:Array(String)}"
)
_COUNTED = (
    "SELECT option, count() AS n, countIf(error != '') AS n_failed, quantileIf(0.5)(took_ms, error = '') AS p50_ms, "  # noqa: S608
    f"quantileIf(0.95)(took_ms, error = '') AS p95_ms FROM ({_ATTEMPTS}) GROUP BY option"
)
_REFUSED = (
    "SELECT JSONExtractString(metadata, 'option') AS option, count() AS n, countIf(is_refusal) AS n_refused "  # noqa: S608
    f"FROM workload_events {log.current(_SINCE + ' AND isNotNull(is_refusal)')} AND outcome = 'ok' GROUP BY option"
)


@dataclass(frozen=True, slots=True)
class Done:
    """One option over a while. `n` attempts, of which `n_failed`; `n_read` answers, of which `n_refused` declined.

    Latencies in ms of whole answers; None while there is none.
    """

    n: int = 0
    n_failed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    n_read: int = 0
    n_refused: int = 0

    @property
    def refused_share(self) -> float | None:
        return self.n_refused / self.n_read if self.n_read else None

    @property
    def failed_share(self) -> float | None:
        return self.n_failed / self.n if self.n else None


def done(project_id: int, *, within: timedelta) -> dict[str, Done]:
    """Options by name, as calls that began within this time tell."""
    told = _parameters(project_id, within)
    refused = {row["option"]: row for row in clickhouse.rows(_REFUSED, told)}
    return {row["option"]: _done(row, refused.get(row["option"], {})) for row in clickhouse.rows(_COUNTED, told)}


def attempts(project_id: int, *, within: timedelta, limit: int) -> list[dict[str, Any]]:
    """The newest attempts, oldest first: started_at, option, error (empty: answered), took_ms."""
    told = {**_parameters(project_id, within), "limit": limit}
    found = clickhouse.rows(f"{_ATTEMPTS} ORDER BY started_at DESC LIMIT {{limit:UInt32}}", told)
    return found[::-1]


def _parameters(project_id: int, within: timedelta) -> dict[str, Any]:
    return {"project_id": project_id, "since": timezone.now() - within, "excused": list(NOT_ITS_FAULT)}


def _done(row: Mapping[str, Any], refused: Mapping[str, Any]) -> Done:
    has_answers = row["n"] > row["n_failed"]
    return Done(
        n=row["n"],
        n_failed=row["n_failed"],
        p50_ms=row["p50_ms"] if has_answers else None,
        p95_ms=row["p95_ms"] if has_answers else None,
        n_read=refused.get("n", 0),
        n_refused=refused.get("n_refused", 0),
    )
