"""Spans of Langfuse's SDKs, which they send as OTLP, read as the observations Langfuse would make of them. Pure.

The observation's id is the span's, so the same call imported from Langfuse later is the same record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from projects.ingest import bodies, langfuse, span_marks
from projects.ingest.verdicts import Skipped
from projects.workloads import WorkloadEvent

Span = Mapping[str, Any]
Attributes = Mapping[str, Any]
SCOPE = "langfuse-sdk"
_OBSERVATION, _TRACE = "langfuse.observation.", "langfuse.trace."
_CALLS = ("generation", "embedding")
# Other instrumentations send through Langfuse's exporter too, and say more under their own names.
_OTHERS = ("gen_ai.operation.name", "gen_ai.request.model", "openinference.span.kind", "llm.request.type")
_ALL_METADATA_IS_JSON = 5  # the first version of the SDK that writes every value so, words in quotes too


def is_one(span: Span) -> bool:
    """Whether Langfuse's own names are what tells of this span."""
    attributes = span["attributes"]
    if not any(name.startswith(_OBSERVATION) for name in attributes):
        return False
    return span["scope"].get("name") == SCOPE or not any(name in attributes for name in _OTHERS)


def parse(span: Span, *, now: datetime) -> WorkloadEvent:
    """The call. Raises Skipped for observations that are none, Rejected for ids and times that cannot be meant."""
    kind = _kind(span["attributes"])
    if kind not in _CALLS:
        raise Skipped()
    flags: set[str] = set()
    times = span_marks.times(span, None, flags, now)
    event = langfuse.parse(_row(span, kind, times), now=now)
    return replace(event, time_precision="us", flags=event.flags | flags, http_status=_status(event))


def _status(event: WorkloadEvent) -> int | None:
    """What the sender's exception said of the answer, which is the error's name by now."""
    start, _, status = (event.error_type or "").partition("http_")
    return int(status) if not start and status.isdecimal() else None


def _kind(attributes: Attributes) -> str:
    """As named; what is not, but has a model, is a generation for Langfuse too."""
    told = attributes.get(f"{_OBSERVATION}type")
    if isinstance(told, str):
        return told.lower()
    return "generation" if f"{_OBSERVATION}model.name" in attributes else "span"


def _row(span: Span, kind: str, times: Mapping[str, Any]) -> dict[str, Any]:
    """The observation by the names of Langfuse's API."""
    attributes, start = span["attributes"], len(_OBSERVATION)
    own = {name[start:]: value for name, value in attributes.items() if name.startswith(_OBSERVATION)}
    trace_id, span_id, parent_id = span_marks.ids(span)
    ended_at, has_failed = times["ended_at"], span["status_code"] == 2
    return {
        "id": span_id,
        "traceId": trace_id,
        "parentObservationId": parent_id,
        "type": kind.upper(),
        "startTime": times["started_at"].isoformat(),
        "endTime": None if ended_at is None else ended_at.isoformat(),
        "completionStartTime": _opened(own.get("completion_start_time")),
        "level": "ERROR" if has_failed else own.get("level"),
        "statusMessage": own.get("status_message") or span.get("status_message"),
        "environment": _environment(span),
        "userId": attributes.get("user.id", attributes.get("langfuse.user.id")),
        "sessionId": attributes.get("session.id", attributes.get("langfuse.session.id")),
        "tags": attributes.get(f"{_TRACE}tags"),
        "input": own.get("input"),
        "output": own.get("output"),
        "model": own.get("model.name"),
        "modelParameters": own.get("model.parameters"),
        "usageDetails": own.get("usage_details"),
        "costDetails": own.get("cost_details"),
        "promptName": own.get("prompt.name"),
        "metadata": _metadata(span),
    }


def _opened(told: Any) -> Any:
    """A moment stands in quotes, as JSON has it."""
    return bodies.opened(told) if isinstance(told, str) and told.startswith('"') else told


def _environment(span: Span) -> Any:
    for where in (span["attributes"], span["resource"]):
        for name in ("langfuse.environment", "deployment.environment.name", "deployment.environment"):
            if where.get(name):
                return where[name]
    return "default"


def _metadata(span: Span) -> dict[str, Any]:
    """What was put on the trace and on the observation; the second is nearer."""
    found: dict[str, Any] = {}
    is_all_json = _major(span["scope"].get("version")) >= _ALL_METADATA_IS_JSON
    for start in (f"{_TRACE}metadata", f"{_OBSERVATION}metadata"):
        for name, value in span["attributes"].items():
            if name == start or name.startswith(f"{start}."):
                found[name[len(start) + 1 :] or "metadata"] = _value(value, is_all_json=is_all_json)
    return found


def _major(version: Any) -> int:
    first = str(version).partition(".")[0]
    return int(first) if first.isdecimal() else 0


def _value(told: Any, *, is_all_json: bool) -> Any:
    if not isinstance(told, str) or not (is_all_json or told[:1] in ("{", "[")):
        return told
    found = bodies.opened(told)
    return told if found is None and told != "null" else found
