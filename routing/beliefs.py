"""What is believed of an option's quality relative to a project's default, with bounds.

Two sources, kept apart: finished evaluations, and judged live answers. Where their intervals meet, both hold and the
belief is what they have in common; where they do not, the option or its use has changed since the evaluation, and the
live one stands. An evaluation older than thirty days gives way to a live belief altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from projects.models import Project
from routing.models import LiveBelief, OptionBelief

EVALUATION_AGES = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Belief:
    """Difference of judged quality to the default, in [-1, 1], with an interval that holds at any time; n pairs."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def is_barred(self) -> bool:
        """Another gate than quality failed (safety, refusals, errors): no closer look at quality lets it pass."""
        return self.low == self.high == -1.0


Beliefs = dict[tuple[str, str], Belief]


def learn(
    project: Project, option: str, default: str, *, mean: float, low: float, high: float, n: int, source: str
) -> None:
    """Keep what an evaluation found; a newer one replaces the older."""
    OptionBelief.objects.update_or_create(
        project=project,
        option=option,
        default_option=default,
        defaults={"mean": mean, "low": low, "high": high, "n": n, "source": source, "learnt_at": timezone.now()},
    )


def learn_live(
    project: Project,
    option: str,
    default: str,
    belief: Belief,
    *,
    since: datetime,
    has_changed: bool,
) -> None:
    """Keep what judged live answers say now; evaluations are not touched. A change stays known once it was seen."""
    found: dict[str, Any] = {"mean": belief.mean, "low": belief.low, "high": belief.high, "n": belief.n}
    if has_changed:
        found["changed_at"] = since
    LiveBelief.objects.update_or_create(
        project=project,
        option=option,
        default_option=default,
        defaults={**found, "since": since, "has_changed": has_changed, "learnt_at": timezone.now()},
    )


def forget_live(project: Project, option: str, default: str) -> None:
    """Nothing is left to go by."""
    LiveBelief.objects.filter(project=project, option=option, default_option=default).delete()


def held(project: Project) -> Beliefs:
    """All beliefs of a project by option and default."""
    fresh = timezone.now() - EVALUATION_AGES
    rows = list(OptionBelief.objects.filter(project=project))
    found = {(row.option, row.default_option): _of(row) for row in rows}
    fresh_ones = {(row.option, row.default_option) for row in rows if row.learnt_at >= fresh}
    for row in LiveBelief.objects.filter(project=project):
        pair = (row.option, row.default_option)
        known = found.get(pair)
        is_outdone = known is None or not (known.is_barred or pair in fresh_ones)
        found[pair] = _of(row) if known is None or is_outdone else together(known, _of(row))
    return found


def together(evaluated: Belief, live: Belief) -> Belief:
    """What both say; the live one where they contradict each other, the bar of another gate whatever is seen live."""
    if evaluated.is_barred:
        return evaluated
    low, high = max(evaluated.low, live.low), min(evaluated.high, live.high)
    if low > high:
        return live
    n = evaluated.n + live.n
    mean = (evaluated.mean * evaluated.n + live.mean * live.n) / max(1, n)
    return Belief(min(max(mean, low), high), low, high, n)


def _of(row: OptionBelief | LiveBelief) -> Belief:
    return Belief(row.mean, row.low, row.high, row.n)
