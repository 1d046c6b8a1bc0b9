"""Charts' script from its package and nothing else from there, charts' numbers, and links that know their page."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template
from django.test import RequestFactory
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from netra import plots
from netra.charts import BokehFinder, StaticStorage
from netra.plots import Placed
from netra.templatetags import drawings, figures, navigation

LIGHT = plots.palette("light")
SCRIPT = "bokeh/bokeh.min.js"


# The script.


def test_the_script_is_found_where_the_package_keeps_it() -> None:
    found = Path(str(finders.find(SCRIPT)))
    assert found.is_file() and "bokeh" in found.parts and found.stat().st_size > 100_000


@pytest.mark.parametrize(
    "path",
    [
        "bokeh.min.js",
        "bokeh/",
        "bokeh/bokeh.js",
        "bokeh/../bokeh.min.js",
        "bokeh/../../../../core/settings.py",
        "bokeh//etc/passwd",
        "bokeh/bokeh.min.js/",
        "bokeh/BOKEH.MIN.JS",
        "bokeh/bokeh.min.js\x00",
        "",
    ],
)
def test_nothing_else_of_the_package_is_served(path: str) -> None:
    assert BokehFinder().find(path) is None
    assert BokehFinder().find(path, find_all=True) == []


def test_all_findings_are_one() -> None:
    finder = BokehFinder()
    assert finder.find(SCRIPT, find_all=True) == [finder.find(SCRIPT)]


def test_what_is_collected_is_what_is_found() -> None:
    [(name, storage)] = BokehFinder().list(None)
    assert storage.exists(name) and f"{storage.prefix}/{name}" == SCRIPT


def test_a_bare_checkout_has_plain_names(tmp_path: Path) -> None:
    assert StaticStorage(location=str(tmp_path), base_url="/static/").url("css/base.css") == "/static/css/base.css"


def test_a_page_with_charts_loads_our_script_before_theirs_and_gives_it_the_nonce() -> None:
    request = RequestFactory().get("/")
    page = Template("{% load charting %}{% chart_scripts %}").render(Context({"request": request}))
    first, second = page.split("</script>")[:2]
    nonce = request.style_nonce  # type: ignore[attr-defined]
    assert "js/chart.js" in first and f'nonce="{nonce}"' in first
    assert SCRIPT in second and "nonce" not in second and page.count("defer") == 2


# The numbers.


def columns(item: Any) -> list[dict[str, Any]]:
    """The data columns of every source in a chart."""
    if isinstance(item, dict):
        own = [dict(item["attributes"]["data"]["entries"])] if item.get("name") == "ColumnDataSource" else []
        return own + [each for value in item.values() for each in columns(value)]
    return [each for value in item for each in columns(value)] if isinstance(item, list) else []


wealths = st.lists(st.none() | st.floats(0, allow_infinity=False), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(wealths, st.floats(2, 1_000))
def test_evidence_is_drawn_inside_its_axis_and_told_as_it_is(path: list[float | None], goal: float) -> None:
    steps = list(enumerate(path, start=1))
    [drawn] = [each for each in columns(plots.evidence([("a", steps)], goal, LIGHT)) if "e" in each]
    assert all(1 / goal <= y <= goal * 3 for y in drawn["y"])
    assert drawn["e"] == [wealth for wealth in path if wealth is not None]


def test_candidates_keep_their_numbers_and_the_incumbent_its_place() -> None:
    placed = [Placed("a", 1.5, -2.0, -3.0, -1.0), Placed("b", 0.25, 0.5, -0.5, 1.5)]
    candidates, incumbent = columns(plots.trade_off(placed, 2.0, LIGHT))[:2]
    if candidates["name"] == ["incumbent"]:
        candidates, incumbent = incumbent, candidates
    assert (candidates["x"], candidates["y"]) == ([1.5, 0.25], [-2.0, 0.5])
    assert (incumbent["x"], incumbent["y"]) == ([2.0], [0.0])


@pytest.mark.parametrize("chart", [plots.evidence([], 20, LIGHT), plots.trade_off([], 0, LIGHT)])
def test_a_chart_of_nothing_is_still_json(chart: dict[str, Any]) -> None:
    assert json.loads(json.dumps(chart))["doc"]["roots"]


@pytest.mark.parametrize("scheme", ["light", "dark", "neon", ""])
def test_series_can_be_told_apart_from_each_other_and_from_the_text(scheme: str) -> None:
    colours = plots.palette(scheme)
    assert len({*colours.series, colours.ink, colours.soft, colours.line}) == len(colours.series) + 3


# Numbers in pictures and sentences that other files do not look at.


@pytest.mark.parametrize(
    ("p_value", "written"),
    [(0.0004, "> 99.9"), (0.001, "99.9"), (0.05, "95.0"), (0.5, "50.0"), (1, "0.0"), (1.7, "0.0"), (0, "> 99.9")],
)
def test_confidence_never_claims_certainty(p_value: float, written: str) -> None:
    assert figures.confidence(p_value) == f"{written}\u202f%"


@given(st.floats(0, 1))
def test_no_p_value_is_written_as_a_hundred_percent(p_value: float) -> None:
    assert "100" not in figures.confidence(p_value)


@pytest.mark.parametrize(("value", "written"), [(1234567, "1,234,567"), (-1200, "−1,200"), (0, "0"), ("12", "12")])
def test_counts_part_their_thousands(value: Any, written: str) -> None:
    assert figures.count(value) == written


def test_json_for_reading_keeps_letters_and_takes_anything() -> None:
    assert '"é"' in figures.as_json({"a": "é"}) and "2026-01-01" in figures.as_json([date(2026, 1, 1)])


@pytest.mark.parametrize(
    ("mapping", "key", "found"), [({"a": 1}, "a", 1), ({"a": 1}, "b", None), (None, "a", None), (3, 1, None)]
)
def test_a_key_that_is_a_variable_finds_its_value_or_nothing(mapping: Any, key: Any, found: Any) -> None:
    assert figures.get(mapping, key) == found


gates = st.fixed_dictionaries(
    {name: st.none() | st.floats(-1e6, 1e6) for name in ("estimate", "low", "high")}
    | {"limit": st.floats(-1, 1), "is_passed": st.booleans(), "is_failed": st.booleans()}
)


@given(st.lists(gates, max_size=4))
def test_a_forest_of_any_gates_stays_in_its_frame(given_: list[dict[str, Any]]) -> None:
    drawn = drawings.forest([{**gate, "name": "quality"} for gate in given_])
    lines = ElementTree.fromstring(drawn).iter("line")
    assert all(190 <= float(line.get(name, 0)) <= 440 for line in lines for name in ("x1", "x2"))


# Links that know their page.


def at(path: str) -> Context:
    return Context({"request": RequestFactory().get(path)})


@pytest.mark.parametrize(
    ("path", "exact", "is_current"),
    [
        ("/supply/", False, True),
        ("/supply/", True, True),
        ("/supply/option/openai/gpt-x", False, True),
        ("/supply/option/openai/gpt-x", True, False),
        ("/supply-other/", False, False),
        ("/", False, False),
    ],
)
def test_a_link_is_marked_on_its_page_and_on_those_below(path: str, exact: bool, is_current: bool) -> None:
    link = navigation.nav_link(at(path), "routing:supply", "Supply", exact=exact)
    assert (' aria-current="page"' in link) is is_current and ">Supply</a>" in link


def test_a_project_whose_name_begins_alike_is_another_page() -> None:
    link = navigation.nav_link(at("/projects/agent-2/providers/"), "routing:connections", "Providers", "agent")
    assert "aria-current" not in link


def test_a_link_needs_no_request_and_its_label_is_text() -> None:
    link = navigation.nav_link(Context({}), "routing:supply", "<b>")
    assert link == '<a href="/supply/">&lt;b&gt;</a>' and isinstance(link, SafeString)


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        ("/?a=1&b=2", {"a": 3}, {"a=3", "b=2"}),
        ("/?a=1&b=2", {"a": None}, {"b=2"}),
        ("/?a=1&b=2", {"a": "", "b": ""}, set()),
        ("/?a=1&a=2", {"a": 3}, {"a=3"}),
        ("/?a=1&a=2", {"b": 0}, {"a=1", "a=2", "b=0"}),
        ("/", {"after": 'x&y="<'}, {"after=x%26y%3D%22%3C"}),
    ],
)
def test_a_query_changes_only_what_it_is_told(path: str, changes: dict[str, Any], expected: set[str]) -> None:
    found = navigation.query(at(path), **changes)
    assert found.startswith("?") and set(filter(None, found[1:].split("&"))) == expected


def test_a_query_leaves_the_page_s_own_untouched() -> None:
    context = at("/?a=1")
    navigation.query(context, a=2)
    assert context["request"].GET["a"] == "1"
    assert navigation.query(Context({}), a=1) == ""


def test_the_label_of_simulated_things_is_the_same_everywhere() -> None:
    thing = SimpleNamespace(is_simulated=True)
    rendered = Template("{% load figures %}{% simulated thing %}").render(Context({"thing": thing}))
    assert rendered == '<span class="tag tag-simulated">simulated</span>'
