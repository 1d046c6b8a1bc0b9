"""Judging pairs of live answers: the option's as it was given, the default's asked for now, both judged blind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from evaluation.asking import Asker, OutOfBudget, SetUpWrongly, answer_text, together
from evaluation.judges import Bench
from evaluation.ledger import LeaseLost
from evaluation.material import as_sent
from evaluation.models import EvaluationRun, Judgement, LivePair, PaidCall, ReplayCall
from netra import celery
from projects.workloads import Purpose
from routing.calls import OptionTarget


@dataclass(slots=True)
class Court:
    """One sitting at work. `sentence` is empty while nothing stops it."""

    run: EvaluationRun
    asker: Asker
    bench: Bench
    reached: Mapping[str, OptionTarget]
    logged: Mapping[str, Mapping[str, Any]]
    sentence: str = ""

    async def hear(self, pair: LivePair, places: asyncio.Semaphore) -> None:
        """One pair, unless the sitting is over."""
        async with places:
            if self._is_over():
                return
            try:
                difference, because = await self._difference(pair)
            except OutOfBudget:
                is_off = self.asker.ledger.balance.is_cancel_asked
                self.sentence = "Switched off." if is_off else "The next call could have passed the budget of the day."
                return
            except SetUpWrongly as problem:
                self.sentence = str(problem)
                return
            except LeaseLost:
                self.sentence = "Another process took over."
                return
            await self.asker.ledger.in_thread(lambda: _close(pair, difference, because))

    def _is_over(self) -> bool:
        if celery.stopping.is_set():
            self.sentence = self.sentence or "The process is ending; the next sitting goes on."
        return bool(self.sentence)

    async def _difference(self, pair: LivePair) -> tuple[float | None, str]:
        """Option's score less the default's, or why there is none."""
        live, copy = self.logged.get(pair.event_id), self.logged.get(pair.copy_event_id or pair.event_id)
        if pair.prompt is None or live is None or copy is None or not isinstance(live.get("request"), Mapping):
            return None, "event_gone"
        request = as_sent(live["request"], {})
        if pair.copy_event_id:
            theirs = await self._known(pair, copy, pair.option)
            default: ReplayCall | None = await self._known(pair, live, pair.default_option)
        else:
            theirs = await self._known(pair, live, pair.option)
            default = await self._asked(pair, request)
        if default is None:
            return None, "default_unreachable"
        if default.state != PaidCall.State.DONE:
            return None, "default_failed"
        if theirs.text == default.text:  # a judge that gave two scores to one text would only add noise
            return 0.0, ""
        scores = await together(self._scored(call, request) for call in (theirs, default))
        if scores[0] is None or scores[1] is None:
            return None, "unscored"
        return scores[0] - scores[1], ""

    async def _known(self, pair: LivePair, event: Mapping[str, Any], option: str) -> ReplayCall:
        """An answer that was given already, as a call that costs nothing more."""
        assert pair.prompt is not None
        known = await self._earlier(pair, option)
        if known is not None:
            return known
        row = self._row(pair, option, 1 if option == pair.option else 0)
        row.state, row.event_id, row.cost_usd = PaidCall.State.DONE, event["event_id"], event["cost_usd"]
        row.text, row.response = answer_text(event["response"]), event["response"]
        row.latency_ms, row.is_refusal = event["duration_ms"], event["is_refusal"]
        row.finish_reason = (event["finish_reason"] or "")[:40]
        row.served_model = (event["served_model"] or "")[:200]
        await self.asker.ledger.in_thread(row.save)
        return row

    async def _asked(self, pair: LivePair, request: Mapping[str, Any]) -> ReplayCall | None:
        """The default's answer: the one there is, or a new one; None when it cannot be called."""
        known = await self._earlier(pair, pair.default_option)
        if known is not None:
            return known
        to = self.reached.get(pair.default_option)
        if to is None:
            return None
        row = self._row(pair, pair.default_option, 0)
        outcome = await self.asker.ask(row, to, request, purpose=Purpose.REPLAY)
        row.text = answer_text(outcome.response)
        row.finish_reason, row.is_refusal = (outcome.finish_reason or "")[:40], outcome.is_refusal
        row.tokens, row.served_model = outcome.tokens.as_dict(), (outcome.served_model or "")[:200]
        await self.asker.finish(row)
        return row

    def _row(self, pair: LivePair, option: str, place: int) -> ReplayCall:
        assert pair.prompt is not None
        lane = ReplayCall.LaneName.CANDIDATE if place else ReplayCall.LaneName.INCUMBENT
        key = f"run-{self.run.pk}-{pair.prompt.position}-{place}"
        return ReplayCall(call_key=key, run_id=self.run.pk, prompt=pair.prompt, lane=lane, option=option)

    async def _earlier(self, pair: LivePair, option: str) -> ReplayCall | None:
        calls = ReplayCall.objects.filter(prompt=pair.prompt, option=option)
        return await self.asker.ledger.in_thread(calls.first)

    async def _scored(self, call: ReplayCall, request: Mapping[str, Any]) -> float | None:
        """Mean over the judges; None when one of them gave no score that can be read."""
        found = Judgement.objects.filter(call=call).exclude(state=PaidCall.State.IN_FLIGHT)
        known: list[Judgement] = await self.asker.ledger.in_thread(lambda: list(found))
        done = {(each.dimension, each.judge) for each in known}
        if not done <= set(self.bench.panel.seats):
            return None  # other judges had begun on it before the settings were changed
        known += await self.bench.judge(call, request, done)
        scores = [each.score for each in known if each.score is not None]
        return sum(scores) / len(scores) if scores and len(scores) == len(known) else None


def _close(pair: LivePair, difference: float | None, because: str) -> None:
    open_ = LivePair.objects.open().filter(pk=pair.pk)
    open_.update(difference=difference, unscored_because=because, judged_at=timezone.now())
    assert pair.prompt is not None
    run_id = pair.prompt.run_id
    n_pairs = LivePair.objects.judged().filter(prompt__run=run_id).count()
    EvaluationRun.objects.filter(pk=run_id).update(n_pairs=n_pairs)
