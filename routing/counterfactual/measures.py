"""Cost, latency, errors and quality of a policy on logged decisions, beside what was logged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routing.counterfactual.estimators import (
    MIN_EFFECTIVE,
    Estimate,
    Terms,
    Vector,
    doubly_robust,
    ips,
    plain,
    snips,
)
from routing.counterfactual.expecting import expected
from routing.counterfactual.tables import MOST_UNSUPPORTED, Logged, Matrix, Overlap, overlap, weights

COST, LATENCY, ERRORS, QUALITY = "cost_usd", "latency_ms", "errors", "quality"
MEASURES = (COST, LATENCY, ERRORS, QUALITY)
RANGES: Mapping[str, tuple[float, float]] = {
    COST: (0.0, np.inf),
    LATENCY: (0.0, np.inf),
    ERRORS: (0.0, 1.0),
    QUALITY: (-1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure: as logged, of the other policy (doubly robust), the difference, and the other estimators' words."""

    measure: str
    logged: Estimate
    other: Estimate
    difference: Estimate
    ips: Estimate | None = None
    snips: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged pair: on call `row`, option `column` was better than the default by `difference`, in [-1, 1].

    `weight`: 1 where the call was drawn for judging whatever was chosen; 1/μ where only the answer given was judged.
    """

    row: int
    column: int
    difference: float
    weight: float = 1.0


def compared(logged: Logged, odds: Matrix) -> list[Compared]:
    """Cost, latency and errors; of the other policy nothing where the overlap is too thin."""
    enough = overlap(logged, odds)
    nothing = np.full_like(logged.foreseen_usd, np.nan)
    foreseen = {COST: logged.foreseen_usd, LATENCY: logged.foreseen_ms, ERRORS: nothing}
    return [_compared(logged, odds, measure, foreseen[measure], enough) for measure in (COST, LATENCY, ERRORS)]


def _compared(logged: Logged, odds: Matrix, measure: str, foreseen: Matrix, enough: Overlap) -> Compared:
    rewards: Vector = getattr(logged, measure)
    kept = np.flatnonzero(~np.isnan(rewards))
    rewards, taken, of = rewards[kept], logged.taken[kept], weights(logged, odds)[kept]
    was = plain(rewards)
    model = expected(rewards, taken, foreseen[kept])
    other = doubly_robust(rewards, of, model[np.arange(len(kept)), taken], (odds[kept] * model).sum(1))
    if not enough.is_enough:
        return Compared(measure, was.estimate(RANGES[measure]), unknown(other), unknown(other))
    return Compared(
        measure,
        was.estimate(RANGES[measure]),
        other.estimate(RANGES[measure]),
        other.less(was).estimate(),
        ips(rewards, of).estimate(RANGES[measure]),
        snips(rewards, of).estimate(RANGES[measure]),
    )


def unknown(terms: Terms) -> Estimate:
    return Estimate(None, None, None, len(terms.influence), terms.effective_n)


def quality(logged: Logged, odds: Matrix, judged: Sequence[Judged], default: str) -> Compared:
    """The judged difference to the default: of what was logged, and of the other policy.

    The n of its estimates are the judged calls; the others say how often an option is chosen, not how good it is.
    """
    n = len({each.row for each in judged})
    was = _quality(logged, logged.chances, judged, default)
    other = _quality(logged, odds, judged, default)
    told = [_told(each.terms, each.unjudged, n, RANGES[QUALITY]) for each in (was, other)]
    difference = _told(other.terms.less(was.terms), was.unjudged + other.unjudged, n, (-2.0, 2.0))
    return Compared(QUALITY, told[0], told[1], difference)


def _told(terms: Terms, unjudged: float, n: int, within: tuple[float, float]) -> Estimate:
    """With the interval widened by what the unjudged share could do at worst; nothing where that share is large."""
    found = terms.estimate(within)
    if found.low is None or found.high is None or unjudged > MOST_UNSUPPORTED:
        return Estimate(None, None, None, n, terms.effective_n)
    low, high = max(within[0], found.low - unjudged), min(within[1], found.high + unjudged)
    return Estimate(found.value, low, high, n, terms.effective_n)


@dataclass(frozen=True, slots=True)
class _Quality:
    terms: Terms
    unjudged: float  # share of traffic on options that were judged too little


def _quality(logged: Logged, odds: Matrix, judged: Sequence[Judged], default: str) -> _Quality:
    """By option: its share of the traffic times its judged difference, weighted by the policy's odds on each call.

    The default differs from itself by 0.
    """
    value, influence, least, unjudged = 0.0, np.zeros(logged.n), float(logged.n), 0.0
    for column in np.flatnonzero(odds.sum(0) > 0):
        share = float(odds[:, column].mean())
        if logged.options[column] == default:
            continue
        found = _of_option(odds[:, column], [each for each in judged if each.column == column])
        if found.effective_n < MIN_EFFECTIVE:
            unjudged += share
            continue
        value += share * found.value
        influence += (odds[:, column] - share) * found.value + share * found.influence
        least = min(least, found.effective_n)
    return _Quality(Terms(value, influence, least), unjudged)


def _of_option(odds: Vector, judged: Sequence[Judged]) -> Terms:
    """The mean difference where the policy takes the option, and what each of all calls adds to it."""
    rows = np.array([each.row for each in judged], dtype=np.intp)
    found = snips(
        np.array([each.difference for each in judged], dtype=float),
        np.array([each.weight for each in judged], dtype=float) * odds[rows],
    )
    influence = np.zeros(len(odds))
    np.add.at(influence, rows, found.influence * len(odds) / max(len(rows), 1))
    return Terms(found.value, influence, found.effective_n)
