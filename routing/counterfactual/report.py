"""One policy on a project's logged decisions: measures, overlap, replay call by call, and its place among others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from django.utils import timezone

from netra.errors import Invalid, NetraError
from projects.models import Project
from routing import targets
from routing.controller import BEST, CHEAPEST, FASTEST, WEIGHTED, Policy, Prediction
from routing.counterfactual import reading
from routing.counterfactual.estimators import Estimate
from routing.counterfactual.measures import COST, Compared, Judged, compared, quality
from routing.counterfactual.reading import Read, Window
from routing.counterfactual.redeciding import Decision, Redecided, redecide
from routing.counterfactual.tables import Logged, Matrix, Overlap, matrix, overlap, tabled
from routing.demand import Demand
from routing.gateway.planning import predict
from routing.gateway.tenants import unkeyed

DAYS, MAX_DAYS = 7, 90
MARGINS = (0.0, 0.02, 0.05, 0.1)
MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Question:
    """A policy, and the decisions to try it on: those of `traffic` (empty: all policies') in the days up to `until`."""

    policy: Policy
    traffic: str = ""
    days: int = DAYS
    until: datetime | None = None

    def window(self) -> Window:
        """Raises Invalid."""
        if not 1 <= self.days <= MAX_DAYS:
            raise Invalid(f"days lies between 1 and {MAX_DAYS}.", field="days")
        until = self.until or timezone.now()
        return Window(until - timedelta(days=self.days), until, self.traffic)


@dataclass(frozen=True, slots=True)
class Share:
    """An option's calls, as logged and by the policy (expected, since a policy may draw)."""

    option: str
    n_logged: int
    n_policy: float


@dataclass(frozen=True, slots=True)
class Moved:
    """One logged call that the policy likelier sends elsewhere. `saving_usd` is foreseen from both options' prices."""

    event_id: str
    at: datetime
    chosen: str
    option: str
    chance: float
    saving_usd: float | None


@dataclass(frozen=True, slots=True)
class Replay:
    """The window decided again. `moved`: share of calls that go elsewhere; savings are foreseen, None if unpriced."""

    shares: list[Share]
    moved: float
    saving_usd: float | None
    foreseen_usd: float | None
    calls: list[Moved]


@dataclass(frozen=True, slots=True)
class Point:
    """A policy's place in cost and quality; `is_beaten`: another is surely cheaper and surely no worse."""

    name: str
    cost: Estimate
    quality: Estimate
    is_default: bool = False
    is_beaten: bool = False

    @property
    def is_placed(self) -> bool:
        return self.cost.is_known and self.quality.is_known


@dataclass(frozen=True, slots=True)
class Report:
    """`measures` and what follows are None where there is nothing to decide again."""

    policy: Policy
    window: Window
    n_logged: int
    n_read: int
    n_unreadable: int
    is_simulated: bool = False
    overlap: Overlap | None = None
    measures: list[Compared] = field(default_factory=list)
    replay: Replay | None = None
    points: list[Point] = field(default_factory=list)

    def of(self, measure: str) -> Compared | None:
        return next((each for each in self.measures if each.measure == measure), None)


def report(project: Project, question: Question) -> Report:
    """Reads the window's decisions and decides them again; about a second for MAX_DECISIONS. Raises Invalid."""
    window = question.window()
    found = reading.read(project, window)
    told = Report(question.policy, window, found.n_logged, len(found.decisions), found.n_unreadable, found.is_simulated)
    return _reported(project, question.policy, found, told) if found.decisions else told


def _reported(project: Project, policy: Policy, found: Read, told: Report) -> Report:
    decisions, again = found.decisions, Again(project)
    redecided = again.decide(policy, decisions)
    logged = tabled(decisions, redecided)
    odds = matrix(logged.options, [each.odds for each in redecided])
    judged = reading.judged(project, decisions, logged.options, policy.default)
    return replace(
        told,
        overlap=overlap(logged, odds),
        measures=[*compared(logged, odds), quality(logged, odds, judged, policy.default)],
        replay=replay(decisions, logged, odds),
        points=_ranked(list(_points(policy, decisions, logged, odds, judged, again))),
    )


class Again:
    """Decides logged requests by other policies; of what was not weighed then it says what is known today."""

    def __init__(self, project: Project) -> None:
        self._project, self._tenant = project, unkeyed(project)
        self._target = lru_cache(maxsize=None)(self._found)

    def decide(self, policy: Policy, decisions: Sequence[Decision]) -> list[Redecided]:
        def known(option: str, demand: Demand) -> Prediction | None:
            target = self._target(option)
            return None if target is None else predict(self._tenant, target, demand, policy)

        return [redecide(policy, each, known, self._believed) for each in decisions]

    def _found(self, option: str) -> Any:
        try:
            return targets.target(self._project, option)
        except NetraError:
            return None

    def _believed(self, option: str, default: str) -> tuple[float, float, float] | None:
        belief = self._tenant.belief(option, default)
        return None if belief is None else (belief.mean, belief.low, belief.high)


def replay(decisions: Sequence[Decision], logged: Logged, odds: Matrix) -> Replay:
    """What the policy would have chosen, call by call."""
    each = np.arange(logged.n)
    then = logged.foreseen_usd[each, logged.taken]
    now = np.where(odds > 0, odds * logged.foreseen_usd, 0.0).sum(1)
    shares = [
        Share(name, int((logged.taken == at).sum()), float(odds[:, at].sum())) for at, name in enumerate(logged.options)
    ]
    return Replay(
        shares=sorted((each for each in shares if each.n_logged or each.n_policy), key=lambda each: -each.n_policy),
        moved=float(1 - odds[each, logged.taken].mean()),
        saving_usd=_known(float((then - now).sum())),
        foreseen_usd=_known(float(then.sum())),
        calls=list(_moved(decisions, logged, odds)),
    )


def _moved(decisions: Sequence[Decision], logged: Logged, odds: Matrix) -> Iterator[Moved]:
    """The newest calls that the policy likelier sends elsewhere."""
    likeliest = odds.argmax(1)
    places = [int(at) for at in np.flatnonzero(likeliest != logged.taken)]
    for at in sorted(places, key=lambda at: decisions[at].at, reverse=True)[:MOST_SHOWN]:
        call, column = decisions[at], likeliest[at]
        saving = _known(float(logged.foreseen_usd[at, logged.taken[at]] - logged.foreseen_usd[at, column]))
        yield Moved(call.event_id, call.at, call.chosen, logged.options[column], float(odds[at, column]), saving)


def _points(
    policy: Policy, decisions: Sequence[Decision], logged: Logged, odds: Matrix, judged: Sequence[Judged], again: Again
) -> Iterator[Point]:
    """Policies that decide alike are one point, with all their names."""
    kept: list[tuple[str, Matrix]] = []
    for name, tried in _tried(policy, decisions, logged, odds, again):
        same = next((at for at, (_, other) in enumerate(kept) if np.allclose(tried, other)), None)
        if same is None:
            kept.append((name, tried))
        else:
            kept[same] = f"{kept[same][0]}, {name}", tried
    for name, tried in kept:
        cost = next(each for each in compared(logged, tried) if each.measure == COST)
        found = quality(logged, tried, judged, policy.default)
        is_default = policy.default in logged.options and np.allclose(tried, logged.share_of(policy.default))
        yield Point(name, cost.other, found.other, is_default)


def _tried(
    policy: Policy, decisions: Sequence[Decision], logged: Logged, odds: Matrix, again: Again
) -> Iterator[tuple[str, Matrix]]:
    """The log, the policy, the policy at other margins, and each option alone."""
    yield "as logged", logged.chances
    yield "this policy", odds
    if policy.kind in (CHEAPEST, FASTEST, BEST, WEIGHTED):
        for margin in MARGINS:
            others = again.decide(replace(policy, margin=margin), decisions)
            yield f"margin {margin:.0%}", matrix(logged.options, [each.odds for each in others])
    for name in logged.options:
        yield f"always {name}", logged.share_of(name)


def _ranked(points: list[Point]) -> list[Point]:
    placed = [each for each in points if each.is_placed]
    return [replace(each, is_beaten=any(_beats(other, each) for other in placed)) for each in points]


def _beats(one: Point, other: Point) -> bool:
    if not other.is_placed:
        return False
    bounds = one.cost.high, other.cost.low, one.quality.low, other.quality.high
    dearest, cheapest, worst, best = (float("nan") if each is None else each for each in bounds)
    return dearest < cheapest and worst >= best


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
