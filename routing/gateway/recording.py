"""The event of a request, on disk before its answer ends: what `kill -9` leaves is what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from django.utils import timezone

from netra.answers import finish_reason_of, first_choice
from netra.prices import Rates
from netra.refusals import is_refusal
from netra.tokens import BUCKETS, Tokens
from projects import log_lines
from projects.ingest.values import repaired
from projects.ingest.verdicts import Rejected
from projects.log_rows import row
from projects.spool import SPOOL, Frame
from projects.workloads import Outcome, Purpose, UsageOrigin, WorkloadEvent
from routing.calls import OptionTarget
from routing.catalog import price_book
from routing.controller import Choice, Policy
from routing.demand import Demand
from routing.gateway.planning import Plan

SOURCE = "netra"
# The name of what is kept before it is a row; `settings.NETRA_RAW_FRAMES` leads back here.
RAW = "netra_calls"
# How an attempt ended that was stopped because another had the answer first.
OUTPACED = "outpaced"
_OPERATIONS = {"/v1/chat/completions": "chat", "/v1/embeddings": "embeddings", "/v1/responses": "responses"}


@dataclass(slots=True)
class Attempted:
    """One request sent upstream. `paid`: None when that cannot be known, and `charged_usd` is None then.

    `rates` are given where it was outpaced by another attempt; `used_usd` is then what it is estimated to have used.
    """

    option: str
    duration_ms: float
    http_status: int | None = None
    error: str | None = None
    paid: bool | None = None
    charged_usd: Decimal | None = None
    is_hedge: bool = False
    rates: Rates | None = None
    used_usd: Decimal | None = None

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = {"option": self.option, "duration_ms": round(self.duration_ms, 3)}
        told |= {"http_status": self.http_status, "error": self.error, "paid": self.paid}
        if self.is_hedge:
            told["is_hedge"] = True
        if self.used_usd is not None:
            told["used_usd"] = format(self.used_usd, "f")
        return told


@dataclass(slots=True)
class Result:
    """What became of a request. `cost_usd` counts all attempts, None when one of them is in doubt."""

    target: OptionTarget
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    outcome: str
    http_status: int | None = None
    response: Mapping[str, Any] | None = None
    raw: bytes | None = None
    tokens: Tokens = field(default_factory=Tokens)
    usage_origin: str = UsageOrigin.MISSING
    cost_usd: Decimal | None = None
    ttft_ms: float | None = None
    error: str | None = None
    attempts: list[Attempted] = field(default_factory=list)


def record(plan: Plan, result: Result) -> None:
    """Append the call to the write-ahead segment. Raises Busy when the disk's share for it is full.

    What is kept are the bytes that came and went with a few facts beside them; making a row of them is left to whoever
    empties the spool, off the request path. Where a project masks or hashes its texts, that is done here and now.
    """
    tenant, told = plan.tenant, _facts(plan, result)
    if tenant.door.changes_texts:
        event = tenant.door.let_in(_event(_told(orjson.dumps(told))))
        line = log_lines.dumps(row(tenant.project_id, event, tenant.book, now=result.ended_at))
        SPOOL.append(Frame(tenant.project_id, SOURCE, line, 1))
        return
    SPOOL.append(Frame(tenant.project_id, RAW, orjson.dumps(told), 1))


def ready(frame: Frame) -> Frame:
    """Calls as they were kept, made into rows that the log takes: for whoever empties the spool."""
    book, now = price_book(frame.project_id), timezone.now()
    lines: list[bytes] = []
    left_out = list(frame.left_out)
    for line in frame.body.split(b"\n"):
        try:
            lines.append(log_lines.dumps(row(frame.project_id, _event(_told(line)), book, now=now)))
        except (ValueError, KeyError, TypeError, AttributeError):  # one call must not hold up all others
            left_out.append(Rejected("wrong_type"))
    return replace(frame, source=SOURCE, body=b"\n".join(lines), n_events=len(lines), left_out=left_out)


def _told(line: bytes) -> Any:
    told = orjson.loads(line)
    return repaired(told) if b"\\u0000" in line or b"\\ud" in line.lower() else told


def _facts(plan: Plan, result: Result) -> dict[str, Any]:
    """All that is known of a call, as JSON. Bodies are the bytes that were sent and received."""
    asked, target = plan.asked, result.target
    told = {
        "id": plan.call_id,
        "path": asked.path,
        "asked": asked.model if plan.policy is None else target.model,
        "headers": asked.headers,
        "key": plan.tenant.key_name,
        "option": target.option,
        "model": target.model,
        "provider": target.provider,
        "price": target.price.source,
        "is_simulated": target.is_simulated,
        "started_at": result.started_at.timestamp(),
        "duration_ms": result.duration_ms,
        "ttft_ms": result.ttft_ms,
        "http_status": result.http_status,
        "outcome": result.outcome,
        "error": result.error,
        "cost_usd": None if result.cost_usd is None else format(result.cost_usd, "f"),
        "tokens": [getattr(result.tokens, name) for name in BUCKETS],
        "usage_origin": result.usage_origin,
        "attempts": [attempt.told() for attempt in result.attempts],
        "request": orjson.Fragment(asked.raw),
        "response": repaired(result.response) if result.raw is None else orjson.Fragment(result.raw),
    }
    if plan.policy is not None and plan.choice is not None:
        told["decision"] = _decision(plan.policy, plan.choice) | {"demand": _wanted(plan.demand)}
    if plan.control is not None:
        told["notes"] = plan.control.notes
    return told


def _decision(policy: Policy, choice: Choice) -> dict[str, Any]:
    return {
        "policy": policy.name,
        "version": policy.version,
        "chosen": choice.option,
        "probability": choice.probability,
        "reason": choice.reason,
        "is_exploration": choice.is_exploration,
        "considered": choice.considered,
    }


def _wanted(demand: Demand | None) -> dict[str, Any] | None:
    """What another policy needs to know of the request, without its words."""
    if demand is None:
        return None
    return {
        "needs": sorted(demand.needs),
        "risks": sorted(demand.risks),
        "input_tokens": demand.input_tokens,
        "output_tokens": demand.output_tokens,
        "deadline_ms": demand.deadline_ms,
        "max_cost_usd": demand.max_cost_usd,
    }


def _event(told: Mapping[str, Any]) -> WorkloadEvent:
    request, answer = told["request"], told["response"]
    finish_reason = finish_reason_of(answer) if answer else None
    choice = first_choice(answer) if answer else None
    headers, started_at = told["headers"], datetime.fromtimestamp(told["started_at"], UTC)
    usage = answer.get("usage") if answer else None
    cost = told["cost_usd"]
    return WorkloadEvent(
        source=SOURCE,
        source_record_id=told["id"],
        started_at=started_at,
        ended_at=started_at + timedelta(milliseconds=told["duration_ms"]),
        purpose=Purpose.LIVE,
        operation=_OPERATIONS.get(told["path"], "chat"),
        provider_response_id=_text(answer.get("id")) if answer else None,
        trace_id=headers.get("trace"),
        session_id=headers.get("session") or _text(request.get("prompt_cache_key")),
        user_id=headers.get("user") or _text(request.get("user")),
        duration_ms=told["duration_ms"],
        ttft_ms=told["ttft_ms"],
        provider=told["provider"],
        requested_model=told["asked"],
        served_model=_text(answer.get("model")) if answer else None,
        request={**request, "model": told["model"]},
        response=answer,
        stream=request.get("stream") is True,
        http_status=told["http_status"],
        outcome=told["outcome"],
        error_type=told["error"],
        finish_reason=finish_reason,
        is_refusal=is_refusal((choice or {}).get("message"), finish_reason) if choice else None,
        tokens=Tokens(*told["tokens"]),
        usage_raw=usage if isinstance(usage, dict) else None,
        usage_origin=told["usage_origin"],
        cost_recorded_usd=None if cost is None else Decimal(cost),
        cost_recorded_origin=None if cost is None else SOURCE,
        tags=_tags(headers.get("tags", "")),
        metadata=_metadata(told),
        flags=_flags(told),
        is_simulated=told["is_simulated"],
    )


def _flags(told: Mapping[str, Any]) -> frozenset[str]:
    found = ["retried"] if _is_retried(told["attempts"]) else []
    return frozenset([*found, "response_cache_hit"] if told["outcome"] == Outcome.CACHED else found)


def _is_retried(attempts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether anything was tried again, not only beside something else."""
    return sum(not each.get("is_hedge") for each in attempts) > 1


def _tags(told: str) -> tuple[str, ...]:
    return tuple(tag.strip()[:80] for tag in told.split(",")[:20] if tag.strip())


def _metadata(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: told[name] for name in ("option", "key", "price", "attempts", "decision") if name in told}
    found |= told.get("notes", {})
    if feature := told["headers"].get("feature"):
        found["feature"] = feature[:80]
    return found


def _text(value: object) -> str | None:
    return repaired(value) if isinstance(value, str) and value else None
