"""OTLP traces as JSON lines, as the OpenTelemetry Collector's file exporter writes them: a batch of spans a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from projects.ingest import genai, langfuse_spans, openinference, otlp, spans
from projects.ingest.verdicts import Rejected, Skipped
from projects.workloads import WorkloadEvent

NAME = "otel"
TITLE = "OpenTelemetry traces (OTLP JSON)"


def records(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The spans of a line. Lines of logs and metrics are records that parse skips."""
    if any(name in line for name in otlp.OTHER_SIGNALS):
        return iter((line,))
    return iter(otlp.shared_in_traces(otlp.spans_of_json(line)))


def detect(record: Mapping[str, Any]) -> bool:
    """The envelope's own name."""
    return isinstance(record.get("resourceSpans", record.get("resource_spans")), list)


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """The call of a span record (see otlp), made from JSON or protobuf. Raises Skipped for spans that are no call."""
    attributes = record.get("attributes")
    if attributes is None:
        if "problem" in record:
            raise Rejected("wrong_type", f"The span has an unexpected shape ({record['problem']}).")
        raise Skipped()
    if langfuse_spans.is_one(record):
        return langfuse_spans.parse(record, now=now)
    is_openinference = "openinference.span.kind" in attributes or "openinference" in attributes
    told = openinference.read(record) if is_openinference else genai.read(record)
    return spans.event(record, told, source=NAME, now=now)
