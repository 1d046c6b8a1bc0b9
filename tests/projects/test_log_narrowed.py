"""The list of calls, narrowed to what an overview counts: causes, ends, refusals, tags, prompt templates."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from projects import log
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
HOSTILE = "' OR 1=1 --"


@pytest.fixture
def calls(project: Project) -> None:
    system = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "?"}]}
    failed = {"outcome": "provider_error", "error_type": HOSTILE, "finish_reason": None, "response": None}
    told: list[dict[str, Any]] = [
        {"is_refusal": True, "finish_reason": "content_filter"},
        {"is_refusal": False, "tags": (HOSTILE, "b")},
        {"request": system},
        failed,
    ]
    log.write(project.pk, [factories.event(f"r-{at}", **each) for at, each in enumerate(told)])


@pytest.mark.parametrize(
    ("asked", "n"),
    [
        ({"error_type": HOSTILE}, 1),
        ({"error_type": "timeout"}, 0),
        ({"finish_reason": "content_filter"}, 1),
        ({"refused": "yes"}, 1),
        ({"refused": "no"}, 3),
        ({"refused": "maybe"}, 4),
        ({"tag": HOSTILE}, 1),
        ({"tag": "\0"}, 4),
        ({"prompt_template": "nonsense"}, 0),
    ],
)
def test_narrowed_to(as_viewer: Client, project: Project, calls: None, asked: dict[str, str], n: int) -> None:
    assert len(as_viewer.get("/projects/agent/logs/", asked).context["found"].rows) == n


def test_the_api_narrows_alike(project: Project, calls: None) -> None:
    client = factories.api_client(project)
    for asked in ({"error_type": HOSTILE}, {"refusal": "true"}, {"tag": "b"}, {"finish_reason": "content_filter"}):
        assert len(client.get("/api/v1/logs/agent", asked).json()["events"]) == 1
