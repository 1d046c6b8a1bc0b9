"""OpenAI-style files: request and response pairs, responses alone, messages alone; streams as lists of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from netra.answers import first_choice
from netra.refusals import is_refusal
from netra.tokens import Tokens
from projects.ingest import bodies, gateways, openai_stored, usage, values
from projects.ingest.verdicts import Rejected
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent

NAME = "openai"
TITLE = "OpenAI requests and responses"
_OF_OTHERS = frozenset(
    {"started_at", "source_record_id", "call_type", "request_created_at", "ai_org", "ai_model", "metrics", "traceId"}
)


def records(line: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """A line is one record, or a page of the API with completions under `data`."""
    return line["data"] if _is_page(line) else (line,)


def _is_page(line: Mapping[str, Any]) -> bool:
    return line.get("object") == "list" and isinstance(line.get("data"), list) and "usage" not in line


def detect(record: Mapping[str, Any]) -> bool:
    """A pair, a completion, or a list of messages; or a page of completions."""
    if _is_page(record):
        return any(isinstance(each, dict) and each.get("object") == "chat.completion" for each in record["data"])
    if _OF_OTHERS & record.keys():  # their records hold messages, requests and responses too
        return False
    if isinstance(record.get("request"), dict) and "response" in record:
        return True
    if record.get("object") in ("chat.completion", "response"):
        return True
    return isinstance(record.get("messages"), list) or ("response" in record and _is_answer(record["response"]))


def _is_answer(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and ("choices" in value or "error" in value))


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant."""
    request, response = _bodies(record)
    answer, flags = _answer(response)
    if request is None and answer is None:
        flags.add("no_body")
    told = fields(request=request, answer=answer, flags=flags, now=now)
    if request is None and answer is not None and isinstance(answer.get("metadata"), dict):
        told |= openai_stored.clients(answer, told)
    return WorkloadEvent(**told)


def _bodies(record: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Any]:
    if record.get("object") in ("chat.completion", "response"):
        return openai_stored.request(record), record
    if "messages" in record and "request" not in record:
        return dict(record), None
    request = record.get("request")
    if isinstance(request, str):
        request = bodies.opened(request)
    if request is not None and not isinstance(request, dict):
        raise Rejected("wrong_type", "request should be an object.")
    if request is None and record.get("response") is None:
        raise Rejected("unknown_format", "It holds neither a request nor a response.")
    return request, record.get("response")


def _answer(response: Any) -> tuple[dict[str, Any] | None, set[str]]:
    """The completion, streams assembled; flags of what is wrong with it."""
    if response is None:
        return None, set()
    if isinstance(response, list):
        flags: set[str] = set()
        return bodies.assembled(response, flags), flags
    if not isinstance(response, dict):
        raise Rejected("wrong_type", "response should be an object or a list of chunks.")
    return response, set()


def fields(
    *,
    request: dict[str, Any] | None,
    answer: dict[str, Any] | None,
    flags: set[str],
    now: datetime,
    reads_usage: bool = True,
) -> dict[str, Any]:
    """The fields of a pair's event, by name. `reads_usage` is off where the record tells its usage itself."""
    asked, answered = request or {}, answer or {}
    error = answered.get("error")
    choice = first_choice(answered)
    finish_reason = values.text(choice, "finish_reason") if choice else None
    stream = values.flag(asked.get("stream"), "request.stream")
    if choice is not None and finish_reason is None and stream:
        flags.add("streamed_incomplete")
    choices = answered.get("choices")
    if isinstance(choices, list) and len(choices) > 1:
        flags.add("multiple_choices")
    tokens, origin = _usage(answered, flags) if reads_usage else (Tokens(), UsageOrigin.MISSING)
    started_at = values.moment(answered.get("created") or answered.get("created_at"), "created", now=now)
    told = asked.get("metadata")
    metadata: dict[str, Any] = told if isinstance(told, dict) else {}
    names = _names(asked, metadata, flags)
    response_id = values.identity(answered)
    return {
        "source": "openai",
        "source_record_id": response_id or "",
        "started_at": started_at,
        "operation": _operation(asked, answered),
        "provider_response_id": response_id,
        "time_precision": "s",
        "provider": "openai",
        "requested_model": values.text(asked, "model"),
        "served_model": values.text(answered, "model"),
        "request": request,
        "response": answer,
        "stream": bool(stream) if request is not None else None,
        "outcome": _outcome(answer, error, flags),
        "error_type": _error_type(error, answer, request),
        "finish_reason": finish_reason,
        "is_refusal": _refusal(choice),
        "tokens": tokens,
        "usage_raw": answered.get("usage") if isinstance(answered.get("usage"), dict) else None,
        "usage_origin": origin,
        "metadata": metadata,
        "flags": frozenset(flags),
        **names,
    }


def _names(asked: Mapping[str, Any], metadata: Mapping[str, Any], flags: set[str]) -> dict[str, Any]:
    """Whose call it was, in what a client wrote freely: what is no text or number there is no reason to refuse it."""
    if not metadata and not asked.get("user"):
        return {"session_id": None, "user_id": None, "environment": None}
    found = {
        "session_id": gateways.word(metadata, "session_id"),
        "user_id": gateways.word(asked, "user"),
        "environment": gateways.word(metadata, "env", "environment"),
    }
    told = (metadata.get("session_id"), asked.get("user"), metadata.get("env"), metadata.get("environment"))
    if any(isinstance(each, (dict, list, bool)) for each in told):
        flags.add("name_is_no_text")
    return found


def _usage(answered: Mapping[str, Any], flags: set[str]) -> tuple[Tokens, str]:
    given = answered.get("usage")
    if not isinstance(given, dict):
        if answered and "error" not in answered:
            flags.add("no_usage")
        return Tokens(), UsageOrigin.MISSING
    tokens, found = usage.buckets(given)
    flags |= found
    return tokens, UsageOrigin.PROVIDER


def _operation(asked: Mapping[str, Any], answered: Mapping[str, Any]) -> str:
    if answered.get("object") == "response" or ("input" in asked and "messages" not in asked):
        return "responses" if "output" in answered or answered.get("object") == "response" else "embedding"
    return "text" if "prompt" in asked and "messages" not in asked else "chat"


def _outcome(answer: Mapping[str, Any] | None, error: Any, flags: set[str]) -> str:
    if error:
        return Outcome.PROVIDER_ERROR
    if answer is None:
        return Outcome.UNKNOWN
    return Outcome.CANCELLED if "streamed_incomplete" in flags else Outcome.OK


def _error_type(error: Any, answer: Mapping[str, Any] | None, request: Mapping[str, Any] | None) -> str | None:
    if isinstance(error, dict):
        return str(error.get("code") or error.get("type") or "error")[:80]
    return None if answer is not None or request is None else "no_response"


def _refusal(choice: Mapping[str, Any] | None) -> bool | None:
    return is_refusal(choice["message"], choice.get("finish_reason")) if choice is not None else None
