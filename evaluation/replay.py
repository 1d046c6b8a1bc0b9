"""Carrying out a run: each sampled prompt to the incumbent and every live candidate, judged, until the answer is known.

Prompts are worked on side by side but looked at in their order. One incumbent call a prompt serves all candidates.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.answers import Answer, Prompt, make_pair, usable
from evaluation.asking import Asker, OutOfBudget, SetUpWrongly, answer_text, together
from evaluation.comparisons import answer_of, scores_of
from evaluation.decision import Decision, Pair, Plan, decide
from evaluation.findings import Finding
from evaluation.judges import Bench
from evaluation.ledger import LeaseLost
from evaluation.material import Material, Sent
from evaluation.models import ReplayCall
from netra import celery
from projects.workloads import Purpose
from routing.calls import OptionTarget

FIRST_LOOKS = 10
HOPELESS = frozenset({"inferior", "futile", "blocked"})


@dataclass(slots=True)
class Progress:
    """What has been gathered, and what it shows so far. `stopped_because` is empty while the run goes on."""

    plan: Plan
    incumbent: str
    order: Sequence[Prompt]
    gathered: dict[str, dict[int, Answer]] = field(default_factory=lambda: defaultdict(dict))
    live: list[str] = field(default_factory=list)
    decision: Decision | None = None
    stopped_because: str = ""
    sentence: str = ""
    n_pairs: int = 0

    _pairs: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    _ended: set[str] = field(default_factory=set)
    _frontier: int = 0

    def wanted(self) -> list[Prompt]:
        """Prompts the plan asks for: as many as it allows pairs, left-out ones replaced by the next in order."""
        return usable(self.order, self.gathered)[: self.plan.max_pairs]

    def is_open(self, prompt: Prompt) -> bool:
        """Whether a lane that still counts has no answer yet. The lanes of a prompt are filled at once."""
        return any(prompt.position not in self.gathered[option] for option in (self.incumbent, *self.live))

    def advance(self) -> int:
        """Pair up what has become complete in unbroken order, as `pair_up` would; the longest candidate's pairs."""
        while self._frontier < len(self.order) and not self._is_stuck(self.order[self._frontier]):
            self._take(self.order[self._frontier])
            self._frontier += 1
        return max((len(self._pairs[option]) for option in self.live), default=0)

    def pairs(self) -> dict[str, tuple[Pair, ...]]:
        """Pairs by candidate so far; those of dropped candidates end where they were dropped."""
        return {option: tuple(self._pairs[option][: self.plan.max_pairs]) for option in self.plan.candidates}

    def _is_stuck(self, prompt: Prompt) -> bool:
        return self.is_open(prompt) and not self._is_left_out(prompt)

    def _is_left_out(self, prompt: Prompt) -> bool:
        found = (answers.get(prompt.position) for answers in self.gathered.values())
        return any(answer is not None and answer.is_left_out for answer in found)

    def _take(self, prompt: Prompt) -> None:
        if self._is_left_out(prompt):
            return
        old = self.gathered[self.incumbent][prompt.position]
        for option in self.plan.candidates:
            new = self.gathered[option].get(prompt.position)
            if new is None:
                self._ended.add(option)
            if new is not None and option not in self._ended:
                self._pairs[option].append(make_pair(len(self._pairs[option]), prompt, old, new))

    def stop(self, because: str, sentence: str = "") -> None:
        """The first reason stands; others are its consequences."""
        self.stopped_because = self.stopped_because or because
        self.sentence = self.sentence or sentence


