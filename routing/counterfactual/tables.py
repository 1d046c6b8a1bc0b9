"""Decisions as arrays: each option's chances, what was foreseen of it, and what came of the one taken. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routing.controller import Prediction
from routing.counterfactual.estimators import Vector, effective_size
from routing.counterfactual.redeciding import Decision, Redecided

Matrix = npt.NDArray[np.float64]
# More traffic than this on options that were never tried, and an estimate speaks of another policy than was asked for.
MOST_UNSUPPORTED = 0.02


@dataclass(frozen=True, slots=True)
class Logged:
    """Calls × options. NaN: not known."""

    options: tuple[str, ...]
    taken: npt.NDArray[np.intp]
    chances: Matrix
    foreseen_usd: Matrix
    foreseen_ms: Matrix
    cost_usd: Vector
    latency_ms: Vector
    errors: Vector

    @property
    def n(self) -> int:
        return len(self.taken)

    @property
    def chance_taken(self) -> Vector:
        return np.asarray(self.chances[np.arange(self.n), self.taken])

    def share_of(self, option: str) -> Matrix:
        """The odds of a policy that always takes one option."""
        always = np.zeros_like(self.chances)
        always[:, self.options.index(option)] = 1.0
        return always


def tabled(decisions: Sequence[Decision], others: Sequence[Redecided]) -> Logged:
    """The log, with columns for all options that were weighed then or would be now."""
    names = sorted(
        {name for each in decisions for name in each.weighed} | {name for each in others for name in each.odds}
    )
    known = [_predictions(each, other) for each, other in zip(decisions, others, strict=True)]
    column = {name: at for at, name in enumerate(names)}
    return Logged(
        options=tuple(names),
        taken=np.array([column[each.chosen] for each in decisions], dtype=np.intp),
        chances=matrix(names, [{k: v.probability for k, v in each.weighed.items()} for each in decisions], 0.0),
        foreseen_usd=matrix(names, [_foreseen(each, "cost_usd") for each in known], np.nan),
        foreseen_ms=matrix(names, [_foreseen(each, "latency_ms") for each in known], np.nan),
        cost_usd=_vector([each.cost_usd for each in decisions]),
        latency_ms=_vector([each.latency_ms for each in decisions]),
        errors=_vector([each.is_error for each in decisions]),
    )


def _predictions(decision: Decision, other: Redecided) -> dict[str, Prediction]:
    return {**other.seen, **{name: each.prediction for name, each in decision.weighed.items()}}


def _foreseen(known: Mapping[str, Prediction], field: str) -> dict[str, float]:
    found = {name: getattr(each, field) for name, each in known.items()}
    return {name: value for name, value in found.items() if value is not None}


def matrix(names: Sequence[str], rows: Sequence[Mapping[str, float]], otherwise: float = 0.0) -> Matrix:
    """Calls × options."""
    return np.array([[row.get(name, otherwise) for name in names] for row in rows], dtype=float).reshape(-1, len(names))


def _vector(values: Sequence[float | None]) -> Vector:
    return np.array([np.nan if value is None else float(value) for value in values])


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the log speaks for a policy. `unsupported`: share of its traffic on options the log never takes there."""

    n: int
    effective_n: float
    unsupported: float
    untried: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        return self.unsupported <= MOST_UNSUPPORTED

    @property
    def sentence(self) -> str:
        """A warning, or why there is none."""
        if self.unsupported > MOST_UNSUPPORTED:
            named = f", such as {self.untried[0]}" if self.untried else ""
            return (
                f"{self.unsupported:.1%} of its traffic goes where the log never went{named}: nothing is said. Let "
                "the policy in use explore, or split, so that it is tried."
            )
        if self.effective_n < self.n / 10:
            return (
                f"Thin overlap: {self.n:,} calls are worth {self.effective_n:,.0f}. "
                "More exploration, or more days, would narrow the intervals."
            )
        return f"{self.n:,} calls are worth {self.effective_n:,.0f} for this policy."


def overlap(logged: Logged, odds: Matrix) -> Overlap:
    missed = np.where(logged.chances > 0, 0.0, odds)
    by_option = missed.sum(0)
    untried = [logged.options[at] for at in np.argsort(-by_option) if by_option[at] > 0]
    share = float(missed.sum() / logged.n) if logged.n else 0.0
    return Overlap(logged.n, effective_size(weights(logged, odds)), share, tuple(untried))


def weights(logged: Logged, odds: Matrix) -> Vector:
    """By how much a call counts for the other policy."""
    return np.asarray(odds[np.arange(logged.n), logged.taken] / logged.chance_taken)
