"""The last gate of a switch: is the candidate better by the least saving worth the trouble?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from evaluation.findings import Gate
from evaluation.paired import Lane, Pair, Plan
from evaluation.statistics import Floats, mixture_e_value, mixture_half_width, moments

E_CEILING = 1e12
SAVING_FLOOR = -10.0  # a saving below −1000 % is shown as that


def price(plan: Plan, lane: Lane) -> float | None:
    """What the objective makes smaller: dollars, milliseconds, or utility lost."""
    if plan.objective == "cost":
        return None if lane.cost_usd is None else float(lane.cost_usd)
    if plan.objective == "latency":
        return lane.latency_ms
    return _utility_lost(plan, lane)


def _utility_lost(plan: Plan, lane: Lane) -> float | None:
    """Σ weight·(1 − quality, cost/scale, latency/scale), over the parts that weigh anything; None if one is unknown."""
    quality = 0.0 if lane.failed and lane.quality is None else lane.quality
    parts = (
        (plan.quality_weight, None if quality is None else 1 - quality),
        (plan.cost_weight, None if lane.cost_usd is None else float(lane.cost_usd) / plan.cost_scale_usd),
        (plan.latency_weight, None if lane.latency_ms is None else lane.latency_ms / plan.latency_scale_ms),
    )
    losses = [None if loss is None else weight * loss for weight, loss in parts if weight]
    return None if any(loss is None for loss in losses) else math.fsum(loss for loss in losses if loss is not None)


def prices(plan: Plan, pairs: Sequence[Pair]) -> Floats:
    """(pairs, 2): incumbent and candidate; both NaN where either is unknown."""
    rows = [(price(plan, pair.incumbent), price(plan, pair.candidate)) for pair in pairs]
    known = [(math.nan, math.nan) if None in row else row for row in rows]
    return np.array(known, dtype=float).reshape(-1, 2)


def saving_gate(plan: Plan, pairs: Sequence[Pair]) -> Gate:
    """Is the relative saving at least `min_saving`? H0: mean of (1 − s)·incumbent − candidate ≤ 0.

    Money and time have no upper bound, so the e-value is asymptotic in n; it counts from `min_pairs` on.
    """
    table = prices(plan, pairs)
    known = table[~np.isnan(table[:, 0])]
    n, alpha = len(known), plan.alpha / plan.n_candidates
    e_for, e_against = 1.0, 1.0
    if n >= max(plan.min_pairs, 2):
        e_for = _evidence(known, plan.min_saving, plan, sign=1)
        e_against = _evidence(known, plan.min_saving, plan, sign=-1)
    saving = _saving(known)
    low, high = _interval(known, plan) if n >= max(plan.min_pairs, 2) else (None, None)
    return Gate(
        name="saving",
        estimate=saving,
        low=low,
        high=high,
        worst_low=None,
        worst_high=None,
        limit=plan.min_saving,
        n=n,
        n_unscored=len(table) - n,
        e_value=e_for,
        e_against=e_against,
        is_passed=e_for >= 1 / alpha,
        is_failed=e_against >= plan.n_candidates / plan.futility_alpha,
        is_futile=False,
        is_asymptotic=True,
    )


def _surplus(known: Floats, saving: float) -> Floats:
    return np.asarray((1 - saving) * known[:, 0] - known[:, 1])


def _evidence(known: Floats, saving: float, plan: Plan, *, sign: int) -> float:
    mean, sd = moments(_surplus(known, saving)) or (0.0, 0.0)
    alpha = plan.alpha / plan.n_candidates
    return min(E_CEILING, mixture_e_value(sign * mean, sd, len(known), tuned_to=plan.max_pairs // 2, alpha=alpha))


def _saving(known: Floats) -> float | None:
    if not len(known) or known[:, 0].mean() <= 0:
        return None
    return float(1 - known[:, 1].mean() / known[:, 0].mean())


def _interval(known: Floats, plan: Plan) -> tuple[float | None, float | None]:
    """All savings s for which 'the mean surplus at s is 0' is not ruled out (Fieller), by bisection."""
    saving = _saving(known)
    if saving is None:
        return None, None
    return _edge(known, plan, saving, SAVING_FLOOR), _edge(known, plan, saving, 1.0)


def _edge(known: Floats, plan: Plan, inside: float, outside: float) -> float:
    for _ in range(30):
        middle = (inside + outside) / 2
        mean, sd = moments(_surplus(known, middle)) or (0.0, 0.0)
        half = mixture_half_width(sd, len(known), tuned_to=plan.max_pairs // 2, alpha=plan.alpha)
        inside, outside = (middle, outside) if abs(mean) <= half else (inside, middle)
    return inside


def mean_cost(lanes: Sequence[Lane]) -> Decimal | None:
    """Mean cost of the calls whose price is known."""
    costs = [lane.cost_usd for lane in lanes if lane.cost_usd is not None]
    return sum(costs, Decimal(0)) / len(costs) if costs else None


def mean_latency(lanes: Sequence[Lane]) -> float | None:
    times = [lane.latency_ms for lane in lanes if lane.latency_ms is not None]
    return math.fsum(times) / len(times) if times else None
