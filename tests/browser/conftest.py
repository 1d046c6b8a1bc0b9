"""A real browser for the tests of this folder: pages the owner is logged in to, whose consoles must stay quiet."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from projects.models import Project, User
from tests import factories

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a file, not of the session: while Playwright runs, no other test's event loop can."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def owned(transactional_db: None, events: None) -> Project:
    """A project whose owner the pages are logged in as."""
    return factories.project("agent", owner=factories.user("owner@example.com"))


@pytest.fixture
def open_page(browser: Browser, live_server: Any) -> Iterator[Open]:
    """`open_page(is_logged_in=True, **options)`: a new page; options are those of a browser context.

    A 404 or a refused script shows in the console: the strict policy must never get in the way of our own pages.
    """
    contexts, troubles = [], []

    def opened(*, is_logged_in: bool = True, **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        if is_logged_in:
            client = factories.client(User.objects.get(email="owner@example.com"))
            cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
            context.add_cookies([cookie])
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda problem: troubles.append(str(problem)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [trouble for trouble in troubles if "favicon" not in trouble] == []


def is_wide(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def aside(work: Callable[[], object]) -> None:
    """In a thread of its own, as a worker would: Playwright's event loop runs in this one."""

    def task() -> None:
        work()
        connections.close_all()

    thread = threading.Thread(target=task)
    thread.start()
    thread.join()
