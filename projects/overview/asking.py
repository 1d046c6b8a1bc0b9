"""Questions of a page to the analytics engine, and how their answers are named and linked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from django.core.cache import cache

from netra.errors import TooLarge
from netra.templatetags.texts import one_line
from projects import log_reading
from projects.analytics import engine, standing
from projects.analytics.answers import Answer
from projects.analytics.questions import Grain
from projects.log_filter import EventFilter
from projects.overview.shapes import Link
from projects.overview.windows import READABLE_UNTIL, Window

KEPT_S = 3600
T = TypeVar("T")
ANSWERED: dict[str, Any] = {"filters": [{"dimension": "outcome", "is": ["ok"]}]}
# Dimensions that the list of events can be narrowed by, and its names for them.
NARROWED: Mapping[str, str] = {
    "model": "model",
    "kind": "kind",
    "outcome": "outcome",
    "source": "source",
    "user_id": "user_id",
    "session_id": "session_id",
    "tag": "tag",
    "prompt_template": "prompt_template",
    "error_type": "error_type",
    "finish_reason": "finish_reason",
    "refused": "refused",
}
OF_UTC = "Days are those of UTC: there are too many calls to cut them anew."


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose window, and what of it: `by` a dimension of the drivers, `over` what the window is held against."""

    project_id: int
    window: Window
    by: str = "model"
    over: str = "window"

    def ask(self, **told: Any) -> Answer:
        """Raises TooLarge. Where the reader's days begin within an hour, the roll-up cannot tell them: over many calls
        they are then days of UTC, and a note says so."""
        asked = {"analysis": "aggregate", "since": self.window.since, "until": self.window.until, **told}
        if asked["analysis"] == "forecast" or "grain" in told:
            asked.setdefault("time_zone", self.window.zone)
        try:
            return engine.answer(self.project_id, engine.parsed(asked))
        except TooLarge:
            if asked.get("time_zone", "UTC") == "UTC":
                raise
        answer = engine.answer(self.project_id, engine.parsed({**asked, "time_zone": "UTC"}))
        return replace(
            answer, notes=(*answer.notes, "Days are those of UTC: there are too many calls to cut them anew.")
        )

    def kept(self, name: str, read: Callable[[], T]) -> T:
        """What was read for this window, for as long as the log stays as it is and an hour at most."""
        span = self.window.since, self.window.until
        ends = ":".join(at.astimezone(UTC).isoformat() for at in span)
        return cast(T, cache.get_or_set(f"overview:{name}:{self.project_id}:{_digest(ends, span)}", read, KEPT_S))

    def link(self, **more: str | None) -> Link:
        """To the calls of the window that have these values; empty where the list cannot be narrowed to them."""
        named = {NARROWED.get(name): value for name, value in more.items()}
        if None in named or None in named.values():
            return {}
        return {**self.window.events, **named}  # type: ignore[dict-item]

    def link_of_time(self, start: datetime, end: datetime) -> Link:
        """To the calls of one column of a picture, within the window."""
        since, until = max(start, self.window.since), min(end, self.window.until)
        asked = {"since": since.astimezone(UTC).isoformat(), "until": until.astimezone(UTC).isoformat()}
        return {**self.window.events, **asked}


def _digest(ends: str, span: tuple[datetime, datetime]) -> str:
    """Keys of a cache are short and plain."""
    return hashlib.blake2b(f"{ends}{standing.fingerprint([span])}".encode(), digest_size=16).hexdigest()


def newest_at(project_id: int) -> datetime | None:
    """The newest call of the agent that a window can end at."""
    return log_reading.newest_at(project_id, EventFilter(is_demand=True, until=READABLE_UNTIL))


def ends(starts: list[datetime], window: Window) -> list[datetime]:
    """Where each bucket ends: at the next one's start."""
    return [*starts[1:], window.until] if starts else []


def mark(start: datetime, grain: Grain, zone: str) -> str:
    """The word for a place on the axis of time."""
    local = start.astimezone(ZoneInfo(zone))
    if grain == Grain.HOUR:
        return f"{local:%H:%M}" if local.hour else f"{local:%d %b}"
    return f"{local:%b %Y}" if grain == Grain.MONTH else f"{local.day} {local:%b}"


def day_word(start: datetime, grain: Grain, zone: str) -> str:
    """The same in a table, exactly."""
    local = start.astimezone(ZoneInfo(zone))
    if grain == Grain.HOUR:
        return f"{local:%Y-%m-%d %H:%M %Z}"
    return f"{local:%Y-%m}" if grain == Grain.MONTH else f"{local:%a %Y-%m-%d}"


def is_cut(window: Window) -> bool:
    """Whether the first or the last column is of a part of its time only."""
    zone = ZoneInfo(window.zone)
    whole = [at.astimezone(zone) for at in (window.since, window.until)]
    return window.grain != Grain.HOUR and any(at.hour or at.minute for at in whole)


def number(value: Any) -> float | None:
    """For a picture, which needs no more digits than that."""
    return None if value is None else float(value)


def name_of(value: Any) -> str:
    """What stands in a log, as one line of a picture."""
    return "unknown" if value is None or value == "" else one_line(value, 40)


def ratio(part: Any, whole: Any) -> float | None:
    return None if part is None or not whole else float(part / whole)


def week(window: Window) -> Window:
    """The last seven days of the window, whatever its length."""
    return replace(window, name="own", since=window.until - timedelta(days=7))
