"""Who told of a call: what of each record was taken, what it shares with others, and what was left."""

from __future__ import annotations

from typing import Any

import pytest

from netra.errors import NotFound
from projects import log, record_reading
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
SAME: dict[str, Any] = {"provider_response_id": "chatcmpl-7"}


def told(project: Project, event_id: str) -> dict[str, record_reading.Told]:
    found = record_reading.records(project.pk, event_id)
    return {each.source: each for each in record_reading.told(log.event(project.pk, event_id), found)}


@pytest.fixture
def merged(project: Project) -> str:
    gateway = factories.event("g", source="portkey", duration_ms=500.0, finish_reason=None, **SAME)
    tracer = factories.event("t", source="langfuse", duration_ms=510.0, session_id="s-1", **SAME)
    log.write(project.pk, [gateway])
    return log.write(project.pk, [tracer]).ids[0]


def test_each_record_says_what_it_contributed(project: Project, merged: str) -> None:
    found = told(project, merged)
    assert "session" in found["langfuse"].alone
    assert "finish reason" in found["langfuse"].alone
    assert "duration" in found["langfuse"].otherwise
    assert {"duration", "request"} <= {*found["portkey"].agrees}


def test_a_record_can_be_had_whole_and_an_unknown_one_is_refused(project: Project, merged: str) -> None:
    key = told(project, merged)["langfuse"].key
    assert record_reading.record(project.pk, merged, key)["session_id"] == "s-1"
    with pytest.raises(NotFound):
        record_reading.record(project.pk, merged, "nonsense")


def test_a_call_of_one_source_was_told_by_it_alone(project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r", session_id=None)]).ids
    only = told(project, event_id)["upload"]
    assert (only.record_id, only.key, only.otherwise) == ("r", "", [])
    assert "request" in only.alone
    assert "session" not in only.alone
