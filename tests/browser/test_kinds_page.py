"""Kinds of work in a real browser: room on a phone, no trouble in the console, and no need of script."""

from __future__ import annotations

import pytest

from netra import embeddings
from projects import kind_fitting, log
from projects.models import Project
from tests.browser.conftest import Open, is_wide
from tests.projects import kinds

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def fitted(owned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "encode", kinds.directions)
    log.write(owned.pk, kinds.calls(30))
    kind_fitting.run(kind_fitting.start(owned, seed=1))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/projects/agent/kinds/", "/projects/agent/kinds/1/"])
def test_pages_fit_without_trouble(open_page: Open, width: int, path: str) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.goto(path)
    assert not is_wide(page)


def test_a_kind_is_opened_and_named_without_script(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/projects/agent/kinds/")
    page.click("table.kinds a >> nth=0")
    page.fill("input[name=name]", "Money back")
    page.click("text=Rename")
    assert page.inner_text("h1").startswith("Money back")
