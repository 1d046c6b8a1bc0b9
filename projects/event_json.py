"""An event as JSON and back, exactly: for what waits on disk, and for what each source told of a call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from netra.tokens import BUCKETS, Tokens
from projects.workloads import WorkloadEvent

_TIMES = ("started_at", "first_token_at", "ended_at")
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def dumps(event: WorkloadEvent) -> bytes:
    """One line of JSON without a line end; money as text, so that nothing is rounded."""
    try:
        return orjson.dumps(event, option=_OPTIONS, default=_plain)
    except TypeError:  # integers beyond 64 bits in a body: kept as near as a float comes
        return orjson.dumps(_within_64_bits(asdict(event)), option=_OPTIONS, default=_plain)


def loads(data: bytes | str) -> WorkloadEvent:
    """The event that `dumps` wrote."""
    return _event(orjson.loads(data))


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {_within_64_bits(key): _within_64_bits(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_within_64_bits(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    is_large = isinstance(value, int) and not -(2**63) <= value < 2**64
    return float(value) if is_large else value


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _event(told: dict[str, Any]) -> WorkloadEvent:
    for name in _TIMES:
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    cost = told["cost_recorded_usd"]
    told["cost_recorded_usd"] = None if cost is None else Decimal(cost)
    told["tokens"], told["tags"] = Tokens(**told["tokens"]), tuple(told["tags"])
    told["flags"] = frozenset(told["flags"])
    return WorkloadEvent(**told)


_SAME = tuple(
    name
    for name in WorkloadEvent.__dataclass_fields__
    if name not in ("tokens", "tags", "flags", "metadata", "started_at", "usage_raw", "copy_of")
)
DERIVED_FLAGS = frozenset({"no_time", "not_replayable"})


def from_row(row: Mapping[str, Any]) -> WorkloadEvent:
    """The event of a stored row whose bodies are objects (as `log.event` gives it)."""
    return WorkloadEvent(
        **{name: row[name] for name in _SAME},
        started_at=row["started_at"] if row["is_start_known"] else None,
        tokens=Tokens(**{name: row[f"tok_{name}"] for name in BUCKETS}),
        usage_raw=row["usage_raw"],
        tags=tuple(row["tags"]),
        metadata=row["metadata"] or {},
        flags=frozenset(row["flags"]) - DERIVED_FLAGS,
    )
