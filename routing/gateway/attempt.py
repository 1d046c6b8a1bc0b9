"""One attempt at one option: money set aside, a place waited for, the answer passed on, the money settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from netra import llm
from netra.answers import Assembly, EventReader
from netra.errors import Conflict, NetraError, ProviderFailed
from netra.exchange import Exchange, json_object, read, refused
from routing.allowances import Purse
from routing.calls import OptionTarget, worst_case_usd
from routing.gateway.account import Account
from routing.gateway.answers import CHAT, check
from routing.gateway.delivery import Delivery
from routing.gateway.guarding import BLOCKED
from routing.gateway.planning import Plan, health
from routing.gateway.recording import OUTPACED, Attempted
from routing.gateway.streams import ResponseEvents, as_chunk, is_only_usage
from routing.gateway.warmth import WARMTH
from routing.health import Health
from routing.limits import admitted

# The option is not to blame for these, and another would refuse them just the same.
SENDERS_FAULT = frozenset({"request_refused", "unsendable", BLOCKED})


class Attempt:
    """One request sent upstream, on the way to the client of `delivery`, told of in `account`.

    `on_win` is told right before the client gets something of this attempt: others may be under way beside it.
    """

    __slots__ = (
        "_account",
        "_assembly",
        "_began",
        "_charged",
        "_delivery",
        "_held",
        "_is_sent",
        "_plan",
        "_worst",
        "is_hedge",
        "lost",
        "on_win",
        "problem",
        "refusal",
        "target",
    )

    def __init__(
        self, plan: Plan, target: OptionTarget, account: Account, delivery: Delivery, *, is_hedge: bool = False
    ) -> None:
        self.target, self.is_hedge = target, is_hedge
        self.problem: ProviderFailed | None = None
        self.refusal: tuple[int, bytes] | None = None
        self.on_win: Callable[[Attempt], None] | None = None
        self.lost: Attempted | None = None
        self._plan, self._account, self._delivery = plan, account, delivery
        self._began, self._is_sent = time.monotonic(), False
        self._assembly: Assembly | None = None
        self._worst = self._charged = Decimal(0)
        self._held: list[tuple[Purse, datetime]] = []

    async def run(self) -> bool:
        """True when the client has its answer, or what will stay of it; False when `problem` says why not.

        Raises NetraError when a budget does not cover it, before anything is sent.
        """
        seen, target = health(self._plan.tenant.project_id, self.target.option), self.target
        try:
            await self._reserve()
            async with admitted(
                target.limits_key,
                max_concurrency=target.max_concurrency,
                requests_per_minute=target.requests_per_minute,
            ):
                self._began, self._is_sent = time.monotonic(), True
                self._charged = self._worst  # until it is known to be less, also when the client hangs up
                await self._exchanged()
                self._succeeded(seen)
                return True
        except ProviderFailed as problem:
            return self.lost is None and await self._failed(seen, problem)
        except asyncio.CancelledError:
            seen.breaker.abandoned()
            if self.lost is None:
                partial = self._partial() if self._delivery.is_begun else None
                self._account.cancelled(target, self._began, partial, **self._unanswered)
            raise
        except NetraError:
            seen.breaker.abandoned()
            raise
        finally:
            if self.lost is None:
                self._settle()

    def lose(self) -> None:
        """Another attempt has the answer: this one is noted with the time it was given, and about to be stopped."""
        rates = self.target.rates if self._is_sent else None
        self.lost = self._account.ended(self.target, self._began, error=OUTPACED, rates=rates, **self._unanswered)
        if not self.is_hedge and self._is_sent:
            health(self._plan.tenant.project_id, self.target.option).outpaced(self.lost.duration_ms, time.monotonic())

    def settle_lost(self) -> None:
        """Charge what it is estimated to have used; the worst case where there is no estimate."""
        if self.lost is not None:
            self._charged = self._charged if self.lost.used_usd is None else self.lost.used_usd
            self._settle()

    @property
    def _unanswered(self) -> dict[str, bool | None]:
        """How an attempt is noted that was stopped; what never left here was not paid."""
        return {"paid": None if self._is_sent else False, "is_hedge": self.is_hedge}

    def _settle(self) -> None:
        for purse, window in self._held:
            purse.settle(window, self._worst, self._charged)
        self._held = []

    def _succeeded(self, seen: Health) -> None:
        now = time.monotonic()
        seen.answered((now - self._began) * 1000, now)
        if self._plan.conversation is not None:
            WARMTH.served(self._plan.conversation, self.target.option, now)

    async def _failed(self, seen: Health, problem: ProviderFailed) -> bool:
        self._charged, self.problem = Decimal(0) if problem.paid is False else self._worst, problem
        told = {"http_status": problem.http_status, "error": problem.code, "paid": problem.paid}
        self._account.ended(self.target, self._began, is_hedge=self.is_hedge, **told)
        seen.breaker.abandoned() if problem.code in SENDERS_FAULT else seen.failed(time.monotonic())
        return await self._broken_off(problem)

    async def _reserve(self) -> None:
        """Set the attempt's worst case aside in every budget it counts against."""
        budgets = [purse for purse in self._plan.tenant.purses if purse.budget_usd is not None]
        if not budgets:
            return
        worst = worst_case_usd(self._plan.asked.body, self.target)
        if worst is None:
            sentence = "What this call can cost at most is not known, so a budget could not be kept."
            raise Conflict(sentence, code="cost_unbounded")
        self._worst = worst
        try:
            for purse in budgets:
                self._held.append((purse, await purse.reserve(worst)))
        except NetraError:
            self._settle()
            raise

    async def _exchanged(self) -> None:
        """Ask, answer and record. Raises ProviderFailed."""
        target = self.target
        if not target.destination.speaks_openai:
            await self._translated()
            return
        body, is_usage_asked = _outgoing(self._plan, target)
        try:
            async with asyncio.timeout(target.deadline_s) as limit:
                path = self._plan.asked.path.removeprefix("/v1")
                async with Exchange(target.destination, "POST", path, body) as response:
                    if response.status != 200:
                        said = await read(response)
                        self._keep_refusal(response.status, said)
                        raise refused(target.destination, response.status, said, response.headers)
                    if "text/event-stream" in response.headers.get("Content-Type", ""):
                        await self._streamed(response, limit, drops_usage=not is_usage_asked)
                        return
                    answer = await read(response)
        except TimeoutError:
            raise _late(target) from None
        await self._answered(answer)

    def _keep_refusal(self, status: int, said: bytes) -> None:
        # What a provider says of a request is the client's to read; of our key it is not.
        self.refusal = (status, said) if 400 <= status < 500 and status not in (401, 403) else None

    async def _answered(self, body: bytes) -> None:
        answer, is_strict = json_object(body)
        check(self._plan.asked.path, self.target, answer)
        if self._plan.control is not None:
            answer, body = await self._plan.control.guard.let_out(answer)
            is_strict = True
        self._win()
        await self._delivery.whole(self.target, body, self._kept(answer, raw=body if is_strict else None))

    def _win(self) -> None:
        if self.on_win is not None:
            self.on_win(self)

    def _kept(self, answer: Mapping[str, Any], *, raw: bytes | None = None) -> Decimal | None:
        """Keep the event; what the attempt cost, None when that is not known."""
        cost = self._account.answered(self.target, self._began, answer, raw=raw, is_hedge=self.is_hedge)
        self._charged = self._worst if cost is None else cost
        return cost

    async def _translated(self) -> None:
        """Providers with a protocol of their own, through litellm: the whole answer, as one piece when streaming."""
        target, asked = self.target, self._plan.asked
        if asked.path != CHAT:
            raise ProviderFailed(f"{target.option} is only reached for chat completions.", code="request_refused")
        left_out = ("model", "stream", "stream_options")
        request = {name: value for name, value in asked.body.items() if name not in left_out}
        answer = (await llm.complete(target.destination, target.model, request, deadline_s=target.deadline_s)).body
        if not asked.is_stream:
            await self._answered(orjson.dumps(answer))
            return
        if self._plan.control is not None:
            answer, _ = await self._plan.control.guard.let_out(answer)
        self._first_came()
        self._kept(answer)
        await self._delivery.begin(target)
        await self._delivery.events([orjson.dumps(as_chunk(answer)), b"[DONE]"], is_last=True)

    async def _streamed(self, response: Any, limit: asyncio.Timeout, *, drops_usage: bool) -> None:
        """Pass a stream on, event by event; only whole, readable events leave here."""
        reader, self._assembly, raw = EventReader(), Assembly(), self._plan.asked.path != CHAT
        loop, usage, delivery = asyncio.get_running_loop(), ResponseEvents() if raw else None, self._delivery
        pieces, control = response.content.iter_any(), self._plan.control
        async for piece in pieces if control is None else control.guard.let_through(pieces):
            limit.reschedule(loop.time() + self.target.deadline_s)  # from now on, silence is what is waited for
            out = []
            for data in reader.feed(piece):
                if data == b"[DONE]":
                    self._assembly.is_done = True
                    continue
                chunk = usage.add(data) if usage is not None else _chunk(self._assembly, data)
                if not (drops_usage and is_only_usage(chunk)):
                    out.append(data)
            if out:
                if not delivery.is_begun:
                    self._first_came()
                    await delivery.begin(self.target)
                await delivery.events(out, named=raw)
        answer = usage.answer() if usage is not None else self._assembly.completion()
        self._win()
        self._kept(answer)
        if not delivery.is_begun:
            await delivery.begin(self.target)
        await delivery.events([] if raw else [b"[DONE]"], is_last=True)

    def _first_came(self) -> None:
        self._win()
        now = time.monotonic()
        self._account.ttft_ms = (now - self._began) * 1000
        health(self._plan.tenant.project_id, self.target.option).began(self._account.ttft_ms, now)

    def _partial(self) -> dict[str, Any] | None:
        return self._assembly.so_far() if self._assembly is not None else None

    async def _broken_off(self, problem: ProviderFailed) -> bool:
        """After the first byte nothing can be taken back: the stream ends there, and so does the request."""
        if not self._delivery.is_begun:
            return False
        self._account.broken_off(self.target, self._partial(), problem.code)
        await self._delivery.break_off(problem)
        return True


def _chunk(assembly: Assembly, data: bytes) -> Mapping[str, Any]:
    chunk = assembly.add(data)
    if chunk.get("error"):
        raise ProviderFailed("The provider broke off with an error.", retry=True, paid=None, code="error_in_answer")
    return chunk


def _outgoing(plan: Plan, target: OptionTarget) -> tuple[dict[str, Any], bool]:
    """What is sent upstream, and whether the client itself asked for a stream's usage."""
    body = {**plan.asked.body, "model": target.model}
    if not plan.asked.is_stream or plan.asked.path != CHAT:
        return body, True
    options = body.get("stream_options")
    options = options if isinstance(options, dict) else {}
    # A stream tells its usage only when asked to; without it, what was paid would not be known.
    body["stream_options"] = {**options, "include_usage": True}
    return body, bool(options.get("include_usage"))


def _late(target: OptionTarget) -> ProviderFailed:
    sentence = f"{target.option} gave nothing for {target.deadline_s:g} s."
    return ProviderFailed(sentence, retry=True, paid=None, code="timeout")
