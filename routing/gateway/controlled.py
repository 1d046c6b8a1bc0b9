"""A request of a project that has response caches or guardrails: what happens around its way through the options."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson

from netra.answers import loaded
from netra.errors import NetraError
from projects.ingest.values import repaired
from projects.workloads import Outcome
from routing.calls import OptionTarget
from routing.controls import Controls
from routing.gateway import wire
from routing.gateway.account import Account
from routing.gateway.answers import CHAT
from routing.gateway.caching import ANSWERS, KeptAnswer, Question, has_masked, may_keep, question
from routing.gateway.control import MISS, OFF, Control
from routing.gateway.delivery import Delivery
from routing.gateway.guarding import BLOCKED, Guard, Refused
from routing.gateway.planning import Plan
from routing.gateway.serving import Serving
from routing.gateway.streams import replayed

log = logging.getLogger("netra.gateway")
# How long a question waits for its embedding before the model is asked.
MEANING_WAIT_S = 0.1
_keeping: set[asyncio.Task[None]] = set()


class Controlled(Serving):
    """The same life, with a look at the guardrails before and after it, and a look into the cache in between."""

    def __init__(self, plan: Plan, send: wire.Send) -> None:
        super().__init__(plan, send)
        controls = plan.tenant.controls
        assert controls is not None
        self._controls = controls
        self._control = plan.control = Control(Guard(controls.rules, plan.tenant.door))
        self._account: ControlledAccount = ControlledAccount(plan)
        self._delivery = ControlledDelivery(plan, send, self._control)

    async def run(self) -> None:
        """As for `Serving`. Raises Refused where a guardrail refuses the request."""
        await self._admit()
        asked = self._question()
        if asked is not None and await self._is_known(asked):
            return
        await super().run()
        if asked is not None:
            self._keep(asked)

    async def _admit(self) -> None:
        plan, guard, asked = self.plan, self._control.guard, self.plan.asked
        try:
            if asked.is_stream and asked.path != CHAT:
                guard.check_stream()
            body = await guard.admit(asked.path, asked.body, len(asked.raw))
        except Refused:
            # What it said is not kept: that it was refused, and by which rule, is.
            plan.asked = replace(asked, body={"model": asked.model}, raw=orjson.dumps({"model": asked.model}))
            plan.choice = None
            self._account.turned_away(plan.targets[0], BLOCKED)
            raise
        if body is not asked.body:
            plan.asked = replace(asked, body=body, raw=wire.packed(repaired(body)))

    def _question(self) -> Question | None:
        """The request as the cache sees it; None where it has no part in it."""
        if not self._controls.keeps_exact or self.plan.asked.path != CHAT:
            return None
        asked = None if self._wish == OFF else question(self.plan, self._controls)
        self._control.cache_state = OFF if asked is None else MISS
        return asked

    @property
    def _wish(self) -> str:
        return self.plan.asked.headers.get("cache", "").strip().lower()

    # --- what is known already

    async def _is_known(self, asked: Question) -> bool:
        """Answer from the cache, if it can be."""
        if self._wish == "refresh":
            return False
        found = await ANSWERS.exact(self._controls, asked)
        if found is not None:
            await self._give(found, {"kind": "exact"})
            return True
        return self._may_mean(asked) and await self._is_meant(asked)

    def _may_mean(self, asked: Question) -> bool:
        return self._controls.keeps_alike and bool(asked.around) and not has_masked(asked.text, self.plan.tenant.door)

    async def _is_meant(self, asked: Question) -> bool:
        found = await ANSWERS.alike(self._controls, asked, wait_s=MEANING_WAIT_S)
        if found is None:
            return False
        kept, cosine = found
        if random.random() < self._controls.check_share:
            # The model is asked all the same; whether it says what the cache would have said is looked at later.
            self._control.cache["cache_check"] = {"of": kept.call_id, "similarity": round(cosine, 6)}
            return False
        await self._give(kept, {"kind": "semantic", "similarity": round(cosine, 6)})
        return True

    async def _give(self, kept: KeptAnswer, how: dict[str, Any]) -> None:
        plan = self.plan
        for purse in plan.tenant.purses:
            purse.admit(0)  # a request, of no tokens and no money
        target = await self._target_of(kept)
        saved = None if kept.cost_usd is None else format(kept.cost_usd, "f")
        self._control.cache_state = how["kind"]
        self._control.cache["cache"] = {**how, "of": kept.call_id, "saved_usd": saved}
        plan.choice = None  # nothing was decided
        self._account.cached(target, kept.answer)
        if not plan.asked.is_stream:
            await self._delivery.whole(target, orjson.dumps(kept.answer), Decimal(0))
            return
        options = plan.asked.body.get("stream_options")
        with_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
        await self._delivery.begin(target)
        await self._delivery.events(replayed(kept.answer, with_usage=with_usage), is_last=True)

    async def _target_of(self, kept: KeptAnswer) -> OptionTarget:
        try:
            return await self.plan.tenant.target(kept.option)
        except NetraError:  # the option is gone, its answer is not
            return self.plan.targets[0]

    # --- what is new

    def _keep(self, asked: Question) -> None:
        """Keep the answer, after it was given."""
        plan, last = self.plan, self._account.last
        if last is None or self._control.guard.problem is not None:
            return
        target, answer, cost = last
        is_tried = plan.choice is not None and plan.choice.is_exploration
        if target.option != plan.targets[0].option or is_tried or not may_keep(answer, plan.tenant.door):
            return
        kept = KeptAnswer(target.option, plan.call_id, cost, dict(answer))
        task = asyncio.create_task(_kept(self._controls, asked, kept, with_meaning=self._may_mean(asked)))
        _keeping.add(task)
        task.add_done_callback(_keeping.discard)


async def _kept(controls: Controls, asked: Question, kept: KeptAnswer, *, with_meaning: bool) -> None:
    try:
        await ANSWERS.keep(controls, asked, kept, with_meaning=with_meaning)
    except Exception:
        log.exception("The answer of %s could not be kept.", kept.call_id)


class ControlledAccount(Account):
    """Also tells of requests that no option was asked for, and holds the answer for the cache."""

    __slots__ = ("last",)

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.last: tuple[OptionTarget, Mapping[str, Any], Decimal | None] | None = None

    def answered(self, target: OptionTarget, began: float, answer: Mapping[str, Any], **known: Any) -> Decimal | None:
        cost = super().answered(target, began, answer, **known)
        self.last = (target, answer, cost)
        return cost

    def cached(self, target: OptionTarget, answer: Mapping[str, Any]) -> None:
        """Keep the event of an answer from the cache, which costs nothing."""
        self._keep(target, Outcome.CACHED, response=answer)

    def broken_off(self, target: OptionTarget, partial: Mapping[str, Any] | None, code: str) -> None:
        is_ours = code == BLOCKED
        self._keep_partial(target, partial, Outcome.GATEWAY_ERROR if is_ours else Outcome.PROVIDER_ERROR, code)


class ControlledDelivery(Delivery):
    """The way back with the state of the cache in a header, and what was kept back from the provider restored."""

    __slots__ = ("_control", "_is_refused", "_pieces")

    def __init__(self, plan: Plan, send: wire.Send, control: Control) -> None:
        super().__init__(plan.call_id, send)
        self._control, self._is_refused = control, False
        self._pieces = control.guard.restoring()

    async def whole(self, target: OptionTarget, body: bytes, cost_usd: Decimal | None, *, status: int = 200) -> None:
        guard = self._control.guard
        if guard.problem is not None and status == 200:
            await wire.refuse(self._send, guard.problem, *self._headers(target, cost_usd))
            return
        body = guard.restored(body) if guard.restores and status == 200 else body
        await super().whole(target, body, cost_usd, status=status)

    async def begin(self, target: OptionTarget) -> None:
        if self._control.guard.problem is not None:
            self.is_begun = self._is_refused = True
            await self.refuse(target, self._control.guard.problem)
            return
        await super().begin(target)

    async def events(self, events: list[bytes], *, is_last: bool = False, named: bool = False) -> None:
        if self._is_refused:
            return
        if self._control.guard.restores:
            events = [self._restored(data) for data in events]
        await super().events(events, is_last=is_last, named=named)

    def _restored(self, data: bytes) -> bytes:
        if data == b"[DONE]":
            return data
        return wire.packed(self._pieces.passed(loaded(data)))

    def _headers(self, target: OptionTarget, cost_usd: Decimal | None) -> list[tuple[bytes, bytes]]:
        told = super()._headers(target, cost_usd)
        if self._control.cache_state:
            told.append((b"x-netra-cache", self._control.cache_state.encode()))
        return told
