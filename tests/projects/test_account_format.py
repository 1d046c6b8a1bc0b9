"""A person's number format: chosen on the account page, kept, and used on their pages only."""

from __future__ import annotations

import pytest
from django.test import Client

from projects import log
from projects.models import Project, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


def test_the_account_page_says_that_amounts_stay_dollars(as_owner: Client) -> None:
    page = as_owner.get("/account/").content.decode()
    assert "US dollars in every format" in page and "$12,34,567.89" in page


def test_a_format_is_kept_and_used(as_owner: Client, as_viewer: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r", duration_ms=1234.0)])
    as_owner.post("/account/", {"time_zone": "UTC", "number_format": "continental"})
    assert "1,23 s" in as_owner.get("/projects/agent/").content.decode()
    assert "1.23 s" in as_viewer.get("/projects/agent/").content.decode()


def test_a_format_that_is_none_is_refused_and_changes_nothing(as_owner: Client, owner: User) -> None:
    answer = as_owner.post("/account/", {"time_zone": "UTC", "number_format": "<script>"})
    owner.refresh_from_db()
    assert "is not one of the available choices" in answer.content.decode()
    assert owner.number_format == ""
