"""Charts as JSON: the numbers given are the numbers drawn, unknown ones are left out, and both schemes have colours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netra import plots
from netra.pictures import Picture, Series
from netra.plots import PALETTES, Placed

LIGHT = plots.palette("light")


def _columns(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The data columns of every source in a chart, as plain lists."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("name") == "ColumnDataSource":
                found.append(dict(node["attributes"]["data"]["entries"]))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(item)
    return found


def test_evidence_below_the_picture_is_drawn_at_its_edge_but_told_as_it_is() -> None:
    item = plots.evidence([("cheap", [(1, 1.0), (2, 1e-9), (3, None), (4, 1e6)])], 20.0, LIGHT)
    [columns] = _columns(item)
    assert columns["n"] == [1, 2, 4]
    assert columns["y"] == [1.0, 0.05, 60.0]
    assert columns["e"] == [1.0, 1e-9, 1e6]


def test_more_candidates_than_colours_share_the_last_one() -> None:
    paths = [(f"candidate-{at}", [(1, 1.0), (2, 2.0)]) for at in range(9)]
    item = plots.evidence(paths, 180.0, LIGHT)
    assert len(_columns(item)) == 9
    assert json.dumps(item).count(LIGHT.series[-1]) >= 4


def test_the_incumbent_stands_on_the_zero_line_of_the_trade_off() -> None:
    candidate, incumbent = _columns(plots.trade_off([Placed("small", 0.5, -1.0, -3.0, 1.0)], 2.0, LIGHT))
    assert (incumbent["x"], incumbent["y"]) == ([2.0], [0.0])
    assert (candidate["x"], candidate["low"], candidate["high"]) == ([0.5], [-3.0], [1.0])


def test_free_models_do_not_make_a_picture_without_width() -> None:
    item = plots.trade_off([Placed("free", 0.0, 0.0, -1.0, 1.0)], 0.0, LIGHT)
    assert '"end": 1.35' in json.dumps(item)


@pytest.mark.parametrize("scheme", PALETTES)
def test_charts_take_the_colours_of_their_scheme(scheme: str) -> None:
    colours = plots.palette(scheme)
    drawn = json.dumps(plots.pictured(Picture("columns", "usd", "", ("1 Nov",), (Series("", (1.0,)),)), colours))
    assert colours.series[0] in drawn
    other = PALETTES["dark" if scheme == "light" else "light"]
    assert other.series[0] not in drawn


def test_rates_are_drawn_over_sizes_and_names_with_their_levels() -> None:
    by_size = plots.rates_by_size([(100, 0.2), (1_000, 0.5)], "blocks", [("reported 10 %", 0.1)], LIGHT)
    by_name = plots.rates_by_name([("5 min", 0.3), ("1 h", 0.4)], "kept", [], LIGHT)
    assert _columns(by_size)[0] == {"x": [100, 1_000], "y": [0.2, 0.5]}
    assert _columns(by_name)[0] == {"x": ["5 min", "1 h"], "top": [0.3, 0.4]}
    assert "reported 10 %" in json.dumps(by_size)


def test_an_unknown_scheme_is_light() -> None:
    assert plots.palette("<script>") is PALETTES["light"]


def test_hostile_names_stay_text_in_the_json() -> None:
    hostile = "</script><script>alert(1)</script>"
    item = plots.evidence([(hostile, [(1, 1.0), (2, 2.0)])], 20.0, LIGHT)
    assert _columns(item)[0]["name"] == [hostile, hostile]
