"""Langfuse's observations: lists of either API version, whole pages of them, and rows of the blob export.

Only generations and embeddings are calls. Agents, spans and chains repeat what the calls below them used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from projects.ingest import clock, gateways, langfuse_bodies, langfuse_usage, openai, values
from projects.ingest.verdicts import Rejected, Skipped
from projects.workloads import Outcome, WorkloadEvent

NAME = "langfuse"
TITLE = "Langfuse observations (API pages, lists, blob export)"
Row = Mapping[str, Any]
_CALLS = {"GENERATION": "chat", "EMBEDDING": "embedding"}
_OTHERS = ("SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "GUARDRAIL")
_SPAN_ID = re.compile("[0-9a-f]{16}")
_STATUS = re.compile(r"\s*(?:error code:?\s*)?([45][0-9]{2})\b", re.IGNORECASE)
_COLUMN = re.compile("_([a-z])")


def records(line: Row) -> Iterable[Row]:
    """A line is one observation, or a page of the API with the observations under `data`."""
    return line["data"] if _is_page(line) else (line,)


def _is_page(line: Row) -> bool:
    return isinstance(line.get("data"), list) and "meta" in line


def detect(record: Row) -> bool:
    """One of Langfuse's types within a trace, with a start; or a page of such observations."""
    if _is_page(record):
        return any(isinstance(row, dict) and detect(row) for row in record["data"])
    has_place = ("traceId" in record and "startTime" in record) or ("trace_id" in record and "start_time" in record)
    return has_place and record.get("type") in (*_CALLS, *_OTHERS)


