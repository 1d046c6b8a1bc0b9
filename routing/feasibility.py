"""Why an option may not serve a demand: what it cannot do, its certificate, the limits of policy and request. Pure."""

from __future__ import annotations

from routing.certification import CERTIFIED, WITHDRAWN
from routing.demand import Demand
from routing.objectives import Policy, Prediction


def hindrance(seen: Prediction | None, demand: Demand, policy: Policy) -> str | None:
    """Why an option may not serve a demand; None when it may. What is not known does not hinder."""
    return inability(seen, demand) or _uncertified(seen, policy) or _limit(seen, demand, policy)


def inability(seen: Prediction | None, demand: Demand) -> str | None:
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
