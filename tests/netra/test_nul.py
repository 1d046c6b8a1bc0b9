"""A NUL character in an address: no such page, or a query without it; never a failure of whichever database."""

from __future__ import annotations

import pytest
from django.test import Client

from projects.models import Project

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/projects/%00/", "/projects/agent%00/logs/", "/supply/option/a%00b", "/%00"])
def test_no_page_has_one_in_its_name(as_owner: Client, path: str) -> None:
    assert as_owner.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/supply/?search=%00", "/projects/agent/logs/?model=a%00b&%00=%00"])
def test_a_query_is_read_without_it(as_owner: Client, project: Project, events: None, path: str) -> None:
    assert as_owner.get(path).status_code == 200


def test_the_rest_of_such_a_query_holds(as_owner: Client, project: Project) -> None:
    page = as_owner.get("/supply/?search=gpt%00-4o")
    assert b'value="gpt-4o"' in page.content


def test_the_api_has_no_such_project(as_owner: Client, project: Project) -> None:
    assert as_owner.get("/api/v1/routing/agent%00/policies").status_code == 404
