"""SWITCH, KEEP, NO_RECOMMENDATION, or go on: what the pairs gathered so far allow one to say.

P(recommending a switch to a candidate that breaks a gate) ≤ α at any stopping time and over all candidates:
each gate is an e-process, a candidate is as strong as its weakest gate, and candidates are combined by the
closed mean of e-values (Vovk & Wang 2021), which is never weaker than splitting α.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from evaluation import gates, reasons
from evaluation.calibration import JudgeTrust
from evaluation.findings import Decision, Finding, Gate, Reason, Status, Verdict
from evaluation.objective import mean_cost, mean_latency, saving_gate
from evaluation.paired import Lane, Pair, Plan
from evaluation.statistics import Estimate, confidence_sequence, moments, pairs_to_show

__all__ = ["Decision", "Finding", "Gate", "Lane", "Pair", "Plan", "Reason", "decide"]

FEASIBILITY = {"safety", "refusals", "errors", "latency"}
CURVE_POINTS = 120
N_INFLUENTIAL = 8


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else the verdict depends on, besides plan and pairs."""

    judge_trust: JudgeTrust | None = None
    spent_usd: Decimal | None = None
    budget_usd: Decimal | None = None
    more_available: bool = True
    drift_active: bool = False
    population_changed: bool = False


def decide(
    plan: Plan,
    pairs: Mapping[str, Sequence[Pair]],
    *,
    judge_trust: JudgeTrust | None = None,
    spent_usd: Decimal | None = None,
    budget_usd: Decimal | None = None,
    more_available: bool = True,
    drift_active: bool = False,
    population_changed: bool = False,
) -> Decision:
    """Say what the pairs show. May be called after every pair: looking costs no error rate.

    `more_available` is False when no further pair will come. Pairs count in sampling order up to the first
    position missing; a pair whose calls failed or could not be judged must be given, as such.
    """
    now = Circumstances(judge_trust, spent_usd, budget_usd, more_available, drift_active, population_changed)
    samples = [gates.in_order(pairs.get(candidate, ())) for candidate in plan.candidates]
    findings = tuple(_close(plan, _findings(plan, samples, judge_trust)))
    return _conclude(plan, findings, samples, now)


def _findings(plan: Plan, samples: Sequence[tuple[Pair, ...]], trust: JudgeTrust | None) -> list[Finding]:
    """Every candidate on every gate; `e_closed` still holds the candidate's own e-value."""
    rules = gates.rules(plan)
    bets = gates.bet(plan, rules, samples)
    return [_finding(plan, place, samples[place], rules, bets, trust) for place in range(plan.n_candidates)]


def _finding(
    plan: Plan,
    place: int,
    sample: tuple[Pair, ...],
    rules: tuple[gates.Rule, ...],
    bets: gates.Bets,
    trust: JudgeTrust | None,
) -> Finding:
    measured = [_gate(plan, rule, bets, place, at, n=len(sample)) for at, rule in enumerate(rules)]
    found = (_corrected(plan, measured[0], plan.candidates[place], trust), *measured[1:], saving_gate(plan, sample))
    e_value = min(gate.e_value for gate in found)
    old, new = [pair.incumbent for pair in sample], [pair.candidate for pair in sample]
    return Finding(
        candidate=plan.candidates[place],
        status="undecided",
        gates=found,
        n=len(sample),
        e_value=e_value,
        e_closed=e_value,
        confidence=1 - min(1.0, 1 / e_value) if e_value > 0 else 0.0,
        mean_cost_usd=mean_cost(new),
        incumbent_cost_usd=mean_cost(old),
        mean_latency_ms=mean_latency(new),
        incumbent_latency_ms=mean_latency(old),
        trajectory=_trajectory(bets, place, len(sample)),
        influential=_influential(sample),
    )


