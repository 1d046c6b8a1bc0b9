"""A Langfuse SDK asks whose key it holds before it sends anything."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

from projects.models import ApiKey, Project

PATH = "/api/public/projects"


def basic(secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"pk-lf-any:{secret}".encode()).decode()}


@pytest.fixture
def key(project: Project) -> str:
    return ApiKey.issue(project, "langfuse", by=None)[1]


def test_a_key_tells_its_own_project_and_no_other(client: Client, key: str, stranger: object) -> None:
    told = client.get(PATH, headers=basic(key)).json()["data"]
    assert [each["id"] for each in told] == ["agent"]


@pytest.mark.parametrize("headers", [{}, basic("netra_wrong"), {"authorization": "Basic !!!"}, basic("")])
def test_without_a_key_nothing_is_told(client: Client, key: str, headers: dict[str, str]) -> None:
    answer = client.get(PATH, headers=headers)
    assert answer.status_code == 401 and "agent" not in answer.content.decode()


def test_a_person_who_is_logged_in_needs_the_key_too(as_owner: Client, key: str) -> None:
    assert as_owner.get(PATH).status_code == 401


def test_a_revoked_key_is_refused(client: Client, project: Project, key: str) -> None:
    ApiKey.objects.get(project=project).revoke()
    assert client.get(PATH, headers=basic(key)).status_code == 401
