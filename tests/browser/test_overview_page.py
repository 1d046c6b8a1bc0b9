"""The overview in a real browser: drawn, swapped by part, readable on a phone, and of use without script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from projects.models import Project
from tests.browser.conftest import Open, is_wide
from tests.projects import overviews

pytestmark = pytest.mark.browser
URL = "/projects/agent/?window=24h"


@pytest.fixture(autouse=True)
def calls(owned: Project) -> None:
    overviews.priced(owned, overviews.two_days())


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_drawn_its_parts_are_swapped_and_it_fits(open_page: Open, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.goto(URL)
    # Why spend changed comes after the page, and is drawn as well.
    page.wait_for_selector("#why .chart[data-drawn] canvas")
    page.click("nav.tabs >> text=Latency")
    page.wait_for_selector("#latency .chart[data-drawn] canvas")
    assert "part=latency" in page.url and page.locator("dl.figures").count() == 1
    assert not is_wide(page)


def test_what_is_saved_is_the_part_that_was_swapped_in(open_page: Open) -> None:
    page = open_page()
    page.goto(URL)
    page.click("nav.tabs >> text=Latency")
    page.wait_for_selector("#latency .chart[data-drawn] canvas")
    page.click("text=Save this view")
    page.fill("#save-view-name", "Slow days")
    page.click("form[action$='/views/save'] button")
    page.click("table >> text=Slow days")
    page.wait_for_selector("#latency")
    assert "part=latency" in page.url and "window=24h" in page.url


def test_a_part_comes_back_whole_by_the_back_button(open_page: Open) -> None:
    page = open_page()
    page.goto(URL)
    page.click("nav.tabs >> text=Outliers")
    page.wait_for_selector("#days")
    page.go_back()
    page.wait_for_selector("#spend")
    assert page.locator("dl.figures").count() == 1


def test_a_chart_whose_data_comes_after_its_part_has_gone_is_let_go(open_page: Open) -> None:
    page = open_page()
    late: list[Route] = []
    page.route("**/*scheme=*", lambda route: late.append(route))
    page.goto(URL)
    page.wait_for_function("document.querySelectorAll('[data-chart-url]').length > 0")
    page.click("nav.tabs >> text=Outliers")
    page.wait_for_selector("#days")
    gone = [route for route in late if "part=outliers" not in route.request.url]
    for route in late:
        with page.expect_response(route.request.url):
            route.continue_()
    page.wait_for_timeout(500)
    assert gone and page.locator("#days").count() == 1


def test_it_works_without_script(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(URL)
    page.click("text=Why spend changed")
    drawn = page.locator("#why svg.drawing").count()
    page.click("nav.tabs >> text=Cost drivers")
    page.click("#drivers >> text=User")
    page.click("#drivers tbody tr:first-child >> text=events")
    assert (drawn, page.locator("table.calls tbody tr").count()) == (1, 3)
