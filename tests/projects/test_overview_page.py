"""The overview as a page: every part for members and nobody else, honest when empty, safe with hostile names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from netra.tokens import Tokens
from projects import log
from projects.models import Project, User
from projects.overview.parts import PARTS
from tests import factories
from tests.projects import overviews

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
URL = "/projects/agent/"
SECTIONS = sorted({name for part in PARTS.values() for name in part.sections})
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


@pytest.fixture
def calls(project: Project) -> None:
    overviews.priced(project, overviews.two_days())


def text(client: Client, **asked: str) -> str:
    answer = client.get(URL, asked)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("window", ["24h", "90d"])
def test_every_part_of_every_window(
    as_viewer: Client, as_stranger: Client, calls: None, part: str, window: str
) -> None:
    page = text(as_viewer, part=part, window=window)
    assert all(f'id="{name}"' in page for name in PARTS[part].sections)
    assert as_stranger.get(URL, {"part": part}).status_code == 404


@pytest.mark.parametrize("part", PARTS)
def test_one_event_of_which_nothing_is_known(as_viewer: Client, project: Project, part: str) -> None:
    nothing = dict.fromkeys(("duration_ms", "finish_reason", "response", "provider", "served_model", "trace_id"))
    log.write(project.pk, [factories.event("r", requested_model=None, tokens=Tokens(), **nothing)])
    page = text(as_viewer, part=part)
    assert "unknown" in page and "$0.00" not in page.split('id="part"')[0]


@pytest.mark.parametrize("part", PARTS)
def test_an_empty_project_says_what_to_do(as_viewer: Client, project: Project, part: str) -> None:
    assert "Import a file" in text(as_viewer, part=part)


@pytest.mark.parametrize("part", PARTS)
def test_a_window_without_calls_is_no_error(as_viewer: Client, calls: None, part: str) -> None:
    assert "<h2>" in text(as_viewer, part=part, first_day="2020-01-01", last_day="2020-01-02")


@pytest.mark.parametrize("part", PARTS)
def test_hostile_names_are_only_text(as_viewer: Client, project: Project, part: str) -> None:
    hostile: dict[str, Any] = {
        "requested_model": HOSTILE,
        "user_id": HOSTILE,
        "tags": (HOSTILE,),
        "error_type": HOSTILE,
    }
    failed = {"outcome": "provider_error"}
    overviews.priced(project, [overviews.call("a", **hostile), overviews.call("b", **hostile | failed)])
    page = text(as_viewer, part=part, by="tag")
    assert "<img src=x" not in page and "\u202e" not in page


@pytest.mark.parametrize("name", SECTIONS)
def test_charts_are_json_for_members_only(as_viewer: Client, as_stranger: Client, calls: None, name: str) -> None:
    answer = as_viewer.get(f"{URL}charts/{name}?window=24h&scheme=dark")
    assert answer.status_code == 404 or "doc" in answer.json()
    assert as_stranger.get(f"{URL}charts/{name}").status_code == 404


def test_every_chart_on_a_page_is_there_and_has_its_table(as_viewer: Client, calls: None) -> None:
    for part in PARTS:
        answer = as_viewer.get(URL, {"part": part})
        for section in answer.context["sections"]:
            if section.picture is not None and not section.picture.is_empty:
                assert section.table.rows
                assert as_viewer.get(f"{URL}charts/{section.name}").status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"part": "x"},
        {"window": "9d"},
        {"by": "1;DROP"},
        {"first_day": "2026-13-01"},
        {"first_day": "2100-01-01"},
        {"over": "\x01"},
    ],
)
def test_spoilt_addresses_get_the_page_and_a_sentence(as_viewer: Client, calls: None, asked: dict[str, str]) -> None:
    assert 'role="alert"' in text(as_viewer, **asked)


def test_htmx_gets_the_part_without_the_figures_above(as_viewer: Client, calls: None) -> None:
    page = as_viewer.get(URL, {"part": "latency"}, headers={"hx-request": "true"}).content.decode()
    assert 'id="part"' in page and "<html" not in page and "figures" not in page


def test_parts_are_links_that_keep_the_window(as_viewer: Client, calls: None) -> None:
    page = text(as_viewer, window="7d", part="drivers", by="tag")
    assert 'href="?window=7d&amp;part=latency"' in page
    assert 'href="?window=7d&amp;part=drivers&amp;by=session_id"' in page


def test_days_are_the_readers(project: Project, viewer: User, calls: None) -> None:
    viewer.time_zone = "Asia/Kolkata"
    viewer.save()
    answer = factories.client(viewer).get(URL, {"first_day": "2026-11-02", "last_day": "2026-11-02"})
    # Noon of UTC is half past five there, and the window begins within an hour.
    assert answer.context["window"].since.isoformat() == "2026-11-01T18:30:00+00:00"
    assert answer.context["figures"]["calls"] == 6


def test_a_day_of_twenty_five_hours_has_as_many_columns(project: Project, viewer: User) -> None:
    viewer.time_zone = "Europe/Berlin"
    viewer.save()
    at = factories.NOON.replace(month=10, day=25)
    overviews.priced(project, [overviews.call(f"r-{n}", started_at=at - timedelta(hours=n)) for n in range(20)])
    answer = factories.client(viewer).get(URL, {"first_day": "2026-10-25", "last_day": "2026-10-25"})
    (spend, *_) = answer.context["sections"]
    assert len(spend.table.rows) == 25 and sum(row.cells[2] for row in spend.table.rows) == 15
