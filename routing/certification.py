"""When an option is certified to replace a default, and when its certificate is withdrawn. Pure.

Two lines instead of one: what earns a certificate is stricter than what costs it, and between them nothing changes, so
that an option at the edge does not flap. What is not known neither certifies nor withdraws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Self

from scipy.stats import beta

CERTIFIED, WITHDRAWN = "certified", "withdrawn"
# A certificate is lost where a limit is passed by this factor (quality: where even the upper bound is below it).
SLACK = 1.25
# An option that its provider ends so soon is not certified; one that has ended is withdrawn.
NOTICE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Rule:
    """Limits of a project; None = not looked at. Quality and shares are fractions of 1."""

    margin: float = 0.05
    min_pairs: int = 50
    max_error_share: float | None = 0.05
    max_refusal_share: float | None = None
    max_p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval, of `n` calls; all None while nothing was called."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0

    @classmethod
    def of(cls, n_such: int, n: int, *, alpha: float = 0.05) -> Self:
        """The exact interval of Clopper and Pearson (1934)."""
        if n == 0:
            return cls()
        low = 0.0 if n_such == 0 else float(beta.ppf(alpha / 2, n_such, n - n_such + 1))
        high = 1.0 if n_such == n else float(beta.ppf(1 - alpha / 2, n_such + 1, n - n_such))
        return cls(n_such / n, low, high, n)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an option against a default; None = not known."""

    quality: float | None = None
    quality_low: float | None = None
    quality_high: float | None = None
    n_pairs: int = 0
    is_barred: bool = False
    errors: Share = Share()
    refusals: Share = Share()
    p95_ms: float | None = None
    n_calls: int = 0
    ends_on: date | None = None

    def told(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self) | {"ends_on": self.ends_on.isoformat() if self.ends_on else None}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says: `standing` is CERTIFIED, WITHDRAWN, or empty where all stays as it is."""

    standing: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Check:
    """One limit: `is_met` for a certificate, `is_broken` against it; both False while it is not known."""

    is_met: bool
    is_broken: bool
    sentence: str


MIN_CALLS = 20  # fewer calls say nothing of a p95


def judge(rule: Rule, seen: Evidence, *, today: date) -> Verdict:
    """Withdrawn where any limit is clearly broken, certified where all are clearly met, else unchanged."""
    checks = list(_checks(rule, seen, today))
    broken = [check.sentence for check in checks if check.is_broken]
    if broken:
        return Verdict(WITHDRAWN, f"{'; '.join(broken)}.")
    if all(check.is_met for check in checks):
        return Verdict(CERTIFIED, f"{'; '.join(check.sentence for check in checks)}.")
    missing = [check.sentence for check in checks if not check.is_met]
    return Verdict("", f"Not decided: {'; '.join(missing)}.")


def _checks(rule: Rule, seen: Evidence, today: date) -> Iterator[_Check]:
    yield _quality(rule, seen)
    yield from _share("errors", rule.max_error_share, seen.errors)
    yield from _share("refusals", rule.max_refusal_share, seen.refusals)
    if rule.max_p95_ms is not None:
        yield _latency(rule.max_p95_ms, seen)
    if seen.ends_on is not None:
        sentence = f"its provider ends it on {seen.ends_on:%Y-%m-%d}"
        yield _Check(seen.ends_on > today + NOTICE, seen.ends_on <= today, sentence)


def _quality(rule: Rule, seen: Evidence) -> _Check:
    if seen.is_barred:
        return _Check(False, True, "an evaluation found another gate than quality failed")
    if seen.quality is None or seen.quality_low is None or seen.quality_high is None:
        return _Check(False, False, "its quality was not judged yet")
    interval = f"[{_points(seen.quality_low)}, {_points(seen.quality_high)}]"
    sentence = f"quality differs by {_points(seen.quality)} points {interval} over {seen.n_pairs} pairs"
    if seen.quality_high < -rule.margin:  # the bound holds whatever the number of pairs
        return _Check(False, True, sentence)
    if seen.n_pairs < rule.min_pairs:
        return _Check(False, False, f"only {seen.n_pairs} of {rule.min_pairs} pairs are judged")
    return _Check(seen.quality_low >= -rule.margin, False, sentence)


def _share(name: str, limit: float | None, seen: Share) -> Iterator[_Check]:
    """The upper bound must be within the limit; withdrawn where the lower one is past it by a quarter."""
    if limit is None:
        return
    if seen.value is None or seen.low is None or seen.high is None:
        yield _Check(False, False, f"no calls tell of {name}")
        return
    sentence = f"{name} {seen.value:.1%} [{seen.low:.1%}, {seen.high:.1%}] of {seen.n} calls, limit {limit:.1%}"
    yield _Check(seen.high <= limit, seen.low > limit * SLACK, sentence)


def _latency(limit_ms: float, seen: Evidence) -> _Check:
    if seen.p95_ms is None or seen.n_calls < MIN_CALLS:
        return _Check(False, False, f"{seen.n_calls} of {MIN_CALLS} calls tell of its latency")
    sentence = f"p95 {seen.p95_ms:.0f} ms of {seen.n_calls} calls, limit {limit_ms:.0f} ms"
    return _Check(seen.p95_ms <= limit_ms, seen.p95_ms > limit_ms * SLACK, sentence)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