def _gate(plan: Plan, rule: gates.Rule, bets: gates.Bets, place: int, at: int, *, n: int) -> Gate:
    values = bets.values[:n, place, at]
    population = max(plan.population_size, n, 1)
    shown = confidence_sequence(values, alpha=plan.alpha, population=population, low=rule.low, high=rule.high)
    worst_low, worst_high = _worst(values, rule)
    is_late = n >= plan.min_pairs
    futile = gates.is_futile(bets.chance, bets.chance_against)
    return Gate(
        name=rule.name,
        estimate=shown.value,
        low=shown.low,
        high=shown.high,
        worst_low=worst_low,
        worst_high=worst_high,
        limit=rule.limit,
        n=shown.n,
        n_unscored=n - shown.n,
        e_value=float(bets.e_for[place, at]),
        e_against=float(bets.e_against[place, at]),
        is_passed=bool(bets.is_met[place, at]),
        is_failed=bool(bets.is_broken[place, at]),
        is_futile=is_late and bool(futile[place, at]),
        pairs_needed=_pairs_needed(plan, rule, values, shown),
    )


def _worst(values: np.ndarray[tuple[int], np.dtype[np.float64]], rule: gates.Rule) -> tuple[float | None, float | None]:
    """The mean if every unscored pair had gone as badly, or as well, as it could."""
    if not len(values):
        return None, None
    return tuple(float(np.where(np.isnan(values), bound, values).mean()) for bound in (rule.low, rule.high))  # type: ignore[return-value]


def _pairs_needed(
    plan: Plan, rule: gates.Rule, values: np.ndarray[tuple[int], np.dtype[np.float64]], shown: Estimate
) -> int | None:
    spread = moments(values[~np.isnan(values)])
    if shown.value is None or spread is None:
        return None
    alpha = plan.alpha / plan.n_candidates
    wanted = pairs_to_show(shown.value - rule.limit, spread[1], alpha=alpha, population=plan.population_size)
    return None if wanted is None else max(0, wanted - shown.n)


def _corrected(plan: Plan, gate: Gate, candidate: str, trust: JudgeTrust | None) -> Gate:
    """With enough human labels, the quality gate shows the corrected difference, and needs it to clear the limit."""
    shown = trust.corrected.get(candidate) if trust and trust.n_labels >= plan.min_labels else None
    if shown is None or shown.low is None:
        return gate
    is_passed = gate.is_passed and shown.low > gate.limit
    return replace(
        gate,
        estimate=shown.value,
        low=shown.low,
        high=shown.high,
        is_passed=is_passed,
        e_value=gate.e_value if is_passed or not gate.is_passed else 1.0,
    )


def _trajectory(bets: gates.Bets, place: int, n: int) -> tuple[tuple[int, float], ...]:
    """Wealth of the weakest bounded gate after each pair, thinned for drawing."""
    if not n:
        return ()
    weakest = bets.history[:n, place, :].min(axis=1)
    steps = sorted({round(step) for step in np.linspace(1, n, min(n, CURVE_POINTS))})
    return tuple((step, float(weakest[step - 1])) for step in steps)


def _influential(sample: Sequence[Pair]) -> tuple[int, ...]:
    """The pairs whose quality differs most, earliest first among equals."""
    gains = [(gates.quality_gain(pair), pair.position) for pair in sample]
    known = sorted((-abs(gain), position) for gain, position in gains if gain)
    return tuple(position for _, position in known[:N_INFLUENTIAL])


def _close(plan: Plan, findings: list[Finding]) -> list[Finding]:
    """Combine e-values over candidates, then say where each stands."""
    values = [finding.e_value for finding in findings]
    closed = [closed_mean(values, place) for place in range(len(values))]
    return [
        replace(finding, e_closed=e_closed, status=_status(plan, finding, e_closed))
        for finding, e_closed in zip(findings, closed, strict=True)
    ]


def closed_mean(values: Sequence[float], place: int) -> float:
    """min over all sets that hold `place` of their mean e-value: only the smallest others can lower it."""
    others = sorted(value for at, value in enumerate(values) if at != place)
    total = lowest = values[place]
    for count, value in enumerate(others, start=2):
        total += value
        lowest = min(lowest, total / count)
    return lowest


def _status(plan: Plan, finding: Finding, e_closed: float) -> Status:
    if finding.n < plan.min_pairs:
        return "undecided"
    if any(gate.is_failed for gate in finding.gates if gate.name in FEASIBILITY):
        return "blocked"
    if any(gate.is_failed for gate in finding.gates):
        return "inferior"
    if e_closed >= 1 / plan.alpha and all(gate.e_value >= 1 / plan.alpha for gate in finding.gates):
        return "passed"
    return "futile" if any(gate.is_futile for gate in finding.gates) else "undecided"


