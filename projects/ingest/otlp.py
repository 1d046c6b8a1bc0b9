"""OTLP trace envelopes → flat span records, from JSON objects and from protobuf messages alike. Pure.

A record holds `trace_id`, `span_id`, `parent_span_id` (hex), `name`, `kind`, `start_ns`, `end_ns`, `attributes` and
`events` (plain values), `status_code`, `status_message`, `resource` and `scope`, which spans of one batch share.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from projects.ingest import values
from projects.ingest.verdicts import Rejected

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Span = dict[str, Any]
OTHER_SIGNALS = ("resourceLogs", "resource_logs", "resourceMetrics", "resource_metrics")
_ODD = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_INT64 = 2**63
_WHOSE = ("session.id", "user.id", "langfuse.session.id", "langfuse.user.id", "gen_ai.conversation.id")


def shared_in_traces(spans: Iterable[Span]) -> list[Span]:
    """One batch's spans, each with the session and user that other spans of its trace name, where those agree.

    Some tracers name them on a trace's first span only, and the calls are further down.
    """
    batch = list(spans)
    told: dict[tuple[str, str], set[str]] = {}
    for span in batch:
        for name in _WHOSE if _is_traced(span) else ():
            if isinstance(value := span["attributes"].get(name), str) and value:
                told.setdefault((span["trace_id"], name), set()).add(value)
    for span in batch if told else ():
        if _is_traced(span):
            _share(span, told)
    return batch


def _is_traced(span: Span) -> bool:
    return bool(span.get("attributes")) and isinstance(span["trace_id"], str)


def _share(span: Span, told: Mapping[tuple[str, str], set[str]]) -> None:
    for name in _WHOSE:
        found = told.get((span["trace_id"], name), ())
        if len(found) == 1 and name not in span["attributes"]:
            (span["attributes"][name],) = found


def spans_of_json(envelope: Mapping[str, Any]) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest as JSON, in camelCase or snake_case. Raises Rejected for other things.

    What is of an odd shape, a span or what spans stand in, comes as one record with nothing but its `problem`, so that
    the others are not lost.
    """
    batches = envelope.get("resourceSpans", envelope.get("resource_spans"))
    if not isinstance(batches, list):
        raise Rejected("unknown_format", "It holds no resourceSpans.")
    for batch in batches:
        yield from _of_resource(batch)


def _of_resource(batch: Mapping[str, Any]) -> Iterator[Span]:
    try:
        resource = _attributes((batch.get("resource") or {}).get("attributes"))
        scopes = _listed(batch.get("scopeSpans") or batch.get("scope_spans"))
    except _ODD as problem:
        yield {"problem": type(problem).__name__}
        return
    for scoped in scopes:
        yield from _of_scope(scoped, resource)


def _of_scope(scoped: Mapping[str, Any], resource: Span) -> Iterator[Span]:
    try:
        scope, spans = _scope(scoped.get("scope") or {}), _listed(scoped.get("spans"))
    except _ODD as problem:
        yield {"problem": type(problem).__name__}
        return
    for span in spans:
        yield _flat(span, resource, scope)


def _listed(raw: Any) -> list[Any]:
    if raw and not isinstance(raw, list):
        raise TypeError("not a list")
    return raw or []


def _flat(span: Mapping[str, Any], resource: Span, scope: Span) -> Span:
    try:
        return _flattened(span, *(_CAMEL if "traceId" in span or "spanId" in span else _SNAKE), resource, scope)
    except _ODD as problem:
        return {"problem": type(problem).__name__}


