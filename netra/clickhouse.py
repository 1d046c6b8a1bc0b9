"""The one door to the event store: a ClickHouse server, or chDB in this process."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.conf import settings

from netra.errors import TooLarge, Unavailable

# Error codes of ClickHouse for limits that the statement itself was given, and what was limited.
LIMITS = {158: "rows", 159: "seconds", 160: "seconds", 241: "memory", 307: "bytes", 396: "result"}

# The store makes machine code of what is asked a third time: some 30 ms a statement, which no sum of a page earns back.
UNCOMPILED = {"compile_expressions": 0, "compile_aggregate_expressions": 0, "compile_sort_description": 0}

_lock = threading.RLock()
_client: Any = None
_pid: int | None = None


class LimitReached(TooLarge):
    """A statement passed one of its own limits and was stopped; `limit` is a value of LIMITS."""

    code = "over_budget"

    def __init__(self, limit: str) -> None:
        super().__init__(f"The query was stopped at its limit of {limit}.")
        self.limit = limit


def address() -> str:
    """Where events are kept: `CLICKHOUSE_URL`, or a chDB folder in the data directory."""
    return settings.CLICKHOUSE_URL or f"chdb://{settings.DATA_DIR / 'events'}"


def is_embedded() -> bool:
    return address().startswith("chdb://")


def client() -> Any:
    """The shared client, opened at first use.

    chDB allows one process and hangs after a fork, so an inherited client is refused rather than used.
    Raises Unavailable when the store cannot be opened.
    """
    global _client, _pid
    with _lock:
        if _client is not None and _pid != os.getpid():
            raise Unavailable("The event store was opened before this process was forked; use threads instead.")
        if _client is None:
            _client, _pid = _open(), os.getpid()
        return _client


def _open() -> Any:
    import clickhouse_connect

    try:
        opened = clickhouse_connect.get_client(dsn=address(), tz_mode="aware", **({} if is_embedded() else _OVER_HTTP))
    except Exception as problem:
        raise Unavailable(f"The event store does not open: {_first_line(problem)}") from problem
    return opened


# Threads share the client, and a server refuses two statements at once in one session; what is asked may be longer than
# the address that proxies let through.
_OVER_HTTP: dict[str, Any] = {"autogenerate_session_id": False, "form_encode_query_params": True}


def close() -> None:
    """Close the store, so that another process or the next test may open it."""
    global _client, _pid
    with _lock:
        if _client is not None and _pid == os.getpid():
            _client.close()
        _client, _pid = None, None


def rows(
    sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run a query with `{name:Type}` parameters; one dict a row, times aware in UTC.

    `settings` are ClickHouse's own (max_rows_to_read…). Raises LimitReached when one of them stops the query.
    """
    result = _guarded("query", sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def arrow(sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None) -> pa.Table:
    """Run a query; the result as an Arrow table (for exports and wide reads). Limits as in `rows`."""
    table: pa.Table = _guarded("query_arrow", sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
    return table


def scalar(sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The first column of the first row, or None when there is no row."""
    found = _guarded("query", sql, parameters=dict(parameters or {})).result_rows
    return found[0][0] if found else None


def command(sql: str, parameters: Mapping[str, Any] | None = None) -> None:
    _guarded("command", sql, parameters=dict(parameters or {}))


def insert(table: str, data: pa.Table) -> None:
    """Append an Arrow table whose columns are named as the store's."""
    if data.num_rows:
        _guarded("insert_arrow", table, data)


def _guarded(method: str, *args: Any, **kwargs: Any) -> Any:
    """Call the client; one at a time when embedded (chDB's session is not re-entrant)."""
    store = client()
    try:
        if not is_embedded():
            return getattr(store, method)(*args, **kwargs)
        with _lock:
            return _embedded(store, method, *args, **kwargs)
    except Unavailable:
        raise
    except Exception as problem:
        if (limit := LIMITS.get(getattr(problem, "code", None) or 0)) is not None:
            raise LimitReached(limit) from problem
        raise Unavailable(f"The event store refused a request: {_first_line(problem)}") from problem


def _embedded(store: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """chDB keeps what a query had written before it failed, and gives it to whoever asks next: throw that away."""
    try:
        return getattr(store, method)(*args, **kwargs)
    except Exception:
        with contextlib.suppress(Exception):
            store.raw_query("SELECT 1", fmt="TSV")
        raise


def _first_line(problem: Exception) -> str:
    """ClickHouse errors repeat the whole statement, which may hold prompts: keep the first line, cut."""
    return str(problem).strip().split("\n", 1)[0][:200]


def apply_schema(folder: Path) -> Sequence[str]:
    """Apply the numbered `.sql` files of a folder that the ledger does not know; returns their names.

    Each file holds statements separated by `;` at a line's end, and must be repeatable (IF NOT EXISTS).
    """
    command(
        "CREATE TABLE IF NOT EXISTS schema_ledger (name String, applied_at DateTime64(6, 'UTC') DEFAULT now64(6)) "
        "ENGINE = MergeTree ORDER BY name"
    )
    known = {row["name"] for row in rows("SELECT name FROM schema_ledger")}
    fresh = [path for path in sorted(folder.glob("*.sql")) if path.stem not in known]
    for path in fresh:
        for statement in filter(None, map(str.strip, path.read_text().split(";\n"))):
            command(statement)
        command("INSERT INTO schema_ledger (name) VALUES ({name:String})", {"name": path.stem})
    return [path.stem for path in fresh]
