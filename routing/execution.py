"""Make a call: within limits, with retries, and with every attempt's money accounted for. Never raises for trouble."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from netra import llm
from netra.answers import finish_reason_of, first_choice, text_of
from netra.errors import ProviderFailed
from netra.prices import cost_usd
from netra.refusals import is_refusal
from netra.tokens import Tokens
from projects.ingest import usage as reported
from projects.ingest.values import repaired
from projects.ingest.verdicts import Rejected
from routing.calls import Attempt, ModelCall, OptionTarget, Outcome, worst_case_usd
from routing.limits import admitted
from routing.targets import target

__all__ = ["Attempt", "ModelCall", "OptionTarget", "Outcome", "run", "target", "worst_case_usd"]

BeforeAttempt = Callable[[int, Decimal], bool | Awaitable[bool]]

BACKOFF_S = 0.5
BACKOFF_CAP_S = 20.0
RETRY_AFTER_CAP_S = 60.0


@dataclass(slots=True)
class _Progress:
    """A call under way: what its attempts so far came to."""

    call: ModelCall
    worst_usd: Decimal
    started_at: datetime = field(default_factory=timezone.now)
    attempts: list[Attempt] = field(default_factory=list)
    last: ProviderFailed | None = None

    @property
    def charged_at_most_usd(self) -> Decimal:
        return sum((attempt.charged_at_most_usd for attempt in self.attempts), Decimal(0))


async def run(call: ModelCall, before_attempt: BeforeAttempt | None = None) -> Outcome:
    """Make the call, trying again where that can help; provider trouble ends in an Outcome that says so.

    `before_attempt(number, worst_case_usd)` is asked before each attempt, after a place was free and right before
    the request goes out; False ends the call as `budget_exhausted`. An attempt cancelled from outside raises
    CancelledError; whoever cancels must book the worst case it had reserved.
    """
    worst = worst_case_usd(call, call.option)
    if worst is None:
        sentence = "What this call can cost at most is not known, so it is not made."
        return _given_up(_Progress(call, Decimal(0)), "cost_unbounded", sentence)
    progress = _Progress(call, worst)
    for number in range(1, max(1, call.max_attempts) + 1):
        outcome = await _attempt(progress, number, before_attempt)
        if outcome is not None:
            return outcome
        assert progress.last is not None
        if not progress.last.retry or number >= call.max_attempts:
            break
        await asyncio.sleep(pause_s(number, progress.last.retry_after_s))
    assert progress.last is not None
    return _given_up(progress, progress.last.code, str(progress.last))


async def _attempt(progress: _Progress, number: int, before: BeforeAttempt | None) -> Outcome | None:
    """One attempt: the outcome when it ends the call, None when it failed and `progress.last` says how."""
    call, to = progress.call, progress.call.option
    async with admitted(to.limits_key, max_concurrency=to.max_concurrency, requests_per_minute=to.requests_per_minute):
        if before is not None and not await _allowed(before, number, progress.worst_usd):
            return _given_up(progress, "budget_exhausted", "The next attempt could pass the budget.")
        started_at, began = timezone.now(), time.monotonic()
        try:
            deadline_s = call.deadline_s or to.deadline_s
            answer = await llm.complete(to.destination, to.model, call.request, deadline_s=deadline_s)
        except ProviderFailed as problem:
            progress.last = problem
            _note(progress, number, started_at, began, problem)
            return None
    return _answered(progress, number, started_at, began, answer)


async def _allowed(before: BeforeAttempt, number: int, worst_usd: Decimal) -> bool:
    said = before(number, worst_usd)
    return bool(await said) if inspect.isawaitable(said) else bool(said)


def _note(progress: _Progress, number: int, started_at: datetime, began: float, problem: ProviderFailed) -> None:
    progress.attempts.append(
        Attempt(
            number=number,
            started_at=started_at,
            duration_ms=(time.monotonic() - began) * 1000,
            http_status=problem.http_status,
            error_code=problem.code,
            paid=problem.paid,
            charged_at_most_usd=Decimal(0) if problem.paid is False else progress.worst_usd,
        )
    )


def _answered(progress: _Progress, number: int, started_at: datetime, began: float, answer: llm.Answer) -> Outcome:
    call, body = progress.call, repaired(answer.body)  # neither the log nor the database takes lone surrogates
    duration_ms = (time.monotonic() - began) * 1000
    tokens = _tokens(body.get("usage"))
    service = body.get("service_tier") or call.request.get("service_tier")
    cost = cost_usd(tokens, call.option.rates, service=service if isinstance(service, str) else None)
    at_most = progress.worst_usd if cost is None else cost
    progress.attempts.append(Attempt(number, started_at, duration_ms, answer.status, None, True, at_most))
    in_doubt = any(attempt.paid is None for attempt in progress.attempts)
    choice = first_choice(body) or {}
    finish_reason = finish_reason_of(body)
    usage = body.get("usage")
    return Outcome(
        call_key=call.call_key,
        ok=True,
        started_at=started_at,
        ended_at=timezone.now(),
        http_status=answer.status,
        response=body,
        text=text_of(body),
        finish_reason=finish_reason,
        is_refusal=is_refusal(choice.get("message"), finish_reason),
        tokens=tokens,
        usage_raw=usage if isinstance(usage, dict) else None,
        cost_usd=None if in_doubt else cost,
        charged_at_most_usd=progress.charged_at_most_usd,
        ttft_ms=answer.ttft_ms,
        duration_ms=duration_ms,
        attempts=tuple(progress.attempts),
        served_model=_text(body.get("model")),
        provider_response_id=_text(body.get("id")),
        adjustments=answer.adjustments,
    )


def _given_up(progress: _Progress, code: str, sentence: str) -> Outcome:
    last = progress.attempts[-1] if progress.attempts else None
    is_known = all(attempt.paid is False for attempt in progress.attempts)
    return Outcome(
        call_key=progress.call.call_key,
        ok=False,
        started_at=last.started_at if last else progress.started_at,
        ended_at=timezone.now(),
        http_status=last.http_status if last else None,
        cost_usd=Decimal(0) if is_known else None,
        charged_at_most_usd=progress.charged_at_most_usd,
        duration_ms=last.duration_ms if last else None,
        attempts=tuple(progress.attempts),
        error_code=code,
        error_sentence=repaired(sentence),
    )


def pause_s(attempt: int, retry_after_s: float | None) -> float:
    """Before the next attempt: what the provider asked for, up to a minute, else doubling with full jitter."""
    if retry_after_s is not None:
        # A little more, and not the same for all: those told the same moment should not all come at it.
        return min(retry_after_s, RETRY_AFTER_CAP_S) + random.uniform(0, BACKOFF_S / 5)
    return random.uniform(BACKOFF_S / 5, min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** (attempt - 1)))


def _tokens(usage: object) -> Tokens:
    """Counts that contradict themselves are no counts: the cost is then unknown, and booked at its worst."""
    try:
        return reported.buckets(usage)[0] if isinstance(usage, dict) else Tokens()
    except Rejected:
        return Tokens()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
