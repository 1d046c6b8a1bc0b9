"""The window a reader looks at: so long up to the newest call, or days of their own. Pure."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from projects.analytics.questions import Grain

LENGTHS: Mapping[str, tuple[str, timedelta]] = {
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
}
USUAL, FLEETS_USUAL = "30d", "7d"
OWN = "own"
# Calls that claim other times than these are in the list of events, but no window ends at them.
READABLE_FROM, READABLE_UNTIL = datetime(1972, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """[since, until). `name` is a key of LENGTHS, or "own". `newest_at`: the newest call there is, None without any."""

    name: str
    since: datetime
    until: datetime
    zone: str = "UTC"
    newest_at: datetime | None = None

    @property
    def grain(self) -> Grain:
        """What its time is cut into, so that a picture has a readable number of places."""
        length = self.until - self.since
        if length <= timedelta(days=2, hours=1):
            return Grain.HOUR
        if length <= timedelta(days=120):
            return Grain.DAY
        return Grain.WEEK if length <= timedelta(days=800) else Grain.MONTH

    @property
    def title(self) -> str:
        if self.name in LENGTHS:
            return LENGTHS[self.name][0]
        days = max(1, round((self.until - self.since) / timedelta(days=1)))
        return "day" if days == 1 else f"{days} days"

    @property
    def params(self) -> dict[str, str]:
        """The window as an address tells it."""
        if self.name in LENGTHS:
            return {"window": self.name}
        zone = zoneinfo.ZoneInfo(self.zone)
        last = (self.until - timedelta(microseconds=1)).astimezone(zone).date()
        return {"first_day": self.since.astimezone(zone).date().isoformat(), "last_day": last.isoformat()}

    @property
    def events(self) -> dict[str, str]:
        """What narrows the list of events to those counted here."""
        since, until = (at.astimezone(UTC).isoformat() for at in (self.since, self.until))
        return {"purpose": "demand", "since": since, "until": until}


def newest(name: str, newest_at: datetime | None, zone: str) -> Window:
    """So long up to the end of the newest call's hour: a log imported once stays readable. Whole hours, which the
    roll-up holds, and whole weeks of hours, so that the window before has the same weekdays."""
    at = max(newest_at or datetime.now(UTC), READABLE_FROM)
    until = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return Window(name, until - LENGTHS[name][1], until, zone, newest_at)


def own(first: date, last: date, newest_at: datetime | None, zone: str) -> Window:
    """From the first to the last day, both included, midnights being the zone's."""
    midnights = zoneinfo.ZoneInfo(zone)
    since = datetime.combine(first, time(), midnights)
    until = datetime.combine(last + timedelta(days=1), time(), midnights)
    return Window(OWN, since.astimezone(UTC), until.astimezone(UTC), zone, newest_at)