def _conclude(
    plan: Plan, findings: tuple[Finding, ...], samples: Sequence[tuple[Pair, ...]], now: Circumstances
) -> Decision:
    n_pairs = max((len(sample) for sample in samples), default=0)

    def ends(verdict: Verdict | None, *why: Reason, candidate: str | None = None) -> Decision:
        return Decision(verdict, candidate, findings, why, n_pairs, plan.alpha)

    barred = _barred(plan, now)
    if barred is not None:
        return ends("NO_RECOMMENDATION", barred)
    passed = [finding for finding in findings if finding.status == "passed"]
    if passed:
        doubts = _doubts(plan, passed, now)
        best = max(passed, key=_saved)
        return ends("NO_RECOMMENDATION", *doubts) if doubts else ends("SWITCH", candidate=best.candidate)
    open_ = [finding for finding in findings if finding.status == "undecided"]
    if open_ and now.more_available:
        return ends(None)
    return _without_switch(plan, findings, now, ends)


def _without_switch(
    plan: Plan, findings: tuple[Finding, ...], now: Circumstances, ends: Callable[..., Decision]
) -> Decision:
    shown_worse = [finding for finding in findings if finding.status in ("inferior", "blocked")]
    names = tuple(finding.candidate for finding in shown_worse)
    if len(shown_worse) == len(findings):
        if all(finding.status == "blocked" for finding in findings):
            return ends("NO_RECOMMENDATION", reasons.no_feasible_candidate(names))
        return ends("KEEP", reasons.all_inferior(names))
    left = [finding for finding in findings if finding not in shown_worse]
    doubts = _doubts(plan, left, now)
    return ends("NO_RECOMMENDATION", *doubts, *(_undecided(finding, now) for finding in left))


def _barred(plan: Plan, now: Circumstances) -> Reason | None:
    """What makes any verdict impossible, however the pairs look."""
    if plan.population_size < plan.min_population:
        return reasons.too_few_replayable(plan)
    if now.drift_active:
        return reasons.drift_active()
    return reasons.population_changed() if now.population_changed else None


def _doubts(plan: Plan, findings: Sequence[Finding], now: Circumstances) -> list[Reason]:
    """What keeps the numbers of these candidates from being believed."""
    found = _judge_doubts(plan, now.judge_trust)
    for finding in findings:
        quality, saving = finding.gates[0], finding.gates[-1]
        share = quality.n_unscored / finding.n if finding.n else 0.0
        if finding.n >= plan.min_pairs and share > plan.max_unscored_share:
            found.append(reasons.too_many_unscored(finding.candidate, share, plan.max_unscored_share))
        if plan.objective == "cost" and finding.n and saving.n == 0:
            found.append(reasons.price_unknown(finding.candidate))
    return found


def _judge_doubts(plan: Plan, trust: JudgeTrust | None) -> list[Reason]:
    found: list[Reason] = []
    if trust is None:
        return found
    flips = trust.flips
    if flips is not None and flips.value is not None and flips.value > plan.max_flip_share:
        share = reasons.percent(flips.value)
        found.append(reasons.judge_unreliable(f"In {share} of the comparisons the winner changed with the order."))
    if trust.agreement is not None and trust.agreement < plan.min_agreement:
        found.append(reasons.judges_disagree(trust.agreement, plan.min_agreement))
    return found


def _undecided(finding: Finding, now: Circumstances) -> Reason:
    open_ = [gate for gate in finding.gates if not gate.is_passed and gate.name != "saving"]
    needed = [gate.pairs_needed for gate in open_]
    missing = None if not needed or None in needed else max(count for count in needed if count is not None)
    spent = now.spent_usd
    per_pair = spent / finding.n if spent is not None and finding.n else None
    return reasons.undecided_at_budget(finding.candidate, missing, per_pair)


def _saved(finding: Finding) -> float:
    saving = finding.gates[-1].estimate
    return -1e9 if saving is None else saving
