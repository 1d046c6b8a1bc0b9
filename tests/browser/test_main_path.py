"""The main path in a real browser: log in, look at the demo's pages, import a file, plan an evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from evaluation import demonstration
from evaluation.tasks import run_evaluation
from netra import celery
from projects.models import Import, Membership, Project, User
from tests import factories
from tests.browser.conftest import Open, aside, is_wide
from tests.projects.damaged import lines, netra_rows

pytestmark = pytest.mark.browser


@pytest.fixture
def worker() -> Iterator[None]:
    """A real worker beside the live server, as `manage.py up` has it."""
    running = celery.EmbeddedWorker(concurrency=2, beat=False)
    running.start()
    yield
    running.stop()


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page(is_logged_in=False, viewport={"width": 1280, "height": 900})


def _log_in(page: Page, email: str) -> None:
    page.goto("/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", factories.PASSWORD)
    page.click("main form .button-main")
    page.wait_for_url("**/")


def _misplaced(page: Page) -> list[int]:
    """Columns of the page's table whose cells do not stand under their head."""
    found: list[int] = page.evaluate(
        """() => {
            const left = (cell) => Math.round(cell.getBoundingClientRect().left);
            const heads = [...document.querySelectorAll("thead th")].map(left);
            const cells = [...document.querySelector("tbody tr").children].map(left);
            return heads.map((x, at) => (x === cells[at] ? null : at)).filter((at) => at !== null);
        }"""
    )
    return found


@pytest.fixture
def person(transactional_db: None, events: None) -> User:
    return factories.user("owner@example.com")


def test_a_file_is_uploaded_and_its_ledger_read(page: Page, worker: None, person: User, tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join([*lines(netra_rows()), b"broken"]))
    _log_in(page, person.email)
    page.click("text=New project")
    page.fill("input[name=name]", "Support")
    page.fill("input[name=slug]", "support")
    page.click("text=Make the project")
    page.click("text=Import a log")
    page.set_input_files("input[type=file]", str(tmp_path / "calls.jsonl"))
    page.click("main form .button-main")
    page.wait_for_url("**/imports/*/")
    assert _misplaced(page) == []
    page.click("text=Import as Netra JSON lines")
    page.wait_for_selector("#progress >> text=The line is not valid JSON.", timeout=20_000)
    assert Import.objects.get().n_taken == 3
    page.click("nav.side >> text=Logs")
    assert _misplaced(page) == []
    page.click("table tbody tr:first-child a")
    assert "Question" in page.inner_text("main")


def test_from_the_plan_to_a_recommendation_and_its_acknowledgement(
    page: Page, person: User, event_schema: None
) -> None:
    from django.core.management import call_command

    call_command("sync_catalog", "--first-time", verbosity=0)
    project, _ = demonstration.prepare(n_calls=400)
    Membership.objects.create(project=project, user=person, role=Membership.Role.OWNER)
    run = demonstration.evaluations(project)[1]
    aside(lambda: run_evaluation(run.pk))
    _log_in(page, person.email)
    page.goto("/projects/demo/")
    page.wait_for_selector(".verdict")
    assert "simulated" in page.inner_text("h1")
    page.wait_for_selector(".chart[data-drawn] canvas >> nth=2")
    page.click(".verdict h2 a")
    assert "Keep" in page.inner_text("h1")
    assert page.locator("svg.drawing").count() >= 1
    page.wait_for_selector(".chart[data-drawn] canvas >> nth=1")
    page.fill("textarea[name=note]", "Seen.")
    page.click("text=I have read this")
    assert "Acknowledged by owner@example.com" in page.inner_text("main")
    with page.expect_download() as download:
        page.click("text=Evidence pack")
    assert json.loads(Path(download.value.path()).read_text())


def test_the_planner_answers_without_leaving_the_page(page: Page, person: User, event_schema: None) -> None:
    from django.core.management import call_command

    call_command("sync_catalog", "--first-time", verbosity=0)
    project, _ = demonstration.prepare(n_calls=300)
    Membership.objects.create(project=project, user=person, role=Membership.Role.OWNER)
    _log_in(page, person.email)
    page.goto("/projects/demo/evaluations/new")
    page.select_option("select[name=candidates]", "simulated/sim-small")
    page.select_option("select[name=judges]", "simulated/sim-judge")
    page.click("text=What would it cost?")
    page.wait_for_selector("#forecast .figures")
    assert "Costs at most" in page.inner_text("#forecast")
    assert page.url.endswith("/evaluations/new")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_screen(open_page: Open, owned: Project, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    for path in ("/", f"/projects/{owned.slug}/", "/projects/agent/logs/", "/projects/agent/settings/", "/supply/"):
        page.goto(path)
        assert not is_wide(page), path


def test_pages_work_without_script(open_page: Open, owned: Project, tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(lines(netra_rows())))
    page = open_page(is_logged_in=False, java_script_enabled=False)
    _log_in(page, "owner@example.com")
    page.goto("/projects/agent/imports/new")
    page.set_input_files("input[type=file]", str(tmp_path / "calls.jsonl"))
    page.click("main form .button-main")
    assert page.url.endswith(f"/imports/{Import.objects.get().pk}/")
    assert "Nothing is taken until you confirm" in page.inner_text("main")
    page.click("text=Import as Netra JSON lines")
    assert "Waiting" in page.inner_text("main")
