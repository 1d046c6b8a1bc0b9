"""Which option answers a request: limits, predictions, Pareto front, utility, do-no-harm, exploration. Pure.

The steps, in order:

1. *Feasible*: abilities, context window, health, certificate, deadline, cost. Nothing feasible: the default all the
   same, with the reason; a request is not refused for a preference.
2. *Pareto front* in expected cost, latency and quality relative to the default.
3. *Utility* of the policy on the front. Ties: higher quality bound, lower cost, then the name.
4. *Do no harm*: only options whose quality bound is within the margin may replace the default; an unfamiliar prompt has
   no bound.
5. *Exploration*: with probability ε one of the feasible options that the evidence does not hold to be worse is taken
   instead, uniformly. Each choice carries the probability it was made with, and those of what it could have been, so
   that logs can be reweighted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from routing.certification import CERTIFIED, WITHDRAWN
from routing.demand import Demand

FIXED, CHEAPEST, FASTEST, BEST = "fixed", "cheapest", "fastest", "best"
WEIGHTED, SPLIT, SHADOW = "weighted", "split", "shadow"
KINDS = (FIXED, CHEAPEST, FASTEST, BEST, WEIGHTED, SPLIT, SHADOW)
WEIGHING = frozenset({CHEAPEST, FASTEST, BEST, WEIGHTED})  # these compare options; the others name theirs


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of an option for one demand.

    `quality` is the difference of judged quality to the default, in [-1, 1], and `quality_low` its lower bound at the
    policy's confidence; None = not known, for instance because the prompt is unlike all that was judged. `cost_usd`
    includes what prompt caches add to the plain price, or take off: `cache_usd`. `latency_ms` is the 95th percentile.
    `standing` is that of its certificate against the policy's default, None where there is none.
    """

    option: str
    cost_usd: float | None = None
    latency_ms: float | None = None
    quality: float | None = None
    quality_low: float | None = None
    quality_high: float | None = None
    abilities: frozenset[str] = frozenset()
    context_tokens: int | None = None
    is_healthy: bool = True
    cache_usd: float | None = None
    standing: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A project's objectives and hard limits. Weights are per point of quality, per USD and per second."""

    name: str
    version: int
    kind: str
    default: str
    candidates: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    margin: float = 0.02
    max_cost_usd: float | None = None
    max_latency_ms: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    exploration: float = 0.0
    never_explore: frozenset[str] = frozenset({"sensitive"})
    certified_only: bool = False
    stickiness: bool = True
    hedge_after_ms: float | None = None
    hedge_quantile: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """All options it may choose, the default first."""
        return tuple(dict.fromkeys((self.default, *self.candidates, *self.shares)))

    @property
    def hedges(self) -> bool:
        """Whether a slow call may be asked of a second option as well."""
        return self.hedge_after_ms is not None or self.hedge_quantile is not None


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision: option, the probability it was taken with, what it beat, and why, in words."""

    option: str
    probability: float
    reason: str
    considered: tuple[dict[str, Any], ...] = ()
    fallbacks: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    is_exploration: bool = False


def choose(demand: Demand, policy: Policy, predictions: Sequence[Prediction], *, draw: float) -> Choice:
    """The option for a demand. `draw` in [0, 1) is the only randomness: same inputs, same choice."""
    case = _Case.of(demand, policy, predictions)
    if policy.kind == SPLIT:
        return _split(case, draw)
    return _default(case) if policy.kind in (FIXED, SHADOW) else _weighed(case, draw)


def distribution(demand: Demand, policy: Policy, predictions: Sequence[Prediction]) -> dict[str, float]:
    """With what probability `choose` takes each option, over all draws; options it never takes are left out."""
    case = _Case.of(demand, policy, predictions)
    if policy.kind == SPLIT:
        return _shares(case) or {policy.default: 1.0}
    if policy.kind in (FIXED, SHADOW) or not case.feasible:
        return {policy.default: 1.0}
    return _lottery(case).odds()


@dataclass(frozen=True, slots=True)
class _Case:
    """A demand before a policy. `hindered` says of each of its options why it may not serve."""

    demand: Demand
    policy: Policy
    by_name: Mapping[str, Prediction]
    hindered: Mapping[str, str | None]
    feasible: Sequence[str]

    @classmethod
    def of(cls, demand: Demand, policy: Policy, predictions: Sequence[Prediction]) -> _Case:
        by_name = {each.option: each for each in predictions}
        hindered = {name: _hindrance(by_name.get(name), demand, policy) for name in policy.options}
        return cls(demand, policy, by_name, hindered, [name for name, why in hindered.items() if why is None])


def _hindrance(seen: Prediction | None, demand: Demand, policy: Policy) -> str | None:
    """Why an option may not serve a demand; None when it may. What is not known does not hinder."""
    return _inability(seen, demand) or _uncertified(seen, policy) or _limit(seen, demand, policy)


def _inability(seen: Prediction | None, demand: Demand) -> str | None:
    """Why an option cannot serve a demand, whatever the policy."""
    if seen is None:
        return "no connection leads to it"
    if missing := demand.needs - seen.abilities:
        return f"cannot do {', '.join(sorted(missing))}"
    if seen.context_tokens is not None and demand.context_tokens > seen.context_tokens:
        return f"its window of {seen.context_tokens:,} tokens is too small"
    return None if seen.is_healthy else "its circuit breaker is open"


def _uncertified(seen: Prediction | None, policy: Policy) -> str | None:
    """A certificate that was withdrawn hinders under every policy, one that was never given where it is asked for."""
    if seen is None or seen.option == policy.default:
        return None
    if seen.standing == WITHDRAWN:
        return "its certificate was withdrawn"
    return "it is not certified" if policy.certified_only and seen.standing != CERTIFIED else None


def _limit(seen: Prediction | None, demand: Demand, policy: Policy) -> str | None:
    """Which limit of the policy or of the request an option passes."""
    if seen is None:
        return None
    deadline = min((limit for limit in (policy.max_latency_ms, demand.deadline_ms) if limit is not None), default=None)
    if deadline is not None and seen.latency_ms is not None and seen.latency_ms > deadline:
        return f"its p95 of {seen.latency_ms:.0f} ms is past the limit of {deadline:.0f} ms"
    cap = min((limit for limit in (policy.max_cost_usd, demand.max_cost_usd) if limit is not None), default=None)
    if cap is not None and seen.cost_usd is not None and seen.cost_usd > cap:
        return f"its expected {seen.cost_usd:.6f} USD are past the limit of {cap:.6f} USD"
    return None


def _default(case: _Case) -> Choice:
    policy, why = case.policy, case.hindered.get(case.policy.default)
    reason = "the policy names it" if why is None else f"the policy names it, although {why}"
    told = _told(case, {policy.default: 1.0})
    shadows = policy.candidates if policy.kind == SHADOW else ()
    return Choice(policy.default, 1.0, reason, told, fallbacks=policy.fallbacks, shadows=shadows)


def _shares(case: _Case) -> dict[str, float]:
    """The split's shares of what can serve, summing to 1; empty when nothing of it can."""
    shares = {name: share for name, share in case.policy.shares.items() if name in case.feasible and share > 0}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _split(case: _Case, draw: float) -> Choice:
    policy, shares = case.policy, _shares(case)
    told = _told(case, shares or {policy.default: 1.0})
    if not shares:
        return Choice(policy.default, 1.0, "no option of the split can serve it", told, policy.fallbacks)
    rest, taken = draw, policy.default
    for name, share in shares.items():
        taken, rest = name, rest - share
        if rest < 0:
            break
    reason = f"drawn with its share of {shares[taken]:.0%}"
    return Choice(taken, shares[taken], reason, told, _others(policy, taken))


