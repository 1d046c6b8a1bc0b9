"""What was called becomes an event in the log, whoever called: no token is spent unrecorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projects import log
from projects.workloads import Outcome as EventOutcome
from projects.workloads import UsageOrigin, WorkloadEvent
from routing.calls import Attempt, ModelCall, Outcome

SOURCE = "netra"


def record(project_id: int, call: ModelCall, outcome: Outcome) -> str | None:
    """Write one call to the log and return its event id; None when nothing was sent, so nothing happened.

    The event is known by the call's key: recording it twice adds nothing.
    """
    written = record_many(project_id, [(call, outcome)])
    return written[0]


def record_many(project_id: int, made: Iterable[tuple[ModelCall, Outcome]]) -> list[str | None]:
    """Write many calls at once; their event ids in the same order."""
    made = list(made)
    sent = [event(call, outcome) for call, outcome in made if outcome.attempts]
    ids = iter(log.write(project_id, sent).ids if sent else ())
    return [next(ids) if outcome.attempts else None for _, outcome in made]


def event(call: ModelCall, outcome: Outcome) -> WorkloadEvent:
    """The event of a call, its attempts and adjustments told in its metadata."""
    to = call.option
    return WorkloadEvent(
        source=SOURCE,
        source_record_id=call.call_key,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
        purpose=call.purpose,
        provider_response_id=outcome.provider_response_id,
        duration_ms=outcome.duration_ms,
        ttft_ms=outcome.ttft_ms,
        provider=to.provider,
        requested_model=to.model,
        served_model=outcome.served_model,
        request={**call.request, "model": to.model},
        response=outcome.response,
        stream=bool(call.request.get("stream")),
        http_status=outcome.http_status,
        outcome=EventOutcome.OK if outcome.ok else EventOutcome.PROVIDER_ERROR,
        error_type=outcome.error_code,
        finish_reason=outcome.finish_reason,
        is_refusal=outcome.is_refusal,
        tokens=outcome.tokens,
        usage_raw=outcome.usage_raw,
        usage_origin=UsageOrigin.PROVIDER if outcome.usage_raw else UsageOrigin.MISSING,
        cost_recorded_usd=outcome.cost_usd,
        cost_recorded_origin=SOURCE,
        metadata=_metadata(call, outcome),
        flags=frozenset({"retried"}) if len(outcome.attempts) > 1 else frozenset(),
        is_simulated=to.is_simulated,
        run_id=call.run_id,
    )


def _metadata(call: ModelCall, outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {
        **call.metadata,
        "option": call.option.option,
        "price": call.option.price.source,
        "charged_at_most_usd": format(outcome.charged_at_most_usd, "f"),
        "attempts": [_attempt(attempt) for attempt in outcome.attempts],
    }
    if outcome.adjustments:
        told["adjustments"] = list(outcome.adjustments)
    if outcome.error_sentence:
        told["error"] = outcome.error_sentence
    return told


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "started_at": attempt.started_at.isoformat(),
        "duration_ms": round(attempt.duration_ms, 3),
        "http_status": attempt.http_status,
        "error": attempt.error_code,
        "paid": attempt.paid,
        "charged_at_most_usd": format(attempt.charged_at_most_usd, "f"),
    }
