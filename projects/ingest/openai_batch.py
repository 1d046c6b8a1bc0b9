"""OpenAI's batch files: input, output and error lines, which belong together by `custom_id` and come in any order.

An output line does not repeat its request, so input and output are two records of one call, merged by its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from netra.answers import first_choice
from projects.ingest import openai, values
from projects.ingest.verdicts import Rejected
from projects.workloads import Outcome, WorkloadEvent

NAME = "openai_batch"
TITLE = "OpenAI batch files (input, output, errors)"
INPUT = "openai_batch_input"


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """A custom id beside a body to send, or beside what came of it."""
    return "custom_id" in record and ("body" in record or "response" in record or "error" in record)


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One side of a call. Raises Rejected for values that cannot be meant."""
    name = values.identity(record, "custom_id")
    if name is None:
        raise Rejected("missing_id")
    is_input = "body" in record
    plain = _asked(record, now) if is_input else _answered(record, now)
    told = {"source": INPUT if is_input else NAME, "source_record_id": _record_id(record, name), "call_id": name}
    return WorkloadEvent(**plain | told)


def _record_id(record: Mapping[str, Any], name: str) -> str:
    """Names are used again by the next batch; an output line has an id of its own, an input line only its content."""
    found = values.identity(record)
    if found is not None:
        return found
    return f"{name} {hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=8).hexdigest()}"


def _asked(record: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    request = values.mapping(record["body"], "body")
    plain = openai.fields(request=request, answer=None, flags={"batch", "no_body"}, now=now)
    return plain | {"operation": _operation(record), "error_type": None, "outcome": Outcome.UNKNOWN}


def _answered(record: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    reply = values.mapping(record.get("response"), "response")
    answer = values.mapping(reply.get("body"), "response.body") or None
    error = values.mapping(record.get("error"), "error")
    if answer is None and error:
        answer = {"error": error}
    flags = {"batch", "no_body"}
    if (choice := first_choice(answer or {})) is not None and choice.get("finish_reason") is None:
        flags.add("streamed_incomplete")
    plain = openai.fields(request=None, answer=answer, flags=flags, now=now)
    status = values.status(reply.get("status_code"))
    if status is not None and status >= 400:
        plain["outcome"] = Outcome.PROVIDER_ERROR
    # Expired and cancelled items carry no status: nothing was answered.
    return plain | {"http_status": status, "stream": False, "error_type": plain["error_type"] or _code(error)}


def _operation(record: Mapping[str, Any]) -> str:
    url = values.text(record, "url") or ""
    return next((name for end, name in _OF_URL.items() if url.endswith(end)), "chat")


_OF_URL = {"/embeddings": "embedding", "/responses": "responses", "/v1/completions": "text"}


def _code(error: Mapping[str, Any]) -> str | None:
    return values.text(error, "code")
