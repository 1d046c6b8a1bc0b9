"""Windows beside windows, and the hours, days, weeks and months that a window is cut into. Pure.

A bucket begins at a local midnight (or hour) of the zone asked for, so a day has 23 or 25 hours when clocks change.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from netra.errors import TooLarge
from projects.analytics.questions import Grain, Window

MOST_BUCKETS = 10_000
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


def compared(window: Window, wanted: Any) -> Window:
    """The window to hold this one against: the one just before, the same a week earlier, or the one given."""
    if isinstance(wanted, Window):
        return wanted
    back = WEEK if wanted == "week_before" else window.until - window.since
    return Window(since=window.since - back, until=window.until - back)


def buckets(window: Window, grain: Grain, zone_name: str) -> list[datetime]:
    """The starts of the buckets that a window touches, in UTC, rising. Raises TooLarge past 10,000 of them."""
    zone, found = zoneinfo.ZoneInfo(zone_name), list[datetime]()
    for start in _starts(window.since, grain, zone):
        if start >= window.until:
            break
        found.append(start)
        if len(found) > MOST_BUCKETS:
            raise TooLarge(
                f"More than {MOST_BUCKETS:,} {grain}s; ask for a coarser grain or a shorter window.", code="over_budget"
            )
    return found


def _starts(since: datetime, grain: Grain, zone: zoneinfo.ZoneInfo) -> Iterator[datetime]:
    if grain == Grain.HOUR:
        yield from _hours(since, zone)
    day = _first_day(since.astimezone(zone).date(), grain)
    while True:
        yield datetime.combine(day, time(), zone).astimezone(UTC)
        day = _next_day(day, grain)


def _hours(since: datetime, zone: zoneinfo.ZoneInfo) -> Iterator[datetime]:
    """Hours of the clock on the wall; counted in UTC from there, so that one repeated in autumn is two."""
    local = since.astimezone(zone)
    at = since.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    while True:
        yield at
        at += HOUR


def _first_day(day: date, grain: Grain) -> date:
    if grain == Grain.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == Grain.MONTH else day


def _next_day(day: date, grain: Grain) -> date:
    if grain == Grain.MONTH:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if grain == Grain.WEEK else 1)


def is_whole_hour(at: datetime) -> bool:
    return not (at.minute or at.second or at.microsecond)


def micros(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