@dataclass(slots=True)
class Replay:
    """One worker's go at a run. `targets` holds the incumbent and every candidate."""

    run_id: int
    progress: Progress
    targets: Mapping[str, OptionTarget]
    asker: Asker
    bench: Bench
    material: Material
    on_look: Any
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def carry_out(self) -> None:
        """Go on until decided, out of prompts or money, cancelled, or asked to leave off."""
        while not self._is_stopping() and (
            todo := [each for each in self.progress.wanted() if self.progress.is_open(each)]
        ):
            await self._work_through(todo)  # again, because a prompt that turned out left out is replaced by the next
        if self.progress.stopped_because not in ("lease", "leave_off"):
            await self._look(is_last=True)

    async def _work_through(self, todo: Sequence[Prompt]) -> None:
        self.material.expect([prompt.position for prompt in todo])
        window = asyncio.Semaphore(2 * self.asker.concurrency)
        tasks: set[asyncio.Task[None]] = set()
        for prompt in todo:
            await window.acquire()
            if self._is_stopping():
                break
            task = asyncio.create_task(self._work_on(prompt, window))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    def _is_stopping(self) -> bool:
        if celery.stopping.is_set():
            self.progress.stop("leave_off", "The process is ending; the run goes on when it starts again.")
        if self.asker.ledger.balance.is_cancel_asked:
            self.progress.stop("cancelled", "Cancelled.")
        return bool(self.progress.stopped_because)

    async def _work_on(self, prompt: Prompt, window: asyncio.Semaphore) -> None:
        try:
            await self._answer_and_judge(prompt)
            if not self.progress.stopped_because:
                await self._look()
        except OutOfBudget:
            self.progress.stop("budget", "The next call could have passed the budget.")
        except SetUpWrongly as problem:
            self.progress.stop("failed", str(problem))
        except LeaseLost as problem:
            self.progress.stop("lease", str(problem))
        except Exception as problem:
            self.progress.stop("failed", f"{type(problem).__name__}: {str(problem)[:300]}")
            raise
        finally:
            window.release()

    async def _answer_and_judge(self, prompt: Prompt) -> None:
        """The incumbent and every live candidate, then the judges. What is there already is not asked again."""
        sent = await self.material.of(prompt.position)
        if sent is None:
            self.progress.gathered[self.progress.incumbent][prompt.position] = Answer(is_left_out=True)
            return
        options = [self.progress.incumbent, *self.progress.live]
        calls = await together(self._answer(sent, option) for option in options)
        distinct = await self._distinct(calls)
        judged = await together(self._judge(sent, call) for call in distinct)
        scores = {call.pk: found for call, found in zip(distinct, judged, strict=True)}
        if self.bench.panel.pairwise:
            rivals = [call for call in calls[1:] if _is_comparable(calls[0], call) and call.pk not in sent.compared]
            await together(self.bench.compare(calls[0], call, sent.request) for call in rivals)
        for call in calls:
            found = scores.get(call.same_answer_as_id or call.pk, {})
            self.progress.gathered[call.option][prompt.position] = answer_of(call, found)

    async def _answer(self, sent: Sent, option: str) -> ReplayCall:
        """One lane's answer: the one there is, or a new one."""
        if option in sent.calls:
            return sent.calls[option]
        is_incumbent = option == self.progress.incumbent
        lane = ReplayCall.LaneName.INCUMBENT if is_incumbent else ReplayCall.LaneName.CANDIDATE
        place = 0 if is_incumbent else 1 + self.progress.plan.candidates.index(option)
        row = ReplayCall(
            call_key=f"run-{self.run_id}-{sent.prompt.position}-{place}",
            run_id=self.run_id,
            prompt=sent.prompt,
            lane=lane,
            option=option,
        )
        outcome = await self.asker.ask(row, self.targets[option], sent.request, purpose=Purpose.REPLAY)
        row.text = answer_text(outcome.response)
        row.finish_reason, row.is_refusal = (outcome.finish_reason or "")[:40], outcome.is_refusal
        row.tokens, row.served_model = outcome.tokens.as_dict(), (outcome.served_model or "")[:200]
        await self.asker.finish(row)
        return row

    async def _distinct(self, calls: Sequence[ReplayCall]) -> list[ReplayCall]:
        """One call for each distinct answer. Word for word the same answer to the same prompt is judged once: a judge
        that gave two scores to one text would only add noise to the difference.
        """
        first: dict[str, ReplayCall] = {}
        same: list[ReplayCall] = []
        for call in calls:
            if call.state == ReplayCall.State.DONE and first.setdefault(call.text, call) is not call:
                call.same_answer_as = first[call.text]
                same.append(call)
        if same:
            await self.asker.ledger.in_thread(lambda: ReplayCall.objects.bulk_update(same, ["same_answer_as"]))
        return list(first.values())

    async def _judge(self, sent: Sent, call: ReplayCall) -> dict[tuple[str, str], float | None]:
        known = list(sent.judgements.get(call.pk, ()))
        if call.state == ReplayCall.State.DONE:
            known += await self.bench.judge(call, sent.request, {(each.dimension, each.judge) for each in known})
        return scores_of(known)

    async def _look(self, *, is_last: bool = False) -> None:
        """Decide on what is there, once it has grown by a tenth: looking costs no error rate, but time."""
        async with self._looking:
            n_pairs = self.progress.advance()
            if not is_last and n_pairs - self.progress.n_pairs < max(FIRST_LOOKS, n_pairs // 10):
                return
            self.progress.n_pairs = max(min(n_pairs, self.progress.plan.max_pairs), self.progress.n_pairs)
            await self._decide(is_last=is_last)

    async def _decide(self, *, is_last: bool) -> None:
        pairs = self.progress.pairs()
        decision = await asyncio.to_thread(self._decision, pairs, is_last)
        self.progress.decision = decision
        dropped = [finding for finding in decision.findings if self._is_hopeless(finding)]
        for finding in dropped:
            self.progress.live.remove(finding.candidate)
        if decision.verdict is not None:
            self.progress.stop("decided")
        await self.asker.ledger.in_thread(lambda: self.on_look(self.progress, dropped))

    def _decision(self, pairs: Mapping[str, Sequence[Pair]], is_last: bool) -> Decision:
        balance = self.asker.ledger.balance
        return decide(
            self.progress.plan,
            pairs,
            spent_usd=balance.charged_at_most_usd,
            budget_usd=balance.budget_usd,
            more_available=not is_last,
        )

    def _is_hopeless(self, finding: Finding) -> bool:
        return finding.status in HOPELESS and finding.candidate in self.progress.live


def _is_comparable(incumbent: ReplayCall, candidate: ReplayCall) -> bool:
    both_done = incumbent.state == candidate.state == ReplayCall.State.DONE
    return both_done and incumbent.text != candidate.text
