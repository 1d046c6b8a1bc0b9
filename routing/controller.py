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
from dataclasses import dataclass
from typing import Any

from routing.demand import Demand
from routing.feasibility import hindrance, inability
from routing.objectives import BEST as BEST
from routing.objectives import CHEAPEST as CHEAPEST
from routing.objectives import FASTEST as FASTEST
from routing.objectives import FIXED as FIXED
from routing.objectives import KINDS as KINDS
from routing.objectives import SHADOW as SHADOW
from routing.objectives import SPLIT as SPLIT
from routing.objectives import WEIGHING as WEIGHING
from routing.objectives import WEIGHTED as WEIGHTED
from routing.objectives import Choice as Choice
from routing.objectives import Policy as Policy
from routing.objectives import Prediction as Prediction
from routing.preference import is_harmless, may_be_tried, preferred
from routing.preference import utility as utility


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
        hindered = {name: hindrance(by_name.get(name), demand, policy) for name in policy.options}
        return cls(demand, policy, by_name, hindered, [name for name, why in hindered.items() if why is None])


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
    harmless = [name for name in case.feasible if name == policy.default or is_harmless(by_name[name], policy)]
    best, reason = preferred(policy, by_name, harmless, case.feasible)
    others = (name for name in case.feasible if name != best and may_be_tried(by_name[name], policy))
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


def _others(policy: Policy, taken: str) -> tuple[str, ...]:
    """Where to turn when it fails: what the policy says, the default at the end."""
    return tuple(name for name in dict.fromkeys((*policy.fallbacks, policy.default)) if name != taken)


def _told(case: _Case, odds: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    """What was known of each option and with what probability it was taken: enough to decide anew by another policy."""
    rows = tuple(_row(name, why, case.by_name.get(name)) for name, why in case.hindered.items())
    for row in rows:
        row["probability"] = odds.get(row["option"], 0.0)
        if "hindered" in row and inability(case.by_name.get(row["option"]), case.demand):
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
