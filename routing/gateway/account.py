"""What became of a request, attempt by attempt, until its one event is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils import timezone

from netra.prices import cost_usd
from netra.tokens import Tokens
from projects.workloads import Outcome
from routing.calls import OptionTarget
from routing.gateway.answers import tokens_of
from routing.gateway.planning import Plan
from routing.gateway.recording import Attempted, Result, record


class Account:
    """The attempts of one request. Times named `began` are seconds of the monotonic clock."""

    __slots__ = ("_began", "_is_kept", "_partial", "_plan", "_started_at", "attempts", "ttft_ms")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began, self._started_at = time.monotonic(), timezone.now()
        self.attempts: list[Attempted] = []
        self.ttft_ms: float | None = None
        self._partial: Mapping[str, Any] | None = None
        self._is_kept = False

    def ended(self, target: OptionTarget, began: float, **known: Any) -> Attempted:
        """Note an attempt that ended just now; `known` as `Attempted` names it."""
        noted = Attempted(target.option, (time.monotonic() - began) * 1000, **known)
        self.attempts.append(noted)
        return noted

    def cancelled(self, target: OptionTarget, began: float, partial: Mapping[str, Any] | None, **known: Any) -> None:
        """Note an attempt that was stopped because the client hung up, with what had reached it by then."""
        self.ended(target, began, error="cancelled", **known)
        self._partial = partial or self._partial

    def answered(
        self, target: OptionTarget, began: float, answer: Mapping[str, Any], *, raw: bytes | None = None, **known: Any
    ) -> Decimal | None:
        """Keep the event of an answer; what its attempt cost, None when that is not known."""
        tokens, origin = tokens_of(answer.get("usage"), self._plan, answer, Outcome.OK)
        tier = answer.get("service_tier") or self._plan.asked.body.get("service_tier")
        cost = cost_usd(tokens, target.rates, service=tier if isinstance(tier, str) else None)
        self.ended(target, began, http_status=200, paid=True, charged_usd=cost, **known)
        self._book_lost(tokens)
        self._keep(target, Outcome.OK, response=answer, raw=raw, tokens=tokens, usage_origin=origin, cost_usd=cost)
        return cost

    def broken_off(self, target: OptionTarget, partial: Mapping[str, Any] | None, code: str) -> None:
        """Keep the event of a request that no option answered in whole."""
        self._keep_partial(target, partial, Outcome.PROVIDER_ERROR, code)

    def turned_away(self, target: OptionTarget, code: str) -> None:
        """Keep the event of a request that we refused, with the attempts there were; without any it cost nothing."""
        if not self._is_kept:
            self._keep(target, Outcome.GATEWAY_ERROR, error=code)

    def hung_up(self, target: OptionTarget) -> None:
        """The client is gone: what was sent upstream is on the bill, what was read of the answer is in the log."""
        if self.attempts and not self._is_kept:
            self._keep_partial(target, self._partial, Outcome.CANCELLED, "client_disconnected")

    def _book_lost(self, tokens: Tokens) -> None:
        """Attempts that were outpaced used what the winner did: all of it, or of a stream only the input."""
        used = replace(tokens, output_visible=0, reasoning=0, audio_out=0) if self._plan.asked.is_stream else tokens
        for attempt in self.attempts:
            if attempt.rates is not None:
                attempt.used_usd = cost_usd(used, attempt.rates)

    def _keep_partial(self, target: OptionTarget, partial: Mapping[str, Any] | None, outcome: str, code: str) -> None:
        tokens, origin = tokens_of(partial.get("usage") if partial else None, self._plan, partial, outcome)
        self._keep(target, outcome, response=partial, tokens=tokens, usage_origin=origin, error=code)

    def _keep(self, target: OptionTarget, outcome: str, *, cost_usd: Decimal | None = None, **known: Any) -> None:
        in_doubt = any(attempt.paid is None for attempt in self.attempts)
        is_free = all(attempt.paid is False for attempt in self.attempts)
        result = Result(
            target=target,
            started_at=self._started_at,
            ended_at=timezone.now(),
            duration_ms=(time.monotonic() - self._began) * 1000,
            outcome=outcome,
            http_status=self.attempts[-1].http_status if self.attempts else None,
            cost_usd=Decimal(0) if is_free else None if in_doubt else cost_usd,
            ttft_ms=self.ttft_ms,
            attempts=self.attempts,
            **known,
        )
        record(self._plan, result)
        self._is_kept = True
