"""The counterfactual page in a real browser: the picture drawn, room on a phone, a draft tried without script."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from projects.models import Project, User
from tests import factories
from tests.routing import decided

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PAGE = "/projects/agent/routing/counterfactual"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("events"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def project(db: None) -> Project:
    made = factories.project("agent", owner=factories.user("owner@example.com"))
    decided.options(made)
    decided.judge(made, decided.logged(made, decided.policy(made), 300), -0.01)
    return made


def opened(browser: Browser, url: str, **options: Any) -> Any:
    """A page of a browser in which the owner is logged in."""
    client = factories.client(User.objects.get(email="owner@example.com"))
    context = browser.new_context(base_url=url, **options)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}])
    return context.new_page()


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_drawn_and_fits(browser: Browser, live_server: Any, project: Project, width: int) -> None:
    page, troubles = opened(browser, live_server.url, viewport={"width": width, "height": 900}), []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.goto(f"{PAGE}?policy=auto&days=7")
    page.wait_for_selector(".chart[data-drawn] canvas")
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/cf-{width}.png", full_page=True)
    page.context.close()
    assert not wide
    assert [trouble for trouble in troubles if "favicon" not in trouble] == []


def test_a_draft_is_tried_and_put_in_use_without_script(browser: Browser, live_server: Any, project: Project) -> None:
    page = opened(browser, live_server.url, java_script_enabled=False)
    page.goto(PAGE)
    page.click("text=Try a draft of netra/auto")
    page.select_option("select[name=kind]", "split")
    page.fill("textarea[name=shares]", f"{decided.CHEAP} 1")
    page.click("button:has-text('Try the draft')")
    assert "The draft on 300 logged decisions" in page.inner_text("main")
    page.click("button:has-text('Put in use')")
    text = page.inner_text("main")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/cf-adopted.png", full_page=True)
    page.context.close()
    assert "auto v2 is in use" in text and "Nothing to score yet" in text
