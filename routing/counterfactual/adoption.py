"""After adoption: what was foreseen of a policy held against what came of it, and how often intervals were right.

Whatever way a version came into use, its forecast is made from what was logged until then: with the version where a
draft is adopted from its counterfactual, and by a task soon after where the policy was written elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from projects.models import Project, User
from routing import policies
from routing.counterfactual import reading
from routing.counterfactual.estimators import MIN_EFFECTIVE, Estimate
from routing.counterfactual.measures import COST, MEASURES, Compared, compared, quality
from routing.counterfactual.reading import Window
from routing.counterfactual.redeciding import Decision, Redecided
from routing.counterfactual.report import Question, Report, report
from routing.counterfactual.tables import tabled
from routing.models import PolicyForecast, RoutingPolicy

MOST_FOLLOWED = 10
# A version in use for longer has no forecast: what is believed today is not what was believed then.
FORESEEN_WITHIN = timedelta(days=1)
_NOTHING = Estimate(None, None, None, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Held:
    """One measure foreseen and realised. `is_within` allows for both intervals; None while either is unknown."""

    measure: str
    before: Estimate
    foreseen: Estimate
    realised: Estimate

    @property
    def is_within(self) -> bool | None:
        return _agree(self.foreseen, self.realised)


@dataclass(frozen=True, slots=True)
class Followed:
    """One adoption with what came of it. Savings are USD a call against what was logged before."""

    forecast: PolicyForecast
    n_since: int
    held: list[Held]

    @property
    def saving_foreseen(self) -> float | None:
        return self._saving("foreseen")

    @property
    def saving_realised(self) -> float | None:
        return self._saving("realised")

    def _saving(self, side: str) -> float | None:
        cost = next(each for each in self.held if each.measure == COST)
        before, after = cost.before.value, getattr(cost, side).value
        return None if before is None or after is None else before - after


@dataclass(frozen=True, slots=True)
class Record:
    """All adoptions, newest first. A calibrated record has `n_within` at about 95 % of `n_scored`."""

    followed: list[Followed]
    n_scored: int
    n_within: int

    @property
    def share_within(self) -> float | None:
        return self.n_within / self.n_scored if self.n_scored else None


def adopt(
    project: Project, question: Question, *, default_option: str, rules: Mapping[str, Any], by: User | None
) -> RoutingPolicy:
    """Put the question's policy in use as a new version and keep what is foreseen of it. Raises Invalid."""
    policy = question.policy
    policies.check(project, kind=policy.kind, default_option=default_option, rules=rules)
    told = report(project, question)
    with transaction.atomic():
        row = policies.write(project, policy.name, kind=policy.kind, default_option=default_option, rules=rules, by=by)
        _keep(row, told)
    return row


def due() -> list[RoutingPolicy]:
    """Versions in use that nothing is foreseen of yet."""
    kept = PolicyForecast.objects.filter(
        project=OuterRef("project"), policy=OuterRef("name"), version=OuterRef("version")
    )
    rows = RoutingPolicy.objects.current().filter(created_at__gte=timezone.now() - FORESEEN_WITHIN)
    return list(rows.exclude(Exists(kept)).order_by("pk"))


def foresee(row: RoutingPolicy) -> PolicyForecast:
    """Keep what the log before a version foresees of it; of a later version, from the decisions of earlier ones.

    Reads as much as a report does. Safe to repeat: what was foreseen once stays.
    """
    found = PolicyForecast.objects.filter(project=row.project, policy=row.name, version=row.version).first()
    if found is not None:
        return found
    traffic = row.name if row.version > 1 else ""
    return _keep(row, report(row.project, Question(policies.as_policy(row), traffic, until=row.created_at)))


def _keep(row: RoutingPolicy, told: Report) -> PolicyForecast:
    given = {
        "default_option": row.default_option,
        "made_at": row.created_at,
        "n_decisions": told.n_read,
        "measures": {each.measure: _kept(each) for each in told.measures},
        "caveat": _caveat(told)[:300],
    }
    return PolicyForecast.objects.get_or_create(
        project=row.project, policy=row.name, version=row.version, defaults=given
    )[0]


def _caveat(told: Report) -> str:
    """Why the evidence is too thin to foresee anything; empty where it is not."""
    if told.overlap is None:
        days = (told.window.until - told.window.since).days
        whose = f" of netra/{told.window.policy}" if told.window.policy else ""
        return f"Nothing is foreseen: no decision{whose} was logged in the {days} days before."
    if not told.overlap.is_enough:
        return told.overlap.sentence
    worth = told.overlap.effective_n
    if worth < MIN_EFFECTIVE:
        return (
            f"Nothing is foreseen: {told.n_read:,} decisions are worth {worth:.0f}, and {MIN_EFFECTIVE:.0f} are needed."
        )
    return ""


def _kept(found: Compared) -> dict[str, Any]:
    return {"before": asdict(found.logged), "foreseen": asdict(found.other), "difference": asdict(found.difference)}


def record(project: Project) -> Record:
    """The latest adoptions. Reads the log since each of them."""
    forecasts = PolicyForecast.objects.filter(project=project)[:MOST_FOLLOWED]
    followed = [_followed(project, each) for each in forecasts]
    verdicts = [held.is_within for each in followed for held in each.held if held.is_within is not None]
    return Record(followed, len(verdicts), sum(verdicts))


def _followed(project: Project, forecast: PolicyForecast) -> Followed:
    window = Window(forecast.made_at, timezone.now(), forecast.policy, forecast.version)
    found = reading.read(project, window)
    realised = {each.measure: each.logged for each in _realised(project, forecast, found.decisions)}
    held = [
        Held(name, _told(forecast, name, "before"), _told(forecast, name, "foreseen"), realised.get(name, _NOTHING))
        for name in MEASURES
    ]
    return Followed(forecast, found.n_logged, held)


def _told(forecast: PolicyForecast, measure: str, side: str) -> Estimate:
    kept = forecast.measures.get(measure)
    return Estimate(**kept[side]) if kept else _NOTHING


def _realised(project: Project, forecast: PolicyForecast, decisions: Sequence[Decision]) -> list[Compared]:
    if not decisions:
        return []
    as_it_was = [Redecided({name: each.probability for name, each in one.weighed.items()}, {}) for one in decisions]
    logged = tabled(decisions, as_it_was)
    judged = reading.judged(project, decisions, logged.options, forecast.default_option)
    return [*compared(logged, logged.chances), quality(logged, logged.chances, judged, forecast.default_option)]


def _agree(foreseen: Estimate, realised: Estimate) -> bool | None:
    """Whether two intervals of 95 % leave room for the same value: their sides that face each other, in quadrature."""
    if None in (foreseen.value, foreseen.low, foreseen.high, realised.value, realised.low, realised.high):
        return None
    low, high = sorted((foreseen, realised), key=lambda each: each.value or 0.0)
    room = math.hypot((low.high or 0.0) - (low.value or 0.0), (high.value or 0.0) - (high.low or 0.0))
    return (high.value or 0.0) - (low.value or 0.0) <= room
