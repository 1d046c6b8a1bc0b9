"""Pictures: inside their frame in both ways of drawing, silent about what is unknown, safe with any name."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra import plots
from netra.pictures import Picture, Series, spread, ticks
from netra.templatetags import pictures

LIGHT = plots.palette("light")
values = st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=40)
kinds = st.sampled_from(["columns", "lines", "stack"])


def of(kind: Any, *series: list[float | None], **more: Any) -> Picture:
    marks = tuple(f"m{at}" for at in range(len(series[0])))
    told = tuple(Series(f"s{at}", tuple(each)) for at, each in enumerate(series))
    return Picture(kind, more.pop("unit", "calls"), "Calls", marks, told, **more)


@given(kinds, values)
def test_a_drawing_stays_in_its_frame(kind: str, numbers: list[float | None]) -> None:
    drawn = pictures.picture(of(kind, numbers, numbers))
    if not drawn:
        assert not any(numbers)
        return
    for rect in ElementTree.fromstring(drawn).iter("rect"):
        top, height = float(rect.attrib["y"]), float(rect.attrib["height"])
        assert top >= 7.9 and top + height <= 176.2


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_steps_lead_from_the_first_value_to_the_last(changes: list[float]) -> None:
    first = 5e6
    picture = of("steps", [first, *changes, first + sum(changes)])
    assert picture.steps()[-2][1] == pytest.approx(first + sum(changes))
    low, high = picture.span()
    assert all(low <= edge <= high for step in picture.steps() for edge in step)


@given(st.floats(-1e9, 0), st.floats(0, 1e9))
def test_ticks_are_round_few_and_hold_nought(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 0.0 in found and len(found) <= 7
    assert all(low - 1e-6 <= at <= high * 1.001 + 1e-6 for at in found)


@given(st.integers(0, 500), st.integers(1, 10))
def test_words_have_room(n: int, wanted: int) -> None:
    assert len(spread(n, wanted)) <= wanted


@settings(max_examples=15, deadline=None)
@given(kinds, values)
def test_a_chart_tells_every_known_value_and_no_other(kind: str, numbers: list[float | None]) -> None:
    told = [each for each in _sources(plots.pictured(of(kind, numbers), LIGHT)) if "told" in each]
    assert [len(each["told"]) for each in told] == [sum(value is not None for value in numbers)]


def test_what_is_expected_is_drawn_apart_with_its_interval() -> None:
    drawn = pictures.picture(of("columns", [1.0, 2.0], low=(None, 1.0), high=(None, 3.0), n_ahead=1))
    assert drawn.count('class="bar-fill"') == drawn.count('class="bar-ahead"') == drawn.count('class="interval"') == 1


def test_an_unknown_value_breaks_a_line() -> None:
    drawn = pictures.picture(of("lines", [1.0, 2.0, None, 3.0]))
    assert drawn.count("<polyline") == 1 and drawn.count("<circle") == 1


def test_a_legend_is_for_several_series_and_safe() -> None:
    hostile = Picture("stack", "calls", "", ("m",), (Series("<script>", (1.0,)), Series("b", (2.0,))))
    assert "&lt;script&gt;" in pictures.legend(hostile)
    assert pictures.legend(of("stack", [1.0])) == ""


def test_nothing_to_see_is_no_drawing() -> None:
    assert pictures.picture(None) == pictures.picture(of("columns", [None, 0.0])) == ""


@pytest.mark.parametrize("kind", ["columns", "lines", "stack", "steps"])
def test_a_chart_of_nothing_is_still_json(kind: str) -> None:
    assert json.loads(json.dumps(plots.pictured(of(kind, [None, None]), LIGHT)))["doc"]["roots"]


def _sources(item: Any) -> list[dict[str, Any]]:
    if isinstance(item, dict):
        own = [dict(item["attributes"]["data"]["entries"])] if item.get("name") == "ColumnDataSource" else []
        return own + [each for value in item.values() for each in _sources(value)]
    return [each for value in item for each in _sources(value)] if isinstance(item, list) else []


def test_axis_words_are_the_ticks_own() -> None:
    drawn = pictures.picture(of("columns", [1000.0] * 12))
    assert re.findall(r">(m\d+)<", drawn) == ["m0", "m2", "m4", "m6", "m8", "m10"]
