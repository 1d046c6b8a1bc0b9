"""A second attempt beside a slow first one: when it may be made, and which of the two answers."""

from __future__ import annotations

import asyncio
from typing import Any

from netra.errors import NetraError
from routing.calls import OptionTarget
from routing.gateway.answers import CHAT
from routing.gateway.attempt import Attempt
from routing.gateway.planning import Plan, health

# Only what leaves nothing behind at the provider may be asked for twice.
PATHS = frozenset({CHAT, "/v1/embeddings"})


def wait_s(plan: Plan) -> float | None:
    """How long the first attempt is left alone; None = no second one is made."""
    policy = plan.policy
    if policy is None or not policy.hedges or len(plan.targets) < 2 or not _may_be_asked_twice(plan):
        return None
    seen, wait_ms = health(plan.tenant.project_id, plan.targets[0].option), policy.hedge_after_ms
    seen.hedges.count()
    if policy.hedge_quantile is not None:
        usual = seen.first_ms if plan.asked.is_stream else seen.latency_ms
        wait_ms = usual(policy.hedge_quantile) or wait_ms
    return None if wait_ms is None else wait_ms / 1000


def _may_be_asked_twice(plan: Plan) -> bool:
    asked = plan.asked
    if plan.control is not None:  # guardrails follow one answer at a time
        return False
    return asked.path in PATHS and not asked.body.get("store") and asked.headers.get("hedge") != "no"


def spare(plan: Plan) -> OptionTarget | None:
    """The next in line that is well, where the first one's share of such calls is not used up."""
    project_id, (first, *others) = plan.tenant.project_id, plan.targets
    well = (each for each in others if health(project_id, each.option).breaker.state == "closed")
    found = next(well, None)
    return found if found is not None and health(project_id, first.option).hedges.take() else None


class Race:
    """Attempts side by side: the first with something for the client goes on, the others are stopped."""

    def __init__(self) -> None:
        self.winner: Attempt | None = None
        self._running: dict[Attempt, asyncio.Task[bool]] = {}

    def start(self, attempt: Attempt) -> asyncio.Task[bool]:
        attempt.on_win = self._won
        task = self._running[attempt] = asyncio.create_task(attempt.run())
        return task

    def _won(self, winner: Attempt) -> None:
        if self.winner is not None:
            return
        self.winner = winner
        for attempt, task in self._running.items():
            if attempt is not winner and not task.done():
                attempt.lose()
                task.cancel()

    async def over(self) -> list[Attempt]:
        """Wait until all have ended; the winner alone, else all in the order of their start.

        Raises what the first raised, where no other has answered: its budget, for instance.
        """
        ended: list[Any] = await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self.winner is not None:
            self._raise_of(self._running[self.winner])
            return [self.winner]
        for attempt, problem in zip(self._running, ended, strict=True):
            # A budget that has no room for a second attempt does not end the first.
            if isinstance(problem, BaseException) and not (attempt.is_hedge and isinstance(problem, NetraError)):
                raise problem
        return list(self._running)

    def _raise_of(self, task: asyncio.Task[bool]) -> None:
        if (problem := task.exception()) is not None:
            raise problem

    async def stop(self) -> None:
        """The client is gone: nobody needs any of them."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def settle(self) -> None:
        """Charge those that lost, now that it is known what the winner used."""
        for attempt in self._running:
            attempt.settle_lost()
