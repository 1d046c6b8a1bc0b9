"""A request's life: attempts in order, fallbacks before the first byte, one answer or one refusal."""

from __future__ import annotations

import asyncio
import time

from netra.errors import Busy, NetraError, ProviderFailed, Unavailable
from routing.calls import OptionTarget
from routing.gateway import hedging, wire
from routing.gateway.account import Account
from routing.gateway.attempt import SENDERS_FAULT, Attempt
from routing.gateway.delivery import Delivery
from routing.gateway.hedging import Race
from routing.gateway.planning import Plan, health

TRIES = 2  # of one option, before the next in line
PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0


class Serving:
    """One request on its way through the options of its plan."""

    def __init__(self, plan: Plan, send: wire.Send) -> None:
        self.plan = plan
        self._account, self._delivery = Account(plan), Delivery(plan.call_id, send)
        self._target = plan.targets[0]
        self._last: ProviderFailed | None = None
        self._refusal: tuple[int, bytes] | None = None

    async def run(self) -> None:
        """Answer the client, whatever happens upstream. Raises NetraError for a limit or a budget."""
        for purse in self.plan.tenant.purses:
            purse.admit(len(self.plan.asked.raw) // 4)
        try:
            await self._answer()
        except asyncio.CancelledError:
            self._account.hung_up(self._target)
            raise
        except NetraError as problem:
            self._turned_away(problem)
            raise

    def _turned_away(self, problem: NetraError) -> None:
        """A budget does not cover it. Where nothing was sent yet, no choice was put to work, so none is told."""
        if not self._account.attempts:
            self.plan.choice = None
        self._account.turned_away(self._target, problem.code)

    async def _answer(self) -> None:
        wait_s = hedging.wait_s(self.plan)
        for target in self.plan.targets:
            self._target = target
            for number in range(1, TRIES + 1):
                if not self._may_try(target):
                    break
                if await (self._tried(target) if wait_s is None else self._hedged(target, wait_s)):
                    return
                wait_s = None  # one request is hedged once
                if not self._may_repeat(number):
                    break
                await asyncio.sleep(self._pause_s(number))
            if self._last is not None and self._last.code in SENDERS_FAULT:
                break
        await self._give_up()

    def _may_try(self, target: OptionTarget) -> bool:
        breaker = health(self.plan.tenant.project_id, target.option).breaker
        if breaker.may_pass(time.monotonic()):
            return True
        self._last = self._last or ProviderFailed(
            f"{target.option} has failed too often lately and is left alone for a while.",
            retry_after_s=breaker.retry_after_s(time.monotonic()),
            code="circuit_open",
        )
        return False

    def _may_repeat(self, number: int) -> bool:
        last = self._last
        assert last is not None
        return last.retry and number < TRIES and (last.retry_after_s or 0) <= LONGEST_PAUSE_S

    def _pause_s(self, number: int) -> float:
        asked = self._last.retry_after_s if self._last else None
        return PAUSE_S * number if asked is None else asked

    async def _tried(self, target: OptionTarget) -> bool:
        attempt = Attempt(self.plan, target, self._account, self._delivery)
        is_over = await attempt.run()
        self._take_over(attempt)
        return is_over

    async def _hedged(self, target: OptionTarget, wait_s: float) -> bool:
        """As `_tried`; where nothing has come for a while, the next option is asked as well."""
        race = Race()
        first = race.start(Attempt(self.plan, target, self._account, self._delivery))
        try:
            await asyncio.wait({first}, timeout=wait_s)
            if not first.done() and race.winner is None and (other := hedging.spare(self.plan)) is not None:
                race.start(Attempt(self.plan, other, self._account, self._delivery, is_hedge=True))
            ended = await race.over()
        except asyncio.CancelledError:
            await race.stop()
            self._target = race.winner.target if race.winner else target
            raise
        finally:
            race.settle()
        for attempt in ended:
            self._take_over(attempt)
        return race.winner is not None

    def _take_over(self, attempt: Attempt) -> None:
        """Remember why an attempt failed, and the provider's own words of the last refusal."""
        self._last = attempt.problem or self._last
        if attempt.problem is not None and attempt.problem.http_status not in (None, 200):
            self._refusal = attempt.refusal

    async def _give_up(self) -> None:
        """Nothing answered: the provider's own refusal where there is one, else our sentence."""
        problem: NetraError = self._last or Unavailable("No option could be tried.")
        target = self.plan.targets[0]
        if self._account.attempts:
            self._account.broken_off(target, None, problem.code)
        else:
            self._account.turned_away(target, problem.code)
        if self._refusal is not None:
            await self._delivery.whole(target, self._refusal[1], None, status=self._refusal[0])
            return
        if problem.code == "rate_limited":
            wait = self._last.retry_after_s if self._last else None
            problem = Busy(str(problem), retry_after_s=wait or 1, code="rate_limited")
        await self._delivery.refuse(target, problem)
