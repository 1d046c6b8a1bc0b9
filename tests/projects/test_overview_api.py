"""Overviews by API and command: the tables of the pages, unrounded, with clear refusals and nothing for strangers."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from projects.models import Project
from projects.overview.parts import PARTS
from tests import factories
from tests.projects import overviews

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
URL = "/api/v1/overview"
SECTIONS = sorted({name for part in PARTS.values() for name in part.sections})


@pytest.fixture
def calls(project: Project) -> None:
    overviews.priced(project, overviews.two_days())


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section(as_viewer: Client, as_stranger: Client, calls: None, name: str) -> None:
    found = as_viewer.get(f"{URL}/agent/{name}?window=24h").json()
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    assert as_stranger.get(f"{URL}/agent/{name}").status_code == 404


def test_money_is_text_and_each_row_has_its_events(project: Project, calls: None) -> None:
    client = factories.api_client(project)
    found = client.get(f"{URL}/agent/drivers?window=24h&by=user_id").json()
    assert found["rows"][0][:2] == ["u-0", "0.018"]
    assert len(client.get("/api/v1/logs/agent", found["events"][0] | {"purpose": "ingested"}).json()["events"]) == 3


def test_a_key_sees_its_own_project_in_the_fleet(project: Project, calls: None) -> None:
    factories.project("other")
    found = factories.api_client(project).get(f"{URL}?window=24h").json()
    assert [each["project"] for each in found["projects"]] == ["agent"]
    assert found["together"]["now"]["spent_usd"] == "0.032" and found["together"]["project"] is None


@pytest.mark.parametrize("asked", ["window=1y", "first_day=x", "by=body", "first_day=2026-11-02&last_day=2026-11-01"])
def test_what_cannot_be_read_is_refused_with_a_sentence(as_viewer: Client, project: Project, asked: str) -> None:
    answer = as_viewer.get(f"{URL}/agent/spend?{asked}")
    assert answer.status_code == 400 and answer.json()["detail"]


def test_there_is_no_such_section_or_caller(as_viewer: Client, client: Client, project: Project) -> None:
    assert as_viewer.get(f"{URL}/agent/nonsense").status_code == 404
    assert client.get(URL).status_code == 401


def told(*args: str) -> str:
    out = StringIO()
    call_command("overview", *args, stdout=out)
    return out.getvalue()


def test_the_command_prints_a_part_and_all_projects(project: Project, calls: None) -> None:
    assert "u-0" in told("agent", "--part", "drivers", "--by", "user_id", "--window", "24h")
    assert "agent" in told() and "$0.056" in told()


@pytest.mark.parametrize(
    "args", [("nobody",), ("agent", "--from", "x"), ("agent", "--part", "x"), ("agent", "--by", "x")]
)
def test_the_command_refuses_with_a_sentence(project: Project, args: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        told(*args)
