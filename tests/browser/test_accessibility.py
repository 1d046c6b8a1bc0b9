"""Every page in a real browser, both schemes, phone and desktop: no serious accessibility violation, no side scroll.

The rules are axe-core's, those it calls serious or critical. Each page is looked at without script as well.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from evaluation import demonstration
from evaluation.models import EvaluationRun, Recommendation
from evaluation.tasks import run_evaluation
from netra import embeddings
from projects import kind_fitting, log, sourcing
from projects.models import Import, Membership, Project, User
from routing import catalog_sync
from tests.browser.conftest import Open, aside, is_wide
from tests.projects import kinds, overviews
from tests.routing import decided

pytestmark = pytest.mark.browser
HOME = "/projects/agent/"
PAGES = (
    *("/", "/account/", "/supply/", f"{HOME}?window=24h"),
    *(f"{HOME}{name}/" for name in ("logs", "cache", "kinds", "sessions", "ledger", "imports", "sources", "views")),
    *(f"{HOME}analytics/?analysis={name}" for name in ("aggregate", "distribution", "correlation", "clusters")),
    *(f"{HOME}?window=24h&part={name}" for name in ("change", "latency", "failures", "models", "drivers", "outliers")),
    *(f"{HOME}{name}/" for name in ("providers", "routing", "evaluations", "recommendations", "settings")),
    *(
        f"{HOME}{name}"
        for name in (
            "imports/new",
            "sources/add/langfuse",
            "evaluations/new",
            "routing/policies/new",
            "routing/controls/",
            "routing/quality/",
        )
    ),
    *(f"{HOME}settings/privacy/", f"{HOME}settings/digest"),
)
SCREENS = [(1280, "light"), (390, "dark")]


def _troubles(page: Page, addresses: list[str]) -> dict[str, list[str]]:
    """What is wrong with each page: by axe, or that it scrolls sideways."""
    found = {}
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        broken = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
        told = [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in broken]
        if told := [*told, *(["scrolls sideways"] if is_wide(page) else [])]:
            found[address] = told
    return found


def _without_script(page: Page, addresses: list[str]) -> dict[str, str]:
    """Pages that have nothing to say under their heading, or did not answer."""
    found = {}
    for address in addresses:
        answer = page.goto(address)
        said = page.inner_text("main").removeprefix(page.inner_text("h1"))
        if answer is None or answer.status != 200 or len(said.split()) < 5:
            found[address] = said
    return found


@pytest.fixture
def told(owned: Project) -> list[str]:
    """Two days of calls, and every page of a project's own."""
    overviews.priced(owned, overviews.two_days())
    return list(PAGES)


@pytest.fixture
def details(owned: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses of the pages of single things, each with something on it."""
    return [*_of_the_log(owned, monkeypatch), *_of_routing(owned), *_of_an_evaluation()]


def _of_the_log(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(embeddings, "encode", kinds.directions)
    ids = list(log.write(project.pk, kinds.calls(30)).ids)
    overviews.priced(project, overviews.two_days())
    kind_fitting.run(kind_fitting.start(project, seed=1))
    given = {"base_url": "http://127.0.0.1:9", "account": "pk-lf-1", "secret": "sk-lf-1"}
    sourcing.create(project, kind="langfuse", name="langfuse", given=given)
    names = (f"logs/{ids[0]}/", "traces/n-4/", "sessions/s-3/", "kinds/1/", "sources/langfuse/")
    return [f"{HOME}{name}" for name in names]


def _of_routing(project: Project) -> list[str]:
    decided.options(project)
    ids = decided.logged(project, decided.policy(project), 20)
    names = ("routing/policies/auto/", f"routing/decisions/{ids[0]}/", "providers/lab/")
    return [*(f"{HOME}{name}" for name in names), "/supply/option/lab/dear"]


def _of_an_evaluation() -> list[str]:
    """The demo world's second story, run to its end."""
    catalog_sync.apply(catalog_sync.plans()[1])
    project, _ = demonstration.prepare(n_calls=300)
    owner = User.objects.get(email="owner@example.com")
    Membership.objects.create(project=project, user=owner, role=Membership.Role.OWNER)
    run = demonstration.evaluations(project)[1]
    aside(lambda: run_evaluation(run.pk))
    assert EvaluationRun.objects.get(pk=run.pk).state == EvaluationRun.State.DONE
    names = (
        *(f"evaluations/{run.pk}/", f"evaluations/{run.pk}/calls"),
        f"recommendations/{Recommendation.objects.get(run=run).pk}/",
        f"imports/{Import.objects.get(project=project).pk}/",
    )
    return [f"/projects/{project.slug}/{name}" for name in names]


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_no_page_is_closed_to_anybody(open_page: Open, told: list[str], width: int, scheme: Any) -> None:
    # axe is written into the page, which our policy forbids to everybody else.
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    assert _troubles(page, told) == {}


def test_no_page_needs_script(open_page: Open, told: list[str]) -> None:
    assert _without_script(open_page(java_script_enabled=False), told) == {}


def test_no_page_of_a_single_thing_is_closed_to_anybody_or_needs_script(open_page: Open, details: list[str]) -> None:
    """One world for both screens: making it takes longer than looking."""
    found = {}
    for width, scheme in SCREENS:
        page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
        found |= _troubles(page, details)
    assert found == {}
    assert _without_script(open_page(java_script_enabled=False), details) == {}
