"""What the coming days will bring: a seasonal mean, and an interval from how far it was off before. Pure, numpy.

A day's forecast is the mean of the same weekday over the last four weeks (a seasonal naive forecast, smoothed). Its
interval is conformal (Vovk, Gammerman, Shafer, 2005): the same forecast is made from every earlier day that had two
weeks before it; what it was off by on average is added, and the errors over the same number of days, ordered, give the
bounds: of n errors the
⌊(n+1)(1−c)/2⌋-th from either end. That takes n ≥ 2/(1−c) − 1 errors; with fewer nothing is said. Successive errors
overlap, so the coverage is near c, not guaranteed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SEASON = 7
WEEKS = 4
LEAST_HISTORY = 2 * SEASON


@dataclass(frozen=True, slots=True)
class Outlook:
    """`days` and their sum, in the unit of the history; [low, high] of each; `n_errors` that the interval rests on."""

    days: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    total: float
    total_low: float
    total_high: float
    n_errors: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Why nothing is said."""

    sentence: str


def outlook(history: Sequence[float], days: int, coverage: float) -> Outlook | Silence:
    """`history`: one value a whole day, oldest first, none missing."""
    needed = needed_days(days, coverage)
    if len(history) < needed:
        return Silence(
            f"A forecast of {days} days with its interval needs {needed} whole days of history; "
            f"there are {len(history)}."
        )
    values = np.asarray(history, float)
    origins = range(LEAST_HISTORY, len(values) - days + 1)
    errors = np.array([values[at : at + days] - _ahead(values[:at], days) for at in origins])
    point = _ahead(values, days)
    of_day, of_total = _bounds(errors.ravel(), coverage), _bounds(errors.sum(axis=1), coverage)
    # Where traffic grows, weeks past say too little, by as much as they did before.
    expected = np.maximum(0.0, point + errors.mean())
    bounds = [_around(each, low, of_day) for each, low in zip(expected, point, strict=True)]
    total = float(expected.sum())
    total_low, total_high = _around(total, float(point.sum()), of_total)
    return Outlook(
        days=tuple(map(float, expected)),
        low=tuple(low for low, _ in bounds),
        high=tuple(high for _, high in bounds),
        total=total,
        total_low=total_low,
        total_high=total_high,
        n_errors=len(errors),
    )


def _around(expected: float, point: float, errors: tuple[float, float]) -> tuple[float, float]:
    """The interval of past errors about the uncorrected forecast; wider where it would leave out what is expected."""
    low, high = (max(0.0, point + error) for error in errors)
    return min(low, float(expected)), max(high, float(expected))


def needed_days(days: int, coverage: float) -> int:
    """Whole days of history that a forecast of so many days takes."""
    return LEAST_HISTORY + days + math.ceil(2 / (1 - coverage) - 1 - 1e-9) - 1


def longest(n_history: int, coverage: float) -> int:
    """Days that so much history can speak of; none at all when below 1."""
    return n_history - needed_days(0, coverage)


def _ahead(history: np.ndarray, days: int) -> np.ndarray:
    weeks = min(WEEKS, len(history) // SEASON)
    season = history[len(history) - weeks * SEASON :].reshape(weeks, SEASON).mean(axis=0)
    return np.resize(season, days)


def _bounds(errors: np.ndarray, coverage: float) -> tuple[float, float]:
    rank = max(1, math.floor((len(errors) + 1) * (1 - coverage) / 2 + 1e-9))
    ordered = np.sort(errors)
    return float(ordered[rank - 1]), float(ordered[-rank])
