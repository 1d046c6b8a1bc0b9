"""The counterfactual page in a real browser: the picture drawn, room on a phone, a draft tried without script."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page

from projects.models import Project
from tests.browser.conftest import Open, is_wide
from tests.routing import decided

PAGE = "/projects/agent/routing/counterfactual"
pytestmark = pytest.mark.browser


@pytest.fixture
def judged(owned: Project) -> Project:
    decided.options(owned)
    decided.judge(owned, decided.logged(owned, decided.policy(owned), 300), -0.01)
    return owned


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_drawn_and_fits(open_page: Open, judged: Project, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    page.goto(f"{PAGE}?policy=auto&days=7")
    page.wait_for_selector(".chart[data-drawn] canvas")
    shot(page, f"cf-{width}")
    assert not is_wide(page)


def test_a_draft_is_tried_and_put_in_use_without_script(open_page: Open, judged: Project) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(PAGE)
    page.click("text=Try a draft of netra/auto")
    page.select_option("select[name=kind]", "split")
    page.fill("textarea[name=shares]", f"{decided.CHEAP} 1")
    page.click("button:has-text('Try the draft')")
    assert "The draft on 300 logged decisions" in page.inner_text("main")
    page.click("button:has-text('Put in use')")
    text = page.inner_text("main")
    shot(page, "cf-adopted")
    assert "auto v2 is in use" in text and "Nothing to score yet" in text