@dataclass(frozen=True, slots=True)
class _Lottery:
    """What is left to chance: with probability ε one of `explorable`, uniformly; else the best."""

    best: str
    reason: str
    explorable: tuple[str, ...]
    epsilon: float

    def odds(self) -> dict[str, float]:
        each = self.epsilon / len(self.explorable)
        odds = {name: each + (1 - self.epsilon if name == self.best else 0.0) for name in self.explorable}
        return {name: probability for name, probability in odds.items() if probability > 0}

    def taken(self, draw: float) -> str:
        if len(self.explorable) == 1 or draw >= self.epsilon:
            return self.best
        return self.explorable[min(int(draw / self.epsilon * len(self.explorable)), len(self.explorable) - 1)]


def _lottery(case: _Case) -> _Lottery:
    policy, by_name = case.policy, case.by_name
    harmless = [name for name in case.feasible if name == policy.default or _is_harmless(by_name[name], policy)]
    best, reason = _best(policy, by_name, harmless, case.feasible)
    others = (name for name in case.feasible if name != best and _may_be_tried(by_name[name], policy))
    epsilon = 0.0 if case.demand.risks & policy.never_explore else min(1.0, max(0.0, policy.exploration))
    return _Lottery(best, reason, (best, *others), epsilon)


def _weighed(case: _Case, draw: float) -> Choice:
    default = case.policy.default
    if not case.feasible:
        told = _told(case, {default: 1.0})
        return Choice(default, 1.0, "no option meets the limits", told, _others(case.policy, default))
    lottery = _lottery(case)
    odds, taken = lottery.odds(), lottery.taken(draw)
    is_tried = taken != lottery.best
    reason = "tried, to learn about it" if is_tried else lottery.reason
    return Choice(taken, odds[taken], reason, _told(case, odds), _others(case.policy, taken), is_exploration=is_tried)


def _best(
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


def _is_harmless(seen: Prediction, policy: Policy) -> bool:
    return seen.quality_low is not None and seen.quality_low >= -policy.margin


def _may_be_tried(seen: Prediction, policy: Policy) -> bool:
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


def _others(policy: Policy, taken: str) -> tuple[str, ...]:
    """Where to turn when it fails: what the policy says, the default at the end."""
    return tuple(name for name in dict.fromkeys((*policy.fallbacks, policy.default)) if name != taken)


def _told(case: _Case, odds: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    """What was known of each option and with what probability it was taken: enough to decide anew by another policy."""
    rows = tuple(_row(name, why, case.by_name.get(name)) for name, why in case.hindered.items())
    for row in rows:
        row["probability"] = odds.get(row["option"], 0.0)
        if "hindered" in row and _inability(case.by_name.get(row["option"]), case.demand):
            row["is_unable"] = True
    return rows


def _row(name: str, why: str | None, seen: Prediction | None) -> dict[str, Any]:
    row: dict[str, Any] = {"option": name}
    if why is not None:
        row["hindered"] = why
    for field_ in ("cost_usd", "cache_usd", "latency_ms", "quality", "quality_low", "quality_high"):
        value = getattr(seen, field_, None)
        if value is not None:
            row[field_] = round(value, 9)
    if seen is not None and seen.standing is not None:
        row["standing"] = seen.standing
    return row


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
