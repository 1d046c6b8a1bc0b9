"""What an option's lately seen calls say: quantiles that fade, shares that are unknown before anything was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.health import HALF_LIFE_S, RATIO, Health


def seen(*durations_ms: float, at: float = 0.0) -> Health:
    made = Health()
    for each in durations_ms:
        made.answered(each, at)
    return made


def test_nothing_seen_is_nothing_known() -> None:
    assert Health().latency_ms() is None and Health().failing_share is None


def test_a_few_calls_are_too_few() -> None:
    assert seen(100, 100).latency_ms() is None


@given(st.lists(st.floats(2, 100_000), min_size=20, max_size=200), st.sampled_from([0.5, 0.9, 0.95]))
def test_quantiles_are_at_most_a_tenth_too_high(durations: list[float], quantile: float) -> None:
    exact = float(np.quantile(durations, quantile, method="inverted_cdf"))
    found = seen(*durations).latency_ms(quantile)
    assert found is not None and exact * 0.999 <= found <= exact * RATIO * 1.001


def test_what_is_new_outweighs_what_is_old() -> None:
    made = seen(*[100.0] * 100)
    for _ in range(20):
        made.answered(1_000.0, 5 * HALF_LIFE_S)
    assert (made.latency_ms(0.5) or 0) > 900


def test_failures_are_a_share() -> None:
    made = seen(100, 100, 100)
    made.failed(0.0)
    assert made.failing_share == pytest.approx(0.25)


def test_weeks_of_calls_do_not_overflow() -> None:
    made = Health()
    for day in range(60):
        made.answered(100.0, day * 86_400.0)
    for _ in range(10):
        made.answered(100.0, 60 * 86_400.0)
    assert made.latency_ms() == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("odd", [0.0, -5.0, float("nan"), 1e12])
def test_odd_durations_do_no_harm(odd: float) -> None:
    assert seen(*[odd] * 10).latency_ms() is not None
