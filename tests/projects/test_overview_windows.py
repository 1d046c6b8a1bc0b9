"""Windows of an overview: up to the newest call, or one's own days with 23 or 25 hours where clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from projects.analytics.questions import Grain
from projects.overview import windows
from projects.overview.asking import day_word, mark
from projects.overview_forms import OverviewForm

NEWEST = datetime(2026, 11, 2, 12, 34, 56, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def form(**told: str) -> OverviewForm:
    return OverviewForm(told)


@pytest.mark.parametrize(("name", "hours"), [("24h", 24), ("7d", 168), ("30d", 720), ("90d", 2160)])
def test_a_length_ends_with_the_hour_of_the_newest_call(name: str, hours: int) -> None:
    window = windows.newest(name, NEWEST, "UTC")
    assert window.until == datetime(2026, 11, 2, 13, tzinfo=UTC)
    assert window.until - window.since == timedelta(hours=hours)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2026, 3, 29), 23), (date(2026, 7, 1), 24)])
def test_a_day_has_the_hours_of_its_zone(day: date, hours: int) -> None:
    window = windows.own(day, day, NEWEST, BERLIN)
    assert window.until - window.since == timedelta(hours=hours)
    assert window.title == "day" and window.grain == Grain.HOUR


@given(
    st.dates(date(1975, 1, 1), date(2099, 1, 1)), st.integers(0, 400), st.sampled_from(["UTC", BERLIN, "Asia/Kolkata"])
)
def test_own_days_come_back_from_the_address(first: date, more: int, zone: str) -> None:
    window = windows.own(first, first + timedelta(days=more), NEWEST, zone)
    assert window.params == {"first_day": f"{first}", "last_day": f"{first + timedelta(days=more)}"}


@pytest.mark.parametrize(
    ("days", "grain"), [(1, Grain.HOUR), (3, Grain.DAY), (90, Grain.DAY), (300, Grain.WEEK), (3000, Grain.MONTH)]
)
def test_a_picture_has_a_readable_number_of_places(days: int, grain: Grain) -> None:
    last = date(2026, 11, 1)
    assert windows.own(last - timedelta(days=days - 1), last, NEWEST, "UTC").grain == grain


def test_the_form_reads_days_in_the_readers_zone() -> None:
    with timezone.override("Asia/Tokyo"):
        window = form(first_day="2026-11-02", last_day="2026-11-02").looked_at(NEWEST)
    assert window.since == datetime(2026, 11, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "told",
    [
        {"first_day": "2026-11-02", "last_day": "2026-11-01"},
        {"first_day": "0001-01-01"},
        {"first_day": "yesterday"},
        {"window": "' OR 1=1"},
        {},
    ],
)
def test_what_cannot_be_read_is_the_usual_window(told: dict[str, str]) -> None:
    assert form(**told).looked_at(NEWEST).name == "30d"


def test_one_end_is_enough() -> None:
    since = form(first_day="2026-10-30").looked_at(NEWEST)
    until = form(last_day="2026-10-30").looked_at(NEWEST)
    assert since.params["last_day"] == "2026-11-02"
    assert until.params["first_day"] == "2026-10-01"


def test_a_call_that_claims_1970_leaves_a_window_that_can_be_asked() -> None:
    assert windows.newest("90d", datetime(1970, 1, 1, tzinfo=UTC), "UTC").since.year >= 1971


def test_an_hour_that_comes_twice_is_told_apart_in_the_table() -> None:
    first, second = (datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in (0, 1))
    assert day_word(first, Grain.HOUR, BERLIN) == "2026-10-25 02:00 CEST"
    assert day_word(second, Grain.HOUR, BERLIN) == "2026-10-25 02:00 CET"
    assert mark(first, Grain.DAY, BERLIN) == "25 Oct"
