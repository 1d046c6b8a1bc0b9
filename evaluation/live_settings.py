"""What a project allows the judging of its live answers: checked, kept, switched off at once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from evaluation.models import EvaluationRun, LiveDay, LiveJudging
from evaluation.rubrics import DIMENSIONS
from netra.errors import Conflict, Invalid, NetraError
from projects.models import Project, User
from routing.execution import target

MAX_JUDGES = 3
LARGEST_BUDGET_USD = Decimal(10_000)
PRIVATE = "Privacy mode is on: the log keeps no words, so there is nothing that could be judged."


def of(project: Project) -> LiveJudging:
    """The project's settings; off, and not kept, where nobody wrote any."""
    return LiveJudging.objects.filter(project=project).first() or LiveJudging(project=project)


def write(project: Project, given: Mapping[str, Any], *, by: User | None) -> LiveJudging:
    """Keep settings; `given` may leave fields as they are. Switching off stops a sitting under way after its calls.

    Raises Invalid, naming the field, and Conflict in privacy mode.
    """
    row = of(project)
    for name in ("is_on", "daily_budget_usd", "sample_share", "judges", "dimension"):
        setattr(row, name, given.get(name, getattr(row, name)))
    row.judges = list(dict.fromkeys(row.judges))
    _check(project, row)
    row.updated_by = by
    row.save()
    today = EvaluationRun.objects.filter(live_day__project=project, live_day__day=timezone.now().date())
    today.update(budget_usd=row.daily_budget_usd, is_cancel_asked=not row.is_on)
    return row


def _check(project: Project, row: LiveJudging) -> None:
    if not row.daily_budget_usd.is_finite() or not 0 < row.daily_budget_usd <= LARGEST_BUDGET_USD:
        raise Invalid("The budget of a day is more than 0 and at most 10,000 USD.", field="daily_budget_usd")
    if not 0 < row.sample_share <= 1:
        raise Invalid("The share is more than 0 and at most 1.", field="sample_share")
    if row.dimension not in DIMENSIONS:
        raise Invalid(f"There is no such dimension; there are {', '.join(DIMENSIONS)}.", field="dimension")
    if not row.is_on:
        return
    if project.is_private:
        raise Conflict(PRIVATE, code="private")
    if not 1 <= len(row.judges) <= MAX_JUDGES:
        raise Invalid(f"Name between 1 and {MAX_JUDGES} judges.", field="judges")
    for name in row.judges:
        try:
            target(project, name)
        except NetraError as problem:
            raise Invalid(str(problem), field="judges") from None


def switched_on() -> list[LiveJudging]:
    """Projects that are to be judged now."""
    found = LiveJudging.objects.filter(is_on=True, project__is_private=False)
    return list(found.select_related("project").order_by("project"))


def today(project: Project) -> EvaluationRun | None:
    """The run that keeps today's money (UTC); None while nothing was judged today."""
    day = LiveDay.objects.filter(project=project, day=timezone.now().date()).select_related("run").first()
    return day.run if day else None


def sentence(row: LiveJudging) -> str:
    """What holds, for the diary and the page."""
    if not row.is_on:
        return "Live answers are not judged; a sitting under way ends after its calls."
    judges = ", ".join(row.judges)
    return (
        f"{row.sample_share:.1%} of live answers are judged by {judges}, for at most {row.daily_budget_usd} USD a day."
    )