_CAMEL = ("traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano")
_SNAKE = ("trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "end_time_unix_nano", "time_unix_nano")


def _flattened(
    span: Mapping[str, Any],
    trace: str,
    own: str,
    parent: str,
    start: str,
    end: str,
    at: str,
    resource: Span,
    scope: Span,
) -> Span:
    status = span.get("status") or {}
    return {
        "trace_id": span.get(trace),
        "span_id": span.get(own),
        "parent_span_id": span.get(parent),
        "name": span.get("name"),
        "kind": span.get("kind"),
        "start_ns": _integer(span.get(start)),
        "end_ns": _integer(span.get(end)),
        "attributes": _attributes(span.get("attributes")),
        "events": [_event(event, at) for event in span.get("events") or ()],
        "status_code": 2 if status.get("code") in (2, "STATUS_CODE_ERROR") else 0,
        "status_message": status.get("message"),
        "resource": resource,
        "scope": scope,
    }


def _event(event: Mapping[str, Any], at: str) -> Span:
    return {
        "name": event.get("name"),
        "time_ns": _integer(event.get(at)),
        "attributes": _attributes(event.get("attributes")),
    }


def _scope(scope: Mapping[str, Any]) -> Span:
    told = {name: scope.get(name) for name in ("name", "version")}
    return {**told, "attributes": _attributes(scope.get("attributes"))}


def _attributes(pairs: Iterable[Mapping[str, Any]] | None) -> Span:
    return {pair["key"]: _plain(pair.get("value") or {}) for pair in pairs or ()}


def _plain(value: Mapping[str, Any]) -> Any:
    """An AnyValue has one member; its name is its type."""
    for kind, raw in value.items():
        convert = _CONVERT.get(kind)
        return raw if convert is None else convert(raw)
    return None


def _integer(raw: Any) -> Any:
    """64-bit integers come as text or number. What is none is left as it is, to be refused where it is used."""
    if raw.__class__ is str and raw.removeprefix("-").isdecimal():
        number = int(raw)
        return number if -_INT64 <= number < _INT64 else raw
    return raw


def _array(raw: Mapping[str, Any]) -> list[Any]:
    return [_plain(each) for each in raw.get("values") or ()]


def _pairs(raw: Mapping[str, Any]) -> Span:
    return _attributes(raw.get("values"))


_CONVERT: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("intValue", "int_value"), _integer),
    **dict.fromkeys(("arrayValue", "array_value"), _array),
    **dict.fromkeys(("kvlistValue", "kvlist_value"), _pairs),
}


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of a decoded message. Characters that cannot be stored are replaced, and `is_repaired` says so."""
    for batch in request.resource_spans:
        resource, _ = _of_proto(batch.resource.attributes)
        for scoped in batch.scope_spans:
            attributes, _ = _of_proto(scoped.scope.attributes)
            scope = {"name": scoped.scope.name, "version": scoped.scope.version, "attributes": attributes}
            for span in scoped.spans:
                yield _proto_span(span, resource, scope)


def _proto_span(span: Any, resource: Span, scope: Span) -> Span:
    attributes, is_repaired = _of_proto(span.attributes)
    events = []
    for event in span.events:
        told, is_too = _of_proto(event.attributes)
        is_repaired = is_repaired or is_too
        events.append({"name": event.name, "time_ns": event.time_unix_nano, "attributes": told})
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_time_unix_nano,
        "end_ns": span.end_time_unix_nano,
        "attributes": attributes,
        "events": events,
        "status_code": span.status.code,
        "status_message": span.status.message,
        "resource": resource,
        "scope": scope,
        "is_repaired": is_repaired,
    }


def _of_proto(pairs: Any) -> tuple[Span, bool]:
    """Plain attributes, and whether something in them had to be repaired."""
    found: Span = {}
    is_dirty = False
    for pair in pairs:
        value, key = pair.value, pair.key
        kind = value.WhichOneof("value")
        if kind == "string_value":
            found[key] = text = value.string_value
            is_dirty = is_dirty or "\0" in text or "\0" in key
        else:
            found[key] = plain = _plain_proto(value, kind)
            is_dirty = is_dirty or (plain.__class__ in (list, dict) and values.repaired(plain) != plain)
    return (values.repaired(found), True) if is_dirty else (found, False)


def _plain_proto(value: Any, kind: str | None) -> Any:
    if kind is None:
        return None
    raw = getattr(value, kind)
    if kind == "array_value":
        return [_plain_proto(each, each.WhichOneof("value")) for each in raw.values]
    if kind == "kvlist_value":
        return {pair.key: _plain_proto(pair.value, pair.value.WhichOneof("value")) for pair in raw.values}
    return b64encode(raw).decode() if kind == "bytes_value" else raw
