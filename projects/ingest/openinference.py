"""OpenInference spans: Phoenix's rows, flat or nested, and the mapping of their attributes, also for OTLP spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from projects.ingest import bodies, spans, values
from projects.ingest.openinference_content import bodies_of
from projects.ingest.span_marks import EPOCH
from projects.ingest.spans import Told
from projects.ingest.verdicts import Skipped
from projects.workloads import WorkloadEvent

NAME = "openinference"
TITLE = "OpenInference spans (Phoenix)"
# CHAIN, AGENT, TOOL, RETRIEVER, RERANKER, GUARDRAIL, EVALUATOR and PROMPT are no calls of their own.
OPERATIONS = {"LLM": "chat", "EMBEDDING": "embedding"}
_MICROSECOND = timedelta(microseconds=1)
_COUNTS = "llm.token_count."
_PREFIX = "attributes."
_FIRST_PIECE = "First Token Stream Event"


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """A span's context beside attributes or a span's kind, which OTLP's own spans do not have."""
    has_context = isinstance(record.get("context"), dict) or "context.span_id" in record
    return has_context and ("attributes" in record or "span_kind" in record)


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Skipped for spans of other kinds."""
    span = _span(record, now)
    return spans.event(span, read(span), source=NAME, now=now)


def _span(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Phoenix's row as a span record; tables have every path as a column of its own."""
    context = values.mapping(row.get("context"), "context")
    attributes = row.get("attributes")
    if attributes is None:
        start = len(_PREFIX)
        attributes = {name[start:]: value for name, value in row.items() if name.startswith(_PREFIX)}
    return {
        "trace_id": context.get("trace_id", row.get("context.trace_id")),
        "span_id": context.get("span_id", row.get("context.span_id")),
        "parent_span_id": row.get("parent_id"),
        "name": row.get("name"),
        "span_kind": row.get("span_kind"),
        "start_ns": _nanoseconds(row.get("start_time"), now),
        "end_ns": _nanoseconds(row.get("end_time"), now + timedelta(days=366)),
        "attributes": values.mapping(attributes, "attributes"),
        "events": [_event(event, now) for event in row.get("events") or ()],
        "status_code": 2 if row.get("status_code") == "ERROR" else 0,
        "resource": {},
    }


def _event(event: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    at = _nanoseconds(event.get("timestamp"), now + timedelta(days=366))
    return {"name": event.get("name"), "time_ns": at, "attributes": event.get("attributes") or {}}


def _nanoseconds(told: Any, now: datetime) -> int | None:
    at = values.moment(told, "the time", now=now)
    return None if at is None else (at - EPOCH) // _MICROSECOND * 1000


def read(span: Mapping[str, Any]) -> Told:
    """What the attributes tell. Raises Skipped when the span is no model call."""
    attributes = flat(span["attributes"])
    kind = str(attributes.get("openinference.span.kind") or span.get("span_kind")).upper()
    if kind not in OPERATIONS:
        raise Skipped()
    told = Told(OPERATIONS[kind], set())
    bodies_of(attributes, told)
    told.provider = values.text(attributes, "llm.provider") or values.text(attributes, "llm.system")
    _models(attributes, told, has_failed=span["status_code"] == 2)
    _usage(attributes, told)
    _clients(attributes, span["resource"], told)
    _streaming(span, told)
    return told


def flat(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nested attributes as dotted paths; flat ones as they are, without a copy."""
    if not any(value.__class__ in (dict, list) for value in attributes.values()):
        return attributes
    return dict(_paths("", attributes.items()))


def _paths(start: str, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    for name, value in items:
        path = f"{start}{name}"
        if isinstance(value, dict) and path != "metadata":
            yield from _paths(f"{path}.", value.items())
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from _paths(f"{path}.", enumerate(value))
        else:
            yield path, value


def _models(attributes: Mapping[str, Any], told: Told, *, has_failed: bool) -> None:
    """llm.model_name is the response's model once there is a response, and the request's until then."""
    request, answer = told.request or {}, told.answer or {}
    named = values.text(attributes, "llm.model_name") or values.text(attributes, "embedding.model_name")
    asked = _opened(attributes.get("llm.invocation_parameters"))
    told.requested_model = (
        values.text(attributes, "llm.request.model_name")
        or values.text(request, "model")
        or values.text(asked, "model")
        or (named if has_failed else None)
    )
    served = values.text(attributes, "llm.response.model_name") or values.text(answer, "model")
    told.served_model = served or (None if has_failed else named)
    told.response_id = values.identity(answer) or told.response_id


def _usage(attributes: Mapping[str, Any], told: Told) -> None:
    """The provider's own usage in the answer, else the span's counts."""
    told.cost = attributes.get("llm.cost.total")
    own = (told.answer or {}).get("usage")
    if isinstance(own, dict) and own:
        told.usage = told.usage_raw = own
        return
    raw = {name: value for name, value in attributes.items() if name.startswith(_COUNTS) and value is not None}
    if not raw:
        return
    count = {name[len(_COUNTS) :]: value for name, value in raw.items()}
    told.usage_raw = raw
    told.usage = {
        "prompt_tokens": count.get("prompt"),
        "completion_tokens": count.get("completion"),
        "total_tokens": count.get("total"),
        "prompt_tokens_details": {
            "cached_tokens": count.get("prompt_details.cache_read"),
            "cache_write_tokens": count.get("prompt_details.cache_write"),
            "audio_tokens": count.get("prompt_details.audio"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": count.get("completion_details.reasoning"),
            "audio_tokens": count.get("completion_details.audio"),
        },
    }


def _clients(attributes: Mapping[str, Any], resource: Mapping[str, Any], told: Told) -> None:
    told.session_id, told.user_id = values.text(attributes, "session.id"), values.text(attributes, "user.id")
    service = spans.service(resource)
    told.metadata = ({} if service is None else {"service.name": service}) | _opened(attributes.get("metadata"))
    tags = _opened_list(attributes.get("tag.tags"))
    told.tags = tuple(str(tag)[:100] for tag in tags[:50])


def _streaming(span: Mapping[str, Any], told: Told) -> None:
    stream = (told.request or {}).get("stream")
    told.stream = bool(stream) if stream in (True, False, None) and told.request is not None else None
    if any(event["name"] == _FIRST_PIECE for event in span["events"]):
        told.stream, told.ttft_ms = True, spans.waited_ms(span, _FIRST_PIECE)


def _opened(told: Any) -> dict[str, Any]:
    """An object, or JSON text of one; what is neither tells nothing."""
    found = bodies.opened(told) if isinstance(told, str) else told
    return found if isinstance(found, dict) else {}


def _opened_list(told: Any) -> list[Any]:
    found = bodies.opened(told) if isinstance(told, str) else told
    return found if isinstance(found, list) else []
