"""What stands out: calls far dearer or slower than their model's others, and days far from the usual day.

Both rules are made of quartiles and medians, which the outliers themselves cannot move, and are told on the page.
Calls: beyond the far-out fence of Tukey (Exploratory Data Analysis, 1977) on a logarithmic scale, Q3 · (Q3/Q1)³.
Days: a modified z-score above 3.5 (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from projects.overview import outlying, spend
from projects.overview.asking import Asked, day_word, ends, number
from projects.overview.latency import over_time
from projects.overview.shapes import Head, Row, Section, Table, Told
from projects.overview.windows import Window

LEAST_PLACES = 8
FAR = 3.5
# Makes the median deviation that of a normal spread.
SCALE = 1.4826
CALLS_RULE = (
    "A call stands out when it lies above Q3 × (Q3/Q1)³ of its model's calls in this window, and above twice Q3; "
    f"models with fewer than {outlying.LEAST_CALLS} calls are left out."
)
DAYS_RULE = (
    f"A place in time stands out when it is more than {FAR} median deviations (× {SCALE}) from the median of them all; "
    f"those cut by the window or before the first call are left out, and at least {LEAST_PLACES} are needed."
)
_FOLLOWED = (
    ("Spend", "spent", "usd"),
    ("Calls", "calls", "calls"),
    ("p95 latency", "p95", "ms"),
    ("Errors", "errors", "share"),
)


def dear_calls(asked: Asked) -> Section:
    return _calls(asked, "cost_usd", "dear_calls", "Calls that cost far more", "usd")


def slow_calls(asked: Asked) -> Section:
    return _calls(asked, "duration_ms", "slow_calls", "Calls that took far longer", "ms")


def _calls(asked: Asked, measure: str, name: str, title: str, unit: str) -> Section:
    found = asked.kept(name, lambda: outlying.beyond(asked, measure))
    rows = tuple(
        Row((row["started_at"], row["model"], row["kind"], row["value"], row["fence"], row["value"] / row["fence"]),
            {"event_id": row["event_id"]})
        for row in found.rows
    )  # fmt: skip
    heads = (
        *(Head("Time", "moment"), Head("Model"), Head("Kind"), Head("This call", unit), Head("Fence", unit)),
        Head("Times the fence", "decimal"),
    )
    sentence = f"{found.n:,} of {found.n_looked_at:,} calls stand out; the farthest {len(rows)} are shown."
    if not rows:
        sentence = f"None of {found.n_looked_at:,} calls stands out."
    return Section(name, title, CALLS_RULE, None, Table(heads, rows) if rows else None, (sentence,))


def days(asked: Asked) -> Section:
    window, grain = asked.window, asked.window.grain
    sums = {row["time"]: row for row in spend.series(asked).records()}
    timed = {row["time"]: row["duration_ms.p95"] for row in over_time(asked).records()}
    whole = _whole(window, sums)
    rows = []
    for title, name, unit in _FOLLOWED:
        values = [(at, _value(sums[at], timed.get(at), name)) for at in whole]
        for at, value, usual, far in stand_out([(at, each) for at, each in values if each is not None]):
            cells = (day_word(at, grain, window.zone), title, Told(value, unit), Told(usual, unit), far)
            rows.append(Row(cells, asked.link_of_time(at, whole[at])))
    rows.sort(key=lambda row: -abs(row.cells[4]))
    heads = (
        *(Head(str(grain).title()), Head("Figure"), Head("Then", "known"), Head("Usual", "known")),
        Head("Deviations away", "decimal"),
    )
    none = (f"No {grain} stands out among {len(whole)}.",) if len(whole) >= LEAST_PLACES else ("Too few to tell.",)
    table = Table(heads, tuple(rows[:20])) if rows else None
    return Section("days", f"Unusual {grain}s", DAYS_RULE, None, table, () if rows else none)


def _whole(window: Window, sums: Mapping[datetime, dict[str, Any]]) -> dict[datetime, datetime]:
    """Where each place begins and ends, from the first with calls on, without those that the window cuts."""
    starts = list(sums)
    first = next((at for at in starts if sums[at]["calls"]), window.until)
    pairs = zip(starts, ends(starts, window), strict=True)
    return {at: end for at, end in pairs if at >= first and _is_whole(at, end, window)}


def _is_whole(start: datetime, end: datetime, window: Window) -> bool:
    return start >= window.since and end <= window.until and (end < window.until or _ends_whole(window))


def _ends_whole(window: Window) -> bool:
    local = window.until.astimezone(ZoneInfo(window.zone))
    return window.grain == "hour" or not (local.hour or local.minute)


def _value(row: dict[str, Any], p95: float | None, name: str) -> float | None:
    if name == "spent":
        return number(spend.spent(row))
    if name == "errors":
        return row["errors.count"] / row["calls"] if row["calls"] else None
    return p95 if name == "p95" else float(row["calls"])


def stand_out(values: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float, float, float]]:
    """(when, value, median, deviations from it) of those beyond FAR; none where most values are the same."""
    if len(values) < LEAST_PLACES:
        return []
    usual = median(value for _, value in values)
    spread = SCALE * median(abs(value - usual) for _, value in values)
    if not spread > 0:
        return []
    far = [(at, value, usual, (value - usual) / spread) for at, value in values]
    return [each for each in far if abs(each[3]) > FAR]
