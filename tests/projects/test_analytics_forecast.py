"""A forecast that is right where it can be, covers what it says, and is silent on too little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import log
from projects.analytics import engine, forecasting
from projects.analytics.forecasting import Outlook, Silence
from projects.models import Project
from tests import factories

WEEK = [10.0, 20.0, 30.0, 40.0, 50.0, 5.0, 1.0]


def test_a_week_that_repeats_is_foretold_exactly() -> None:
    found = forecasting.outlook(WEEK * 6, 7, 0.8)
    assert isinstance(found, Outlook)
    assert found.days == pytest.approx(WEEK)
    assert (found.total_low, found.total, found.total_high) == pytest.approx((156, 156, 156))


@pytest.mark.parametrize(("days", "coverage"), [(1, 0.5), (7, 0.8), (30, 0.9)])
def test_a_day_short_of_enough_says_nothing(days: int, coverage: float) -> None:
    needed = forecasting.needed_days(days, coverage)
    assert isinstance(forecasting.outlook([1.0] * (needed - 1), days, coverage), Silence)
    assert isinstance(forecasting.outlook([1.0] * needed, days, coverage), Outlook)
    assert forecasting.longest(needed, coverage) == days


def test_about_four_of_five_totals_lie_within_their_interval() -> None:
    dice, hits = np.random.default_rng(3), 0
    for _ in range(400):
        values = np.tile(WEEK, 10)[:67] + dice.normal(0, 5, 67)
        found = forecasting.outlook(values[:60].tolist(), 7, 0.8)
        assert isinstance(found, Outlook)
        hits += found.total_low <= values[60:].sum() <= found.total_high
    assert 0.7 <= hits / 400 <= 0.9


@given(st.lists(st.floats(0, 1e9), min_size=40, max_size=90), st.integers(1, 15))
def test_bounds_are_in_order_and_not_below_nothing(history: list[float], days: int) -> None:
    found = forecasting.outlook(history, days, 0.8)
    assert isinstance(found, Outlook) or forecasting.needed_days(days, 0.8) > len(history)
    if isinstance(found, Outlook):
        assert 0 <= found.total_low <= found.total <= found.total_high
        told = zip(found.low, found.days, found.high, strict=True)
        assert all(0 <= low <= expected <= high for low, expected, high in told)


def test_growth_is_carried_on() -> None:
    # The mean of four weeks lags behind a steady rise by 17.5 days; what it lagged before is added.
    found = forecasting.outlook([float(day) for day in range(70)], 7, 0.8)
    assert isinstance(found, Outlook)
    assert found.total_low <= found.total <= found.total_high
    assert found.total > sum(range(63, 70))


@pytest.mark.django_db
def test_fewer_days_where_history_carries_no_more(project: Project, events: None) -> None:
    first = datetime(2026, 10, 1, 9, tzinfo=UTC)
    log.write(project.pk, [factories.event(f"{day}", started_at=first + timedelta(days=day)) for day in range(42)])
    assert "needs 52 whole days" in _ask(project, figure="calls").notes[0]
    assert len(_ask(project, figure="calls", or_fewer=True).rows) == 20


def _ask(project: Project, **told: Any) -> Any:
    window = {"since": "2026-10-01T00:00:00Z", "until": "2026-11-12T00:00:00Z"}
    return engine.answer(project.pk, engine.parsed({"analysis": "forecast", **window, **told}))


@pytest.mark.django_db
def test_out_of_the_log(project: Project, events: None) -> None:
    first = datetime(2026, 10, 1, 9, tzinfo=UTC)
    log.write(
        project.pk,
        [
            factories.event(f"{day}-{n}", started_at=first + timedelta(days=day))
            for day in range(42)
            for n in range(day % 7 + 1)
        ],
    )
    answer = _ask(project, figure="calls", days=7)
    assert [row[1] for row in answer.rows] == [1, 2, 3, 4, 5, 6, 7]
    assert answer.rows[0][0] == datetime(2026, 11, 12, tzinfo=UTC)
    assert answer.more["total"] == {"expected": 28, "low": 28, "high": 28}


@pytest.mark.django_db
def test_thin_or_unpriced_logs_get_a_reason_and_no_number(project: Project, events: None) -> None:
    assert "no whole day" in _ask(project).notes[0]
    log.write(project.pk, [factories.event("r")])
    assert "is not known" in _ask(project).notes[0]
    assert "needs 29 whole days" in _ask(project, figure="calls", days=7).notes[0]
