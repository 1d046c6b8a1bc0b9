"""Caches and guardrails in a real browser: room on a phone, and a rule added and moved without script."""

from __future__ import annotations

import pytest

from projects.models import Project
from routing import controls
from tests.browser.conftest import Open, is_wide
from tests.routing.controlled import REGEX

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits(open_page: Open, owned: Project, width: int) -> None:
    rules = [REGEX, {"name": "people", "kind": "pii", "action": "mask", "restore": True}]
    controls.write(owned, {"exact_cache": True, "semantic_cache": True, "guardrails": rules})
    page = open_page(viewport={"width": width, "height": 800})
    page.goto("/projects/agent/routing/controls/")
    assert page.inner_text("h1") == "Caches and guardrails" and not is_wide(page)
    assert "20 more checks are needed" in page.inner_text("main")


def test_a_rule_is_added_and_moved_without_script(open_page: Open, owned: Project) -> None:
    controls.write(owned, {"guardrails": [REGEX]})
    page = open_page(java_script_enabled=False)
    page.goto("/projects/agent/routing/controls/")
    page.fill("#id_name", "phones")
    page.select_option("#id_kind", "pii")
    page.click("text=Add >> nth=-1")
    page.click("[aria-label='Move phones up']")
    assert [rule["name"] for rule in controls.of(owned).guardrails] == ["phones", REGEX["name"]]