def parse(record: Row, *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant, Skipped for observations that are no calls."""
    told = _in_camels(record)
    kind = values.text(told, "type")
    if kind is None:
        raise Rejected("wrong_type", "type is missing.")
    if kind not in _CALLS:
        raise Skipped()
    if values.identity(told) is None:
        raise Rejected("missing_id")
    started_at = values.moment(told.get("startTime"), "startTime", now=now)
    if started_at is None:
        raise Rejected("missing_timestamp")
    flags: set[str] = set()
    metadata = _metadata(told)
    read = langfuse_bodies.read(told, _CALLS[kind], metadata, flags)
    plain = openai.fields(request=read.request, answer=read.answer, flags=flags, now=now, reads_usage=False)
    plain |= {"started_at": started_at, "metadata": metadata or plain["metadata"]}
    if kind == "EMBEDDING":
        plain["operation"] = "embedding"
    return _event(told, plain, is_whole=read.is_whole)


def _in_camels(record: Row) -> Row:
    """The blob export's columns by the names of the API."""
    if "traceId" in record:
        return record
    return {_COLUMN.sub(lambda found: found[1].upper(), name): value for name, value in record.items()}


def _event(told: Row, plain: dict[str, Any], *, is_whole: bool) -> WorkloadEvent:
    flags = set(plain["flags"])
    if not is_whole:  # most senders leave out why an answer ended: then nothing says that a stream was cut
        flags.discard("streamed_incomplete")
    outcome = _outcome(told, plain["outcome"], flags)
    if plain["request"] is None or (plain["response"] is None and outcome not in gateways.FAILED):
        flags.add("no_body")
    return WorkloadEvent(
        **plain
        | _times(told, plain["started_at"], flags)
        | _names(told, plain, outcome)
        | langfuse_usage.read(told, outcome, flags)
        | {
            "source": NAME,
            "source_record_id": values.identity(told),
            "time_precision": "ms",
            "stream": _stream(told, plain["stream"]),
            "outcome": outcome,
            "error_type": gateways.error_type(None, _status(told), outcome),
            "tags": _tags(told),
            "flags": frozenset(flags),
        }
    )


def _names(told: Row, plain: Row, outcome: str) -> dict[str, Any]:
    """Ids, models and people. Langfuse has one model: the one that answered, or of a failure the one asked."""
    metadata = plain["metadata"]
    attributes = _attributes(metadata)
    model = values.text(told, "providedModelName") or values.text(told, "model")
    is_failed = outcome in gateways.FAILED and plain["response"] is None
    asked = gateways.word(attributes, "gen_ai.request.model") or plain["requested_model"]
    served = gateways.word(attributes, "gen_ai.response.model") or plain["served_model"]
    environment = values.text(told, "environment")
    return {
        "provider_response_id": gateways.word(attributes, "gen_ai.response.id") or plain["provider_response_id"],
        "trace_id": values.identity(told, "traceId"),
        "span_id": _span_id(told, "id"),
        "parent_span_id": _span_id(told, "parentObservationId"),
        "session_id": values.identity(told, "sessionId")
        or gateways.word(metadata, "session_id", "langfuse_session_id"),
        "user_id": values.identity(told, "userId") or gateways.word(metadata, "user_id", "langfuse_user_id"),
        "provider": gateways.word(attributes, "gen_ai.provider.name", "gen_ai.system"),
        "requested_model": asked or (model if is_failed else None),
        "served_model": None if is_failed else served or model,
        # What Langfuse calls default is that none was named.
        "environment": environment if environment != "default" else gateways.environment(metadata),
        "metadata": _labels(told, metadata),
    }


def _metadata(told: Row) -> dict[str, Any]:
    """Mostly an object, which is all that newer versions take."""
    given = told.get("metadata")
    found = langfuse_bodies.opened(given)
    if isinstance(found, dict):
        return found
    return {"metadata": given} if found or given else {}


def _attributes(metadata: Row) -> dict[str, Any]:
    """The attributes of the span that it came as, if it did."""
    found = langfuse_bodies.opened(metadata.get("attributes"))
    return found if isinstance(found, dict) else {}


def _labels(told: Row, metadata: dict[str, Any]) -> dict[str, Any]:
    """What the client put there, and the managed prompt it used; OpenTelemetry's own copy is left out."""
    kept = {
        name: value for name, value in metadata.items() if name not in ("attributes", "resourceAttributes", "scope")
    }
    prompt = values.text(told, "promptName")
    return {"prompt_name": prompt, **kept} if prompt else kept


def _span_id(told: Row, name: str) -> str | None:
    """Observations that came as spans kept their ids; Langfuse's own ids are no spans of anybody else's."""
    found = (values.identity(told, name) or "").lower()
    return found if _SPAN_ID.fullmatch(found) else None


def _times(told: Row, started_at: datetime, flags: set[str]) -> dict[str, Any]:
    """By both ends; where one is missing, by the seconds Langfuse computed itself."""
    found = clock.times(started_at, told.get("completionStartTime"), told.get("endTime"), flags)
    for ours, theirs in (("duration_ms", "latency"), ("ttft_ms", "timeToFirstToken")):
        seconds = values.duration_ms(told.get(theirs), theirs) if found[ours] is None else None
        if seconds is not None and "clock_mismatch" not in flags:
            found[ours] = seconds * 1000
    return found


def _stream(told: Row, asked: bool | None) -> bool | None:
    """As asked, or because a first token was seen before the end."""
    first = told.get("completionStartTime") or told.get("timeToFirstToken")
    return True if first and first != told.get("endTime") else asked


def _outcome(told: Row, plain: str, flags: set[str]) -> str:
    if told.get("level") == "ERROR":
        return Outcome.PROVIDER_ERROR
    if "streamed_incomplete" in flags:
        return Outcome.CANCELLED
    if plain == Outcome.PROVIDER_ERROR:
        return plain
    return Outcome.OK if plain in (Outcome.OK, Outcome.CANCELLED) or told.get("endTime") else Outcome.UNKNOWN


def _status(told: Row) -> int | None:
    """The HTTP status an error's message begins with, if it does."""
    found = _STATUS.match(values.text(told, "statusMessage") or "")
    return int(found[1]) if found else None


def _tags(told: Row) -> tuple[str, ...]:
    tags = langfuse_bodies.opened(told.get("tags")) or ()
    if not isinstance(tags, (list, tuple)):
        raise Rejected("wrong_type", "tags should be a list.")
    return tuple(str(tag)[:100] for tag in tags[:50])
