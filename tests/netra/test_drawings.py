"""Pictures from the server: well-formed, inside their frame, silent about what is not known, and safe with any name."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.templatetags import drawings

values = st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e9)), max_size=60)


def gate(name: str = "quality", **changed: Any) -> dict[str, Any]:
    given_ = {"estimate": 0.01, "low": -0.02, "high": 0.04, "limit": -0.05, "is_passed": True, "is_failed": False}
    return {"name": name, **given_, **changed}


def finding(candidate: str = "simulated/small", **changed: Any) -> dict[str, Any]:
    given_: dict[str, Any] = {
        "candidate": candidate,
        "gates": [gate()],
        "trajectory": [[1, 1.0], [2, 1.4], [3, 25.0]],
        "mean_cost_usd": "0.0001",
        "incumbent_cost_usd": "0.0004",
    }
    return given_ | changed


def _numbers(points: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", points)]


@given(values)
def test_a_sparkline_stays_in_its_frame(numbers: list[float | None]) -> None:
    drawn = drawings.sparkline(numbers, "Calls")
    if len([number for number in numbers if number is not None]) < 2:
        assert drawn == ""
        return
    line = ElementTree.fromstring(drawn).find("polyline")
    assert line is not None
    assert all(0 <= number <= 100 for number in _numbers(line.get("points", "")))


@given(values)
def test_columns_are_as_many_as_the_known_values(numbers: list[float | None]) -> None:
    drawn = drawings.columns([{"n": number} for number in numbers], "n", "Calls")
    if not any(numbers):
        assert drawn == ""
        return
    bars = ElementTree.fromstring(drawn).findall("rect")
    assert len(bars) == len([number for number in numbers if number is not None])
    assert all(0 <= float(bar.get("y", "-1")) <= 150 for bar in bars)


@pytest.mark.parametrize(("share", "width"), [(0, "0.00"), (0.25, "25.00"), (1, "100.00"), (7, "100.00"), (-1, "0.00")])
def test_a_bar_is_never_longer_than_its_box(share: float, width: str) -> None:
    assert f'width="{width}"' in drawings.bar(share)


def test_a_share_that_is_not_known_has_no_bar() -> None:
    assert drawings.bar(None) == ""


def test_each_gate_has_its_line_and_its_numbers() -> None:
    drawn = drawings.forest([gate("quality"), gate("safety", is_passed=False, is_failed=True)])
    ElementTree.fromstring(drawn)
    assert "Quality" in drawn
    assert "Safety" in drawn
    assert drawn.count("+1.0  [−2.0, +4.0] %") == 2
    assert "is-bad" in drawn


def test_a_gate_without_data_has_neither_dot_nor_span() -> None:
    drawn = drawings.forest([gate(estimate=None, low=None, high=None, is_passed=False)])
    assert "no data yet" in drawn
    assert "<circle" not in drawn
    assert 'class="span' not in drawn


def test_evidence_beyond_the_picture_stays_on_its_edge() -> None:
    drawn = drawings.evidence_paths([finding(trajectory=[[1, 0.0], [2, 1e300], [3, None]])], 0.05)
    line = ElementTree.fromstring(str(drawn)).find("polyline")
    assert line is not None
    assert all(0 <= y <= 218 for y in _numbers(line.get("points", ""))[1::2])


def test_one_pair_is_no_path() -> None:
    assert drawings.evidence_paths([finding(trajectory=[[1, 1.0]])], 0.05) == ""
    assert drawings.evidence_paths([], 0.05) == ""


@pytest.mark.parametrize(
    "changed", [{"mean_cost_usd": None}, {"incumbent_cost_usd": None}, {"gates": []}, {"gates": [gate(low=None)]}]
)
def test_a_candidate_of_unknown_cost_or_quality_is_not_placed(changed: dict[str, Any]) -> None:
    assert drawings.trade_off([finding(**changed)]) == ""


def test_names_are_text_wherever_they_are_drawn() -> None:
    hostile = finding("x<script>alert(1)<script>")
    assert "<script" not in str(drawings.trade_off([hostile]))
    assert "<script" not in drawings.forest([gate("<script>")])
    assert "<script" not in str(drawings.sparkline([1, 2], '"><script>'))


def test_every_picture_can_be_read_aloud() -> None:
    pictures = (drawings.forest([gate()]), drawings.trade_off([finding()]), drawings.evidence_paths([finding()], 0.05))
    assert all('role="img"' in picture and "aria-label" in picture for picture in pictures)
