"""What a decision says: gates, findings per candidate, reasons, and the verdict over them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from evaluation.paired import plain

Verdict = Literal["SWITCH", "KEEP", "NO_RECOMMENDATION"]
Status = Literal["undecided", "passed", "inferior", "futile", "blocked"]
SIGNIFICANT_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a switch, for one candidate.

    `estimate`, `low`, `high` and `limit` share a unit in which larger is better: a difference of scores, a
    negative rise, a negative share over the latency limit, a relative saving. `worst_low` and `worst_high`
    bound the estimate whatever the unscored pairs hid. `e_value` is the evidence that the limit is met,
    `e_against` that it is not. `is_asymptotic` marks gates whose error rate holds for large n only.
    """

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    worst_low: float | None
    worst_high: float | None
    limit: float
    n: int
    n_unscored: int
    e_value: float
    e_against: float
    is_passed: bool
    is_failed: bool
    is_futile: bool
    pairs_needed: int | None = None
    is_asymptotic: bool = False

    @property
    def p_anytime(self) -> float:
        return min(1.0, 1 / self.e_value) if self.e_value > 0 else 1.0

    @property
    def confidence(self) -> float:
        return 1 - self.p_anytime


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no switch: a code, what it means here, what would change it, and what that costs if known."""

    code: str
    sentence: str
    remedy: str
    candidate: str | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything found out about one candidate. `e_value` is its weakest gate's; `e_closed` counts all candidates."""

    candidate: str
    status: Status
    gates: tuple[Gate, ...]
    n: int
    e_value: float
    e_closed: float
    confidence: float
    mean_cost_usd: Decimal | None
    incumbent_cost_usd: Decimal | None
    mean_latency_ms: float | None
    incumbent_latency_ms: float | None
    trajectory: tuple[tuple[int, float], ...]
    influential: tuple[int, ...]

    def gate(self, name: str) -> Gate | None:
        return next((gate for gate in self.gates if gate.name == name), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict after the pairs seen so far; None means: go on, nothing is decided yet."""

    verdict: Verdict | None
    candidate: str | None
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    n_pairs: int
    alpha: float

    def finding(self, candidate: str) -> Finding | None:
        return next((finding for finding in self.findings if finding.candidate == candidate), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, floats rounded to ten significant digits: the same bytes wherever it is recomputed."""
        return dict(plain(self, digits=SIGNIFICANT_DIGITS))
