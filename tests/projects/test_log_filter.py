"""What may be asked of the log: each question finds its events and no others, however spoilt the question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from netra.tokens import Tokens
from projects import log
from projects.log import EventFilter
from projects.models import Project
from tests import factories
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

UNPRICED: dict[str, Any] = {"provider": "nobody", "requested_model": "m", "served_model": None}
ODD = {
    "failed": {"outcome": "provider_error"},
    "judged": {"purpose": "judge"},
    "elsewhere": {"source": "portkey", "request": factories.chat_request("Another question")},
    "cut": {"flags": frozenset({"truncated_request"})},
    "uncounted": {"tokens": Tokens()},
    "recorded": {"cost_recorded_usd": Decimal("0.5")},
    "traced": {"trace_id": "t-1", "session_id": "s-1", "user_id": "u-1"},
    "late": {"started_at": NOON + timedelta(days=2)},
}


@pytest.fixture
def log_of(project: Project) -> Project:
    log.write(project.pk, [factories.event(name, **fields) for name, fields in ODD.items()])
    return project


def _found(project: Project, **asked: Any) -> set[str]:
    ids = [row["event_id"] for row in log.events(project.pk, EventFilter(**asked)).rows]
    return {each["source_record_id"] for each in log.requests(project.pk, ids).values()}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"is_error": True}, {"failed"}),
        ({"is_demand": False}, {"judged"}),
        ({"source": "portkey"}, {"elsewhere"}),
        ({"blocked": "truncated"}, {"cut"}),
        ({"is_counted": False}, {"uncounted"}),
        ({"is_recorded": True}, {"recorded"}),
        ({"trace_id": "t-1"}, {"traced"}),
        ({"session_id": "s-1", "user_id": "u-1"}, {"traced"}),
        ({"since": NOON + timedelta(days=1)}, {"late"}),
        ({"session_id": "\0"}, set()),
        ({"model": "\ud800' OR 1=1 --"}, set()),
        ({"since": datetime(9999, 12, 31, tzinfo=UTC)}, set()),
    ],
)
def test_each_question_finds_its_events(log_of: Project, asked: dict[str, Any], names: set[str]) -> None:
    assert _found(log_of, **asked) == names


def test_times_out_of_the_store_s_range_ask_nothing(log_of: Project) -> None:
    assert len(_found(log_of, since=datetime(1, 1, 1), until=datetime(9999, 12, 31))) == len(ODD)  # noqa: DTZ001


def test_an_unknown_price_can_be_asked_for(project: Project) -> None:
    log.write(project.pk, [factories.event("r", **UNPRICED)])
    assert _found(project, is_priced=False, is_counted=True) == {"r"}
    assert _found(project, is_priced=True) == set()


def test_a_merged_call_is_found_by_every_import_and_source_that_told_of_it(project: Project) -> None:
    same = {"provider_response_id": "chatcmpl-9", "trace_id": "a" * 32}
    log.write(project.pk, [factories.event("one", **same)], import_id=7)
    log.write(project.pk, [factories.event("two", source="portkey", session_id="s", **same)], import_id=8)
    assert log.count(project.pk, EventFilter()) == 1
    for asked in ({"import_id": 7}, {"import_id": 8}, {"source": "upload"}, {"source": "portkey"}):
        assert log.count(project.pk, EventFilter(**asked)) == 1
    assert log.count(project.pk, EventFilter(import_id=9)) == 0
