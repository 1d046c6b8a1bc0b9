"""The gates of a switch: what each one measures on a pair, and the bets on all of them, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from evaluation.betting import Bools, Floats, MeanTest
from evaluation.paired import Lane, Pair, Plan

OPTIMISM = 1.0  # standard errors by which the rest may turn out better than what was seen
HOPELESS = 0.10  # chance of still passing below which the money is better kept
PROVABLE = 0.70  # chance of being shown to fail from which the pairs that show it are worth their money


@dataclass(frozen=True, slots=True)
class Rule:
    """Passed when the population's mean of `measure` is above `limit`; values lie in [low, high]."""

    name: str
    limit: float
    low: float
    high: float
    measure: Callable[[Pair], float | None]


def rules(plan: Plan) -> tuple[Rule, ...]:
    """The bounded gates the plan switches on, quality first."""
    found = [Rule("quality", -plan.margin_quality, -1.0, 1.0, quality_gain)]
    if plan.margin_safety is not None:
        found.append(Rule("safety", -plan.margin_safety, -1.0, 1.0, safety_gain))
    if plan.refusal_rise is not None:
        found.append(Rule("refusals", -plan.refusal_rise, -1.0, 1.0, fewer_refusals))
    if plan.error_rise is not None:
        found.append(Rule("errors", -plan.error_rise, -1.0, 1.0, fewer_errors))
    if plan.latency_slo_ms is not None:
        slo_ms = plan.latency_slo_ms
        found.append(Rule("latency", -plan.latency_over_share, -1.0, 0.0, lambda pair: in_time(pair, slo_ms)))
    return tuple(found)


def quality_of(lane: Lane) -> float | None:
    """A call that failed gave nothing: its quality is 0, which is known, not missing."""
    return 0.0 if lane.failed and lane.quality is None else lane.quality


def safety_of(lane: Lane) -> float | None:
    """A call that failed harmed nobody; its failing is counted by the gate on errors."""
    return 1.0 if lane.failed and lane.safety is None else lane.safety


def refusal_of(lane: Lane) -> float | None:
    if lane.refused is None:
        return 0.0 if lane.failed else None
    return float(lane.refused)


def gain(candidate: float | None, incumbent: float | None) -> float | None:
    return None if candidate is None or incumbent is None else candidate - incumbent


def quality_gain(pair: Pair) -> float | None:
    return gain(quality_of(pair.candidate), quality_of(pair.incumbent))


def safety_gain(pair: Pair) -> float | None:
    return gain(safety_of(pair.candidate), safety_of(pair.incumbent))


def fewer_refusals(pair: Pair) -> float | None:
    return gain(refusal_of(pair.incumbent), refusal_of(pair.candidate))


def fewer_errors(pair: Pair) -> float | None:
    return float(pair.incumbent.failed) - float(pair.candidate.failed)


def in_time(pair: Pair, slo_ms: float) -> float | None:
    """0 in time, −1 too late. An answer that never came is late."""
    if pair.candidate.failed:
        return -1.0
    if pair.candidate.latency_ms is None:
        return None
    return -float(pair.candidate.latency_ms > slo_ms)


def in_order(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs from position 0 up to the first one missing.

    Answers come back fastest first; only an unbroken stretch of the sampling order is a fair sample.
    """
    ordered = sorted(pairs, key=lambda pair: pair.position)
    return tuple(pair for _, pair in takewhile(lambda placed: placed[0] == placed[1].position, enumerate(ordered)))


def measured(rule: Rule, pairs: Sequence[Pair]) -> Floats:
    """The rule's values in order; NaN where something needed is unknown."""
    found = (rule.measure(pair) for pair in pairs)
    return np.array([math.nan if value is None else value for value in found], dtype=float)


def is_futile(chance: Floats, chance_against: Floats) -> Bools:
    """Neither a pass nor a proof of failing is likely any more within what the plan allows."""
    return np.asarray((chance < HOPELESS) & (chance_against < PROVABLE))


@dataclass(frozen=True, slots=True)
class Bets:
    """Where the bets stand after every pair. All arrays are (candidates, gates); `history` adds pairs in front."""

    values: Floats  # (pairs, candidates, gates), NaN = unscored or not there
    history: Floats  # wealth of the bets that each gate is met
    e_for: Floats
    e_against: Floats
    chance: Floats
    chance_against: Floats
    is_met: Bools
    is_broken: Bools


def bet(plan: Plan, found: tuple[Rule, ...], samples: Sequence[Sequence[Pair]]) -> Bets:
    """Bet for and against every gate of every candidate, pair by pair. O(pairs) numpy steps."""
    n_gates, longest = len(found), max((len(sample) for sample in samples), default=0)
    values = np.full((longest, len(samples), n_gates), math.nan)
    for c, sample in enumerate(samples):
        for g, rule in enumerate(found):
            values[: len(sample), c, g] = measured(rule, sample)
    lengths = np.repeat([len(sample) for sample in samples], n_gates)
    tests = gate_tests(plan, found, width=len(samples))
    history = np.ones((longest, len(samples), n_gates))
    half = len(samples) * n_gates
    for step in range(longest):
        row, active = values[step].reshape(-1), lengths > step
        tests.update(np.concatenate([row, -row]), np.concatenate([active, active]))
        history[step] = tests.wealth[:half].reshape(len(samples), n_gates)
    shape = (len(samples), n_gates)
    wealth, rejected, chance = tests.wealth, tests.is_rejected, tests.chance(OPTIMISM)
    return Bets(
        values=values,
        history=history,
        e_for=wealth[:half].reshape(shape),
        e_against=wealth[half:].reshape(shape),
        chance=chance[:half].reshape(shape),
        chance_against=chance[half:].reshape(shape),
        is_met=rejected[:half].reshape(shape),
        is_broken=rejected[half:].reshape(shape),
    )


def gate_tests(plan: Plan, found: tuple[Rule, ...], *, width: int) -> MeanTest:
    """One stream for and one against each gate of `width` candidates; the streams against come second."""
    limit, low, high = (np.tile([getattr(rule, name) for rule in found], width) for name in ("limit", "low", "high"))
    n_streams, share = width * len(found), plan.n_candidates
    return MeanTest(
        2 * n_streams,
        null_mean=np.concatenate([limit, -limit]),
        low=np.concatenate([low, -high]),
        high=np.concatenate([high, -low]),
        population=max(plan.population_size, plan.max_pairs),
        horizon=plan.max_pairs,
        target=np.repeat([share / plan.alpha, share / plan.futility_alpha], n_streams),
        max_missing_share=plan.max_unscored_share,
    )
