"""The prompt cache in a real browser: charts for what was asked, room on a phone, and no need of script."""

from __future__ import annotations

import pytest

from netra.tokens import Tokens
from projects import log
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories
from tests.browser.conftest import Open, is_wide
from tests.projects.prompts import INSTRUCTIONS

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def calls(owned: Project) -> None:
    log.write(owned.pk, [_event(at) for at in range(12)])


def _event(at: int) -> WorkloadEvent:
    stamped = f"Time: 2026-11-02T12:{at:02}:07Z\n{INSTRUCTIONS}"
    messages = [{"role": "system", "content": stamped}, {"role": "user", "content": "?"}]
    tokens = Tokens(input_fresh=len(stamped) // 4, cache_read=0, output_visible=9)
    return factories.event(f"r-{at}", request={"messages": messages}, tokens=tokens)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_drawn_and_fits(open_page: Open, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.goto("/projects/agent/cache/?block_tokens=64")
    page.wait_for_selector(".chart[data-drawn] canvas >> nth=1")
    assert not is_wide(page)


def test_it_works_without_script(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/projects/agent/cache/")
    page.fill("input[name=servers]", "7")
    page.click("text=Look")
    text = page.inner_text("main")
    assert "7 servers" in text
    assert "Move the timestamp" in text
