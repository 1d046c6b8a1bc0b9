"""Sessions by their last call, tries of one question, versions and what they changed: bounded, current, complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from projects import log, log_reading
from projects.log import EventFilter
from projects.models import Project
from tests import factories
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()


def call(name: str, minutes: float = 0, **fields: Any) -> Any:
    return factories.event(name, started_at=NOON + timedelta(minutes=minutes), **fields)


def test_the_newest_call_of_an_empty_log_is_not_known(project: Project) -> None:
    assert log_reading.newest_at(project.pk) is None
    log.write(project.pk, [call("a"), call("b", 5)])
    assert log_reading.newest_at(project.pk) == NOON + timedelta(minutes=5)


def test_calls_of_a_trace_come_page_by_page_oldest_first(project: Project) -> None:
    log.write(project.pk, [call(str(n), n, trace_id="t") for n in range(5)])
    first = log_reading.calls(project.pk, EventFilter(trace_id="t"), limit=3)
    second = log_reading.calls(project.pk, EventFilter(trace_id="t"), limit=3, after=first.after)
    assert [row["started_at"].minute for row in first.rows + second.rows] == [0, 1, 2, 3, 4]
    assert second.after is None


def test_every_session_is_listed_once_over_the_pages(project: Project) -> None:
    log.write(project.pk, [call(f"{n}-{at}", at * 20 + n, session_id=f"s-{n}") for n in range(7) for at in (0, 1)])
    names, before = [], None
    while True:
        page = log_reading.sessions(project.pk, ALL, before=before, limit=2)
        names += [row["session_id"] for row in page.rows]
        before = page.before
        if before is None:
            break
    assert names == [f"s-{n}" for n in reversed(range(7))]


def test_a_session_s_figures_are_its_calls(project: Project) -> None:
    fields: dict[str, Any] = {"session_id": "s", "trace_id": "t"}
    log.write(project.pk, [call("a", user_id="u", **fields), call("b", 1, outcome="provider_error", **fields)])
    (row,) = log_reading.sessions(project.pk, ALL).rows
    assert (row["n_calls"], row["n_errors"], row["n_traces"], row["one_user"]) == (2, 1, 1, "u")
    assert row["spent_usd"] is None


def test_many_sessions_of_one_moment_are_not_lost(project: Project) -> None:
    log.write(project.pk, [call(str(n), session_id=f"s-{n}") for n in range(9)])
    page = log_reading.sessions(project.pk, ALL, limit=3)
    assert len(page.rows) == 9


def test_failed_tries_are_counted_and_found(project: Project) -> None:
    failed: dict[str, Any] = {"trace_id": "t", "outcome": "provider_error"}
    given = [
        call("a", 0, **failed),
        call("b", 1, **failed),
        call("c", 2, trace_id="t"),
        call("alone", 3, **failed | {"trace_id": "u"}),
    ]
    ids = log.write(project.pk, given).ids
    rows = log.events(project.pk, EventFilter(is_error=True)).rows
    assert log_reading.tried_again(project.pk, rows) == {ids[0]: ids[2], ids[1]: ids[2]}
    assert log_reading.n_attempts(project.pk, ALL) == 2


def test_calls_without_a_trace_are_no_tries(project: Project) -> None:
    log.write(project.pk, [call("a", outcome="provider_error"), call("b", 1)])
    assert log_reading.n_attempts(project.pk, ALL) == 0
    assert log_reading.tried_again(project.pk, log.events(project.pk, ALL).rows) == {}


def test_versions_say_what_they_changed(project: Project) -> None:
    first = call("a", duration_ms=100.0)
    (event_id,) = log.write(project.pk, [first]).ids
    log.write(project.pk, [replace(first, duration_ms=200.0, request=factories.chat_request("Otherwise"))])
    newest, oldest = log_reading.changes(project.pk, event_id)
    assert (newest["version"], newest["changed"], oldest["changed"]) == (2, ["duration_ms", "request"], None)
