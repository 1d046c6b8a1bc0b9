"""What the page and the API tell of live judging: settings, money of the day, pairs, beliefs, certificates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from evaluation import live_settings
from evaluation.models import LivePair
from projects.models import Project
from routing import certificates
from routing.certification import judge
from routing.models import Certificate, LiveBelief

N_HISTORY = 25


def today(project: Project) -> dict[str, Any]:
    """Of the day (UTC): budget, spent at most, pairs judged and open, why the last sitting ended."""
    wanted, run = live_settings.of(project), live_settings.today(project)
    pairs = LivePair.objects.filter(project=project)
    return {
        "budget_usd": wanted.daily_budget_usd,
        "spent_usd": run.charged_at_most_usd + run.reserved_usd if run else Decimal(0),
        "n_judged": pairs.judged().filter(prompt__run=run).count() if run else 0,
        "n_open": pairs.open().count(),
        "sentence": run.sentence if run else "",
        "run": run,
    }


def settings(project: Project) -> dict[str, Any]:
    """As the API tells them, with the day."""
    wanted, day = live_settings.of(project), today(project)
    told = {name: getattr(wanted, name) for name in ("is_on", "daily_budget_usd", "sample_share", "dimension")}
    return {**told, "judges": list(wanted.judges), **{f"today_{name}": day[name] for name in _OF_DAY}}


_OF_DAY = ("spent_usd", "n_judged", "n_open", "sentence")


def options(project: Project) -> list[dict[str, Any]]:
    """Each option against each default: pairs, belief with its interval, certificate, what the rule says now."""
    pairs = _pairs(project)
    believed = {(row.option, row.default_option): row for row in LiveBelief.objects.filter(project=project)}
    held = {(row.option, row.default_option): row for row in Certificate.objects.filter(project=project).current()}
    found = certificates.evidence(project)
    names = sorted({*pairs, *believed, *held, *found})
    limits = certificates.limits_of(certificates.rule_of(project))
    return [
        {
            "option": name[0],
            "default_option": name[1],
            **pairs.get(name, {"n_judged": 0, "n_unscored": 0, "n_open": 0}),
            "belief": believed.get(name),
            "certificate": held.get(name),
            "now": judge(limits, found[name], today=timezone.now().date()) if name in found else None,
        }
        for name in names
    ]


def history(project: Project) -> Sequence[Certificate]:
    """Certificates, newest first, with what came before them."""
    return list(Certificate.objects.filter(project=project)[:N_HISTORY])


def _pairs(project: Project) -> dict[tuple[str, str], dict[str, int]]:
    rows = LivePair.objects.filter(project=project).order_by().values("option", "default_option")
    told: Any = rows.annotate(
        n_judged=Count("pk", filter=Q(difference__isnull=False)),
        n_unscored=Count("pk", filter=~Q(unscored_because="")),
        n_open=Count("pk", filter=Q(difference=None, unscored_because="")),
    )
    names = ("n_judged", "n_unscored", "n_open")
    return {(row["option"], row["default_option"]): {name: int(row[name]) for name in names} for row in told}
