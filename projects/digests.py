"""What a digest tells of a day or a week: figures beside those of a week before, and what changed the spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from netra.errors import TooLarge
from netra.templatetags import figures
from netra.templatetags.texts import one_line
from projects import summary
from projects.analytics import engine
from projects.analytics.answers import plain
from projects.log_filter import EventFilter
from projects.models import Digest, Project

WEEK = timedelta(days=7)
LENGTHS = {Digest.Cadence.DAILY: timedelta(days=1), Digest.Cadence.WEEKLY: WEEK}
MOST_DRIVERS = 3
_SHOWN: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "spent_usd": ("Spend", figures.usd),
    "n_calls": ("Calls", figures.count),
    "p95_ms": ("Latency, p95 of answered calls", figures.ms),
    "n_errors": ("Errors", figures.count),
    "n_refusals": ("Refusals", figures.count),
}


@dataclass(frozen=True, slots=True)
class Told:
    """[since, until) in UTC. `change`: price, volume, length, mix in dollars, empty where it cannot be told."""

    project: Project
    since: datetime
    until: datetime
    now: Mapping[str, Any]
    before: Mapping[str, Any]
    change: Mapping[str, Any] = field(default_factory=dict)
    drivers: tuple[Mapping[str, Any], ...] = ()

    @property
    def title(self) -> str:
        last = self.until - timedelta(days=1)
        days = f"{self.since:%Y-%m-%d}" if last == self.since else f"{self.since:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"{one_line(self.project.name, 80)}: {days}"

    @property
    def url(self) -> str:
        return settings.PUBLIC_URL + self.project.get_absolute_url()

    @property
    def calls_url(self) -> str:
        asked = urlencode({"since": self.since.isoformat(), "until": self.until.isoformat()})
        return f"{settings.PUBLIC_URL}{reverse('projects:events', args=[self.project.slug])}?{asked}"


def period(cadence: str, now: datetime) -> tuple[datetime, datetime]:
    """The last whole day, or the last whole week from Monday on, of UTC."""
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence == Digest.Cadence.WEEKLY:
        until -= timedelta(days=until.weekday())
    return until - LENGTHS[Digest.Cadence(cadence)], until


def build(project: Project, cadence: str, now: datetime) -> Told:
    """A day is held against the same weekday before, a week against the week before."""
    since, until = period(cadence, now)
    found = summary.totals(project.pk, EventFilter(since=since, until=until))
    before = summary.totals(project.pk, EventFilter(since=since - WEEK, until=until - WEEK))
    change, drivers = _change(project.pk, since, until)
    return Told(project, since, until, _figures(found), _figures(before), change, drivers)


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in (*_SHOWN, "n_priced")}


def _change(project_id: int, since: datetime, until: datetime) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    asked = {"analysis": "spend_change", "since": since, "until": until, "compare": "week_before"}
    try:
        answer = engine.answer(project_id, engine.parsed(asked))
    except TooLarge:
        return {}, ()
    drivers = [each for each in answer.records() if each["change"]][:MOST_DRIVERS]
    return dict(answer.more["whole"]), tuple(drivers)


def lines(told: Told) -> list[dict[str, str]]:
    """Each figure as the reader has numbers written."""
    return [
        {
            "title": title,
            "now": _written(told.now[name], write),
            "before": _written(told.before[name], write),
            "change": _share(told.now[name], told.before[name]),
        }
        for name, (title, write) in _SHOWN.items()
    ]


def _written(value: Any, write: Callable[[Any], str]) -> str:
    return "unknown" if value is None else str(write(value))


def _share(now: Any, before: Any) -> str:
    if now is None or not before:
        return ""
    return f"{float(now / before) - 1:+.0%}".replace("-", figures.MINUS)


def reasons(told: Told) -> list[str]:
    """Sentences on what changed."""
    found = []
    if told.change.get("change"):
        parts = ", ".join(
            f"{name} {figures.usd_change(told.change[name])}" for name in ("price", "volume", "length", "mix")
        )
        found.append(f"Spend changed by {figures.usd_change(told.change['change'])}: {parts}.")
    for each in told.drivers:
        found.append(f"{_named(each['model'])}, {_named(each['kind'])}: {figures.usd_change(each['change'])}.")
    if told.now["n_priced"] < told.now["n_calls"]:
        found.append(f"Cost is known for {told.now['n_priced']:,} of {told.now['n_calls']:,} calls.")
    return found


def _named(value: Any) -> str:
    return one_line(value, 60) if value else "unknown"


def as_text(told: Told) -> str:
    return render_to_string("projects/digest.txt", _context(told))


def as_html(told: Told) -> str:
    return render_to_string("projects/digest_mail.html", _context(told))


def _context(told: Told) -> dict[str, Any]:
    return {"told": told, "lines": lines(told), "reasons": reasons(told)}


def as_json(told: Told) -> dict[str, Any]:
    """What a webhook is sent: money as text, times in ISO 8601; `text` is the whole digest to read."""
    body = {
        "kind": "netra.digest",
        "version": 1,
        "project": told.project.slug,
        "title": told.title,
        "since": told.since,
        "until": told.until,
        "figures": told.now,
        "week_before": told.before,
        "spend_change": told.change or None,
        "drivers": told.drivers,
        "url": told.url,
        "text": as_text(told),
    }
    return {name: plain(value) for name, value in body.items()}
