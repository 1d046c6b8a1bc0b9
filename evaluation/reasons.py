"""Why a run ends without a switch, in codes for machines and sentences for people."""

from __future__ import annotations

from decimal import Decimal

from evaluation.findings import Reason
from evaluation.paired import Plan


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def too_few_replayable(plan: Plan) -> Reason:
    return Reason(
        "too_few_replayable",
        f"Only {plan.population_size} prompts can be replayed; at least {plan.min_population} are needed.",
        f"Import {plan.min_population - plan.population_size} more calls with their full request and no live tools.",
    )


def drift_active() -> Reason:
    return Reason(
        "drift_active",
        "A drift alarm is open: what was measured may not hold for the traffic of today.",
        "Look into the alarm and acknowledge it, then evaluate again on fresh traffic.",
    )


def population_changed() -> Reason:
    return Reason(
        "population_changed",
        "The traffic is no longer the one the sample was drawn from.",
        "Draw a new sample from the present traffic and evaluate again.",
    )


def judge_unreliable(why: str) -> Reason:
    return Reason(
        "judge_unreliable",
        why,
        "Choose a stronger judge, or label at least 30 pairs by hand so that its error can be corrected.",
    )


def judges_disagree(agreement: float, least: float) -> Reason:
    return Reason(
        "judges_disagree",
        f"The judges agree with κ = {agreement:.2f}; the plan asks for {least:.2f}.",
        "Sharpen the rubric, drop the odd judge out, or settle the disputed pairs by hand.",
    )


def too_many_unscored(candidate: str, share: float, most: float) -> Reason:
    return Reason(
        "too_many_unscored",
        f"{percent(share)} of the pairs with {candidate} could not be scored; the plan allows {percent(most)}.",
        "Judge the unscored pairs again with another judge, or label them by hand.",
        candidate,
    )


def price_unknown(candidate: str) -> Reason:
    return Reason(
        "price_unknown",
        f"The price of {candidate} or of the incumbent is unknown, so no saving can be shown.",
        "Enter the missing price in the supply catalog; the verdict is then recomputed without a new call.",
        candidate,
    )


def undecided_at_budget(candidate: str, pairs_missing: int | None, cost_per_pair_usd: Decimal | None) -> Reason:
    if pairs_missing is None:
        remedy = "At the present estimate no number of pairs would do; only another candidate or a wider margin."
        return Reason("undecided_at_budget", f"{candidate} was not shown to pass.", remedy, candidate)
    cost = None if cost_per_pair_usd is None else pairs_missing * cost_per_pair_usd
    price = "" if cost is None else f", about ${cost:.2f}"
    return Reason(
        "undecided_at_budget",
        f"What was spent does not settle whether {candidate} passes every gate.",
        f"About {pairs_missing} more pairs{price}, if the estimate holds.",
        candidate,
        cost,
    )


def all_inferior(candidates: tuple[str, ...]) -> Reason:
    return Reason(
        "all_inferior",
        f"Shown to be worse than the plan allows: {', '.join(candidates)}.",
        "Try other candidates, or accept a wider margin.",
    )


def no_feasible_candidate(candidates: tuple[str, ...]) -> Reason:
    return Reason(
        "no_feasible_candidate",
        f"Each candidate breaks a hard limit on safety, refusals, errors or latency: {', '.join(candidates)}.",
        "Try candidates that meet the limits, or change the limit that they break.",
    )
