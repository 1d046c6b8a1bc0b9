"""What a chart shows, before anyone draws it: as SVG by the server, or by Bokeh where script runs. Pure.

Places on the horizontal axis are counted, not timed: a day has one place whether it has 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Literal

Kind = Literal["columns", "lines", "stack", "steps"]
Value = float | None


@dataclass(frozen=True, slots=True)
class Series:
    """A value a place; None where it is not known."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """`unit`: usd, ms, calls or share. `marks`: a word for each place. `low`, `high`: an interval at each place.

    `n_ahead`: how many of the last places are expected, not seen. `steps` draws the first and the last value from
    nought, and those between as changes.
    """

    kind: Kind
    unit: str
    label: str
    marks: tuple[str, ...]
    series: tuple[Series, ...]
    low: tuple[Value, ...] = ()
    high: tuple[Value, ...] = ()
    n_ahead: int = 0

    @property
    def is_empty(self) -> bool:
        return not any(value for each in self.series for value in each.values)

    def span(self) -> tuple[float, float]:
        """From the least to the greatest height that is drawn; nought is always within."""
        if self.kind == "stack":
            heights = [sum(value or 0 for value in place) for place in zip(*self._values(), strict=True)]
        elif self.kind == "steps":
            heights = [edge for step in self.steps() for edge in step]
        else:
            heights = [value for values in (*self._values(), self.high) for value in values if value is not None]
        return min(0.0, *heights, 0.0), max(0.0, *heights, 0.0)

    def steps(self) -> list[tuple[float, float]]:
        """Bottom and top of each column of a picture of steps."""
        values = [value or 0.0 for value in self.series[0].values]
        found, at = [(0.0, values[0])], values[0]
        for change in values[1:-1]:
            found.append((at, at + change))
            at += change
        return [*found, (0.0, values[-1])]

    def stacked(self) -> list[list[tuple[float, float]]]:
        """Of each series, bottom and top at each place."""
        tops = [0.0] * len(self.marks)
        found = []
        for values in self._values():
            bottoms, tops = tops, [top + (value or 0.0) for top, value in zip(tops, values, strict=True)]
            found.append(list(zip(bottoms, tops, strict=True)))
        return found

    def _values(self) -> list[tuple[Value, ...]]:
        return [each.values for each in self.series]


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from `low` to `high`, about as many as wanted, nought among them."""
    reach = high - low
    if not reach > 1e-12:
        return [0.0]
    step = _round_up(reach / wanted)
    return [at * step for at in range(-floor(-low / step), floor(high / step) + 1)]


def _round_up(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= value * 0.999)


def spread(n: int, wanted: int) -> Sequence[int]:
    """Places out of n, about as many as wanted and evenly apart, for words that need room."""
    return range(0, n, max(1, -(-n // wanted)))
