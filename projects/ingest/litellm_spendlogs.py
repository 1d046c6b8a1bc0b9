"""Rows of LiteLLM's spend logs: the Postgres table (by SQL or from its API) and the ClickHouse one.

Postgres keeps milliseconds without a zone, which are UTC, and `{}` for bodies it did not store. ClickHouse keeps
milliseconds of the epoch, JSON as text, and blanks or zeros for what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from projects.ingest import bodies, litellm_call, values
from projects.ingest.verdicts import Rejected
from projects.workloads import WorkloadEvent

NAME = "litellm_spendlogs"
TITLE = "LiteLLM spend logs (Postgres, API, ClickHouse)"
Row = Mapping[str, Any]


def records(line: Row) -> Iterable[Row]:
    """A line is one row, or a page of the API with the rows under `data`."""
    return line["data"] if _is_page(line) else (line,)


def _is_page(line: Row) -> bool:
    return isinstance(line.get("data"), list) and "total_pages" in line and "request_id" not in line


def detect(record: Row) -> bool:
    """A request id, a call type and what was spent; or a page of such rows."""
    if _is_page(record):
        return any(isinstance(row, dict) and detect(row) for row in record["data"])
    return {"request_id", "call_type", "spend"} <= record.keys()


def parse(record: Row, *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant, Skipped for what is no model call."""
    return litellm_call.event(_payload(record), source=NAME, precision="ms", now=now)


def _payload(row: Row) -> dict[str, Any]:
    """The row in the words of the logging payload."""
    inside = values.mapping(_opened(row, "metadata"), "metadata")
    asked = _request(row)
    return {
        **row,
        "id": row.get("request_id"),
        "startTime": _time(row, "startTime", "start_time"),
        "endTime": _time(row, "endTime", "end_time"),
        "completionStartTime": _time(row, "completionStartTime", "completion_start_time"),
        "response_cost": row.get("spend"),
        "cost_breakdown": inside.get("cost_breakdown"),
        "error_information": inside.get("error_information"),
        "metadata": inside,
        "request_tags": _opened(row, "request_tags"),
        "messages": asked.pop("messages", None) or _opened(row, "messages"),
        "model_parameters": asked or None,
        "response": _opened(row, "response"),
        # The span of ClickHouse rows is the caller's: several calls of one span may share it.
        "parent_span_id": row.get("span_id") or None,
    }


def _request(row: Row) -> dict[str, Any]:
    """The body as the client sent it, where the proxy kept it; the names of its parameters are found nowhere else."""
    kept = values.mapping(_opened(row, "proxy_server_request"), "proxy_server_request")
    return dict(values.mapping(kept["body"], "body") if "body" in kept else kept)


def _time(row: Row, *names: str) -> Any:
    """The first that is told; ClickHouse writes 0 for none."""
    return next((row[name] for name in names if row.get(name) not in (None, "", 0, "0")), None)


def _opened(row: Row, name: str) -> Any:
    """A JSON column: a value, or the text of one. Blank and `{}` mean that nothing was stored."""
    value = row.get(name)
    if isinstance(value, str) and value:
        opened = bodies.opened(value)
        if opened is None and value.strip() != "null":
            return _as_text(value, name)
        value = opened
    return value or None


def _as_text(value: str, name: str) -> str:
    """Text that is no JSON: an embedding's input, a mask, an answer that was cut; an object it cannot be."""
    if name in ("messages", "response"):
        return value
    raise Rejected("wrong_type", f"{name} is no JSON.")
