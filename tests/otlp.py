"""OpenTelemetry's export requests for tests: model calls as spans, in JSON and packed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def span(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A chat call as OTLP JSON has it; each number is a call of its own."""
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": f"Question {number}?"}]}]
        ),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": "Yes."}], "finish_reason": "stop"}]
        ),
    }
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in told.items()]
    counts = {"gen_ai.usage.input_tokens": "12", "gen_ai.usage.output_tokens": "3"}
    attributes += [{"key": name, "value": {"intValue": value}} for name, value in counts.items()]
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "startTimeUnixNano": str(1_793_700_000_120_000_000 + number * 1_000_000_000),
        "endTimeUnixNano": str(1_793_700_001_520_000_000 + number * 1_000_000_000),
        "attributes": attributes,
        **fields,
    }


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}]}]}


def packed(request: dict[str, Any]) -> bytes:
    """The same as protobuf; its JSON form wants ids in base64."""
    text = json.loads(json.dumps(request))
    for each in text["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            each[name] = base64.b64encode(bytes.fromhex(each[name])).decode()
    return ParseDict(text, ExportTraceServiceRequest()).SerializeToString()


def record_id(number: int) -> str:
    """What the log calls the record of a span."""
    return f"{number:032x}:{number:016x}"


def batch(numbers: Iterable[int]) -> bytes:
    return packed(export(*map(span, numbers)))
