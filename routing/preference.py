"""Which of the options that may serve is the best one: do no harm, Pareto front, utility of the policy. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routing.objectives import BEST, CHEAPEST, FASTEST, WEIGHTED, Policy, Prediction


def preferred(
    policy: Policy, by_name: Mapping[str, Prediction], harmless: Sequence[str], feasible: Sequence[str]
) -> tuple[str, str]:
    """The harmless option of most utility; where the default itself cannot serve, the likeliest to be as good."""
    if not harmless:
        name = max(feasible, key=lambda each: (_or(by_name[each].quality_low, -1.0), each))
        return name, "the default cannot serve it, and no other is shown to be as good; the likeliest was taken"
    front = [name for name in harmless if not any(_dominates(by_name[o], by_name[name]) for o in harmless if o != name)]
    name = max(sorted(front or harmless), key=lambda each: _rank(policy, by_name[each]))
    if name == policy.default:
        return name, "nothing else is shown to be as good" if len(harmless) == 1 else "best by the policy's measure"
    return name, f"{_MEASURES[policy.kind]} among the options shown to be within {policy.margin:.1%} of the default"


_MEASURES = {CHEAPEST: "cheapest", FASTEST: "fastest", BEST: "best", WEIGHTED: "most useful"}


def is_harmless(seen: Prediction, policy: Policy) -> bool:
    return seen.quality_low is not None and seen.quality_low >= -policy.margin


def may_be_tried(seen: Prediction, policy: Policy) -> bool:
    """Not held to be worse: even its upper bound below the margin would be."""
    return seen.quality_high is None or seen.quality_high >= -policy.margin


def _dominates(one: Prediction, other: Prediction) -> bool:
    """At least as good in all three and better in one; what is not known cannot dominate."""
    mine, theirs = _goods(one), _goods(other)
    if any(value is None for value in (*mine, *theirs)):
        return False
    pairs = [(float(a or 0), float(b or 0)) for a, b in zip(mine, theirs, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _goods(seen: Prediction) -> tuple[float | None, ...]:
    cost = None if seen.cost_usd is None else -seen.cost_usd
    latency = None if seen.latency_ms is None else -seen.latency_ms
    return cost, latency, seen.quality


def _rank(policy: Policy, seen: Prediction) -> tuple[float, ...]:
    """Higher is better; what is not known counts as bad as can be."""
    cost, latency = _or(seen.cost_usd, 1e9), _or(seen.latency_ms, 1e9)
    low = _or(seen.quality_low, -1.0)
    first = {
        CHEAPEST: -cost,
        FASTEST: -latency,
        BEST: _or(seen.quality, -1.0),
        WEIGHTED: utility(policy.weights, _or(seen.quality, -1.0), cost, latency),
    }[policy.kind]
    return first, low, -cost


def utility(weights: Mapping[str, float], quality: float, cost_usd: float, latency_ms: float) -> float:
    """Points of quality, less what cost and waiting weigh: quality in points, cost in USD, latency in seconds."""
    return (
        weights.get("quality", 1.0) * 100 * quality
        - weights.get("cost", 0.0) * cost_usd
        - weights.get("latency", 0.0) * latency_ms / 1000
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
