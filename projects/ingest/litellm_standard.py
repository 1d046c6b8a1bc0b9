"""LiteLLM's StandardLoggingPayload, as its callbacks and object storage write it: epoch seconds, one object a call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from projects.ingest import litellm_call
from projects.workloads import WorkloadEvent

NAME = "litellm_standard"
TITLE = "LiteLLM logging payloads (callbacks, S3, GCS)"


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """An id, a call type and camel-case times; the table's rows have a request_id instead."""
    is_payload = {"id", "call_type", "startTime"} <= record.keys() and "request_id" not in record
    return is_payload and bool({"response_cost", "model_group", "custom_llm_provider", "hidden_params"} & record.keys())


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant, Skipped for what is no model call."""
    return litellm_call.event(record, source="litellm", precision="us", now=now)
