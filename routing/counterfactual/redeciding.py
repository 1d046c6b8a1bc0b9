"""Logged decisions, decided again by another policy on what was known then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from routing.controller import Policy, Prediction, distribution
from routing.demand import Demand

# Of an option that was not weighed then: what is known of it today, None where no connection leads to it.
Known = Callable[[str, Demand], Prediction | None]
# Of an option against a default: the difference of quality with its bounds, as believed today.
Believed = Callable[[str, str], tuple[float, float, float] | None]


@dataclass(frozen=True, slots=True)
class Weighed:
    """An option as it stood when the decision was made, and with what probability it was taken."""

    prediction: Prediction
    probability: float


@dataclass(frozen=True, slots=True)
class Decision:
    """One logged decision and what came of it; None = not known."""

    event_id: str
    at: datetime
    policy: str
    version: int
    chosen: str
    default: str
    demand: Demand
    weighed: Mapping[str, Weighed]
    cost_usd: float | None = None
    latency_ms: float | None = None
    is_error: bool | None = None

    @property
    def probability(self) -> float:
        return self.weighed[self.chosen].probability


def as_decision(told: Mapping[str, Any], event_id: str, at: datetime, **came: Any) -> Decision | None:
    """A decision as the log has it; None for one that does not say enough to be decided again."""
    rows, wanted = told.get("considered") or [], told.get("demand")
    if not rows or not wanted or any("probability" not in row for row in rows):
        return None
    demand = _demand(wanted)
    weighed = {row["option"]: Weighed(_prediction(row, demand), row["probability"]) for row in rows}
    if not weighed.get(told["chosen"]) or not weighed[told["chosen"]].probability > 0:
        return None
    # The policy's default comes first among its options.
    default = rows[0]["option"]
    return Decision(event_id, at, told["policy"], told["version"], told["chosen"], default, demand, weighed, **came)


def _demand(wanted: Mapping[str, Any]) -> Demand:
    return Demand(
        needs=frozenset(wanted["needs"]),
        risks=frozenset(wanted["risks"]),
        input_tokens=wanted["input_tokens"],
        output_tokens=wanted["output_tokens"],
        deadline_ms=wanted.get("deadline_ms"),
        max_cost_usd=wanted.get("max_cost_usd"),
        text="",
    )


def _prediction(row: Mapping[str, Any], demand: Demand) -> Prediction:
    known = {name: row.get(name) for name in ("cost_usd", "latency_ms", "quality", "quality_low", "quality_high")}
    is_able = not row.get("is_unable")
    # What hindered it then (abilities, window, breaker, connection) hinders it under any policy.
    standing = row.get("standing")
    return Prediction(row["option"], **known, abilities=demand.needs, is_healthy=is_able, standing=standing)


@dataclass(frozen=True, slots=True)
class Redecided:
    """With what probability a policy takes each option for a logged request, and what it went by."""

    odds: Mapping[str, float]
    seen: Mapping[str, Prediction]


def redecide(policy: Policy, decision: Decision, known: Known, believed: Believed) -> Redecided:
    found = (_seen(policy, name, decision, known, believed) for name in policy.options)
    seen = {each.option: each for each in found if each is not None}
    return Redecided(distribution(decision.demand, policy, list(seen.values())), seen)


def _seen(policy: Policy, name: str, decision: Decision, known: Known, believed: Believed) -> Prediction | None:
    then = decision.weighed.get(name)
    seen = then.prediction if then else known(name, decision.demand)
    if seen is None:
        return None
    if name == policy.default:
        return replace(seen, quality=0.0, quality_low=0.0, quality_high=0.0)
    if then is None or decision.default != policy.default:
        # Beliefs and certificates are relative to a default; those of the log are of another one, or there are none.
        mean, low, high = believed(name, policy.default) or (None, None, None)
        standing = seen.standing if then is None else None
        return replace(seen, quality=mean, quality_low=low, quality_high=high, standing=standing)
    return seen
