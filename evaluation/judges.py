"""Having answers judged: blind, by the same judges and rubrics in both lanes; the unreadable is asked for once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from evaluation.asking import Asker, OutOfBudget, answer_text, together
from evaluation.models import EvaluationRun, Judgement, PairwiseJudgement, ReplayCall
from evaluation.rubrics import (
    PAIRWISE,
    RUBRICS,
    Preference,
    Unreadable,
    Verdict,
    ask_preference,
    ask_score,
    read_preference,
    read_score,
)
from projects.workloads import Purpose
from routing.calls import OptionTarget

Read = TypeVar("Read", Verdict, Preference)


@dataclass(frozen=True, slots=True)
class Panel:
    """Who judges what: judges by dimension, and who compares pairs (None: nobody)."""

    dimensions: Mapping[str, tuple[str, ...]]
    pairwise: str | None = None

    @classmethod
    def of(cls, run: EvaluationRun) -> Panel:
        dimensions = {name: tuple(judges) for name, judges in run.judging["dimensions"].items()}
        return cls(dimensions, run.judging.get("pairwise") or None)

    @property
    def seats(self) -> tuple[tuple[str, str], ...]:
        """Every (dimension, judge), in a fixed order."""
        return tuple((name, judge) for name in sorted(self.dimensions) for judge in self.dimensions[name])

    @property
    def judges(self) -> tuple[str, ...]:
        found = {judge for _name, judge in self.seats} | ({self.pairwise} if self.pairwise else set())
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Bench:
    """The judges of a run, ready to be asked."""

    panel: Panel
    targets: Mapping[str, OptionTarget]
    asker: Asker

    async def judge(self, call: ReplayCall, request: Mapping[str, Any], done: set[tuple[str, str]]) -> list[Judgement]:
        """Have one answer scored by every judge that has not done so. One or two calls a judge."""
        seats = [seat for seat in self.panel.seats if seat not in done]
        return await together(self._score(call, request, *seat) for seat in seats)

    async def compare(
        self, incumbent: ReplayCall, candidate: ReplayCall, request: Mapping[str, Any]
    ) -> list[PairwiseJudgement]:
        """Have two answers compared in both orders; a preference that follows the place is a flip."""
        return await together(
            self._prefer(incumbent, candidate, request, is_incumbent_first=first) for first in (True, False)
        )

    async def _score(self, call: ReplayCall, request: Mapping[str, Any], dimension: str, judge: str) -> Judgement:
        rubric = RUBRICS[dimension]
        place = self.panel.seats.index((dimension, judge))
        row = Judgement(
            call_key=f"{call.call_key}-judge-{place}",
            run_id=call.run_id,
            call=call,
            dimension=dimension,
            judge=judge,
            rubric=rubric.identity,
        )
        asks = (ask_score(rubric, request, call.text, again=again) for again in (False, True))
        verdict = await self._twice(row, judge, asks, read_score)
        if verdict is not None:
            row.score, row.rationale = verdict.score, verdict.rationale
        await self.asker.finish(row)
        return row

    async def _prefer(
        self, incumbent: ReplayCall, candidate: ReplayCall, request: Mapping[str, Any], *, is_incumbent_first: bool
    ) -> PairwiseJudgement:
        rubric = RUBRICS[PAIRWISE]
        assert self.panel.pairwise is not None
        row = PairwiseJudgement(
            call_key=f"{candidate.call_key}-pair-{'ab' if is_incumbent_first else 'ba'}",
            run_id=candidate.run_id,
            incumbent_call=incumbent,
            candidate_call=candidate,
            judge=self.panel.pairwise,
            rubric=rubric.identity,
            is_incumbent_first=is_incumbent_first,
        )
        texts = (incumbent.text, candidate.text) if is_incumbent_first else (candidate.text, incumbent.text)
        asks = (ask_preference(rubric, request, texts, again=again) for again in (False, True))
        preference = await self._twice(row, row.judge, asks, read_preference)
        if preference is not None:
            row.winner, row.rationale = _who(preference.winner, is_incumbent_first), preference.rationale
        await self.asker.finish(row)
        return row

    async def _twice(
        self, row: Judgement | PairwiseJudgement, judge: str, asks: Any, read: Callable[[str | None], Read]
    ) -> Read | None:
        """Ask, and once more when the verdict cannot be read; then it stays unscored, with the reason."""
        for suffix, request in zip(("", "-again"), asks, strict=True):
            try:
                outcome = await self.asker.ask(row, self.targets[judge], request, purpose=Purpose.JUDGE, suffix=suffix)
            except OutOfBudget:
                if not suffix:  # nothing was spent on this row, so there is none
                    raise
                return None
            if not outcome.ok:
                row.unscored_because = outcome.error_code or "failed"
                return None
            try:
                found = read(answer_text(outcome.response))
            except Unreadable as problem:
                row.unscored_because = problem.code
                continue
            row.unscored_because = ""
            return found
        return None


def _who(winner: str, is_incumbent_first: bool) -> str:
    if winner == "tie":
        return PairwiseJudgement.Winner.TIE
    is_incumbent = (winner == "A") == is_incumbent_first
    return PairwiseJudgement.Winner.INCUMBENT if is_incumbent else PairwiseJudgement.Winner.CANDIDATE
