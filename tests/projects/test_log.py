"""The log: written once, versioned, filtered by parameters, read page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from netra.errors import Invalid, NotFound
from projects import log
from projects.log import EventFilter
from projects.models import Project
from projects.workloads import Purpose
from tests import factories

pytestmark = pytest.mark.django_db
ALL = EventFilter()


def test_writing_twice_adds_nothing(project: Project, events: None) -> None:
    given = [factories.event(f"r-{n}") for n in range(3)]
    assert log.write(project.pk, given).taken == 3
    again = log.write(project.pk, given)
    assert (again.taken, again.duplicate, again.versioned) == (0, 3, 0)
    assert log.count(project.pk, ALL) == 3


def test_a_record_twice_in_one_batch_is_one_event(project: Project, events: None) -> None:
    report = log.write(project.pk, [factories.event("r"), factories.event("r")])
    assert (report.taken, report.duplicate) == (1, 1)
    assert report.ids[0] == report.ids[1]


def test_a_changed_record_is_a_new_version_counted_once(project: Project, events: None) -> None:
    first = factories.event("r", duration_ms=100.0)
    log.write(project.pk, [first])
    report = log.write(project.pk, [replace(first, duration_ms=200.0), replace(first, duration_ms=300.0)])
    assert report.versioned == 2
    (row,) = log.events(project.pk, ALL).rows
    assert (row["version"], row["duration_ms"]) == (3, 300.0)
    assert log.event(project.pk, row["event_id"], 1)["duration_ms"] == 100.0


def test_going_back_to_an_old_content_is_a_version_too(project: Project, events: None) -> None:
    first = factories.event("r", duration_ms=100.0)
    for each in (first, replace(first, duration_ms=200.0), first):
        log.write(project.pk, [each])
    (row,) = log.events(project.pk, ALL).rows
    assert (row["version"], row["duration_ms"]) == (3, 100.0)


def test_the_same_record_in_two_projects_is_two_events(project: Project, events: None) -> None:
    other = factories.project("other")
    one, two = (log.write(each.pk, [factories.event("r")]).ids[0] for each in (project, other))
    assert one != two
    with pytest.raises(NotFound):
        log.event(other.pk, one)


def test_everything_comes_back_as_it_went_in(project: Project, events: None) -> None:
    given = factories.event(
        "r",
        cost_recorded_usd=Decimal("0.000000123456"),
        metadata={"note": "<b>ünï\u2028</b>", "n": 3},
        tags=("a", "b"),
        session_id="s'); DROP",
        flags=frozenset({"retried"}),
    )
    (event_id,) = log.write(project.pk, [given]).ids
    found = log.event(project.pk, event_id)
    assert found["request"] == given.request
    assert found["response"] == given.response
    assert found["cost_recorded_usd"] == given.cost_recorded_usd
    assert found["metadata"] == {"note": "<b>ünï\u2028</b>", "n": 3}
    assert (found["tags"], found["flags"], found["session_id"]) == (["a", "b"], ["retried"], "s'); DROP")
    assert found["started_at"] == factories.NOON
    assert found["tok_cache_read"] is None


def test_unknown_time_is_flagged_and_stands_at_import(project: Project, events: None) -> None:
    log.write(project.pk, [factories.event("r", started_at=None)])
    (row,) = log.events(project.pk, ALL).rows
    assert row["is_start_known"] is False
    assert row["flags"] == ["no_time"]


def test_records_without_an_id_are_known_by_their_content(project: Project, events: None) -> None:
    given = [factories.event(""), factories.event(""), factories.event("", request=factories.chat_request("other"))]
    report = log.write(project.pk, given)
    assert (report.taken, report.duplicate) == (2, 1)


def test_pages_cover_everything_once_newest_first(project: Project, events: None) -> None:
    log.write(
        project.pk,
        [factories.event(f"r-{n}", started_at=factories.NOON + timedelta(seconds=n // 3)) for n in range(25)],
    )
    seen, after = [], None
    while True:
        page = log.events(project.pk, ALL, limit=10, after=after)
        seen += page.rows
        if (after := page.after) is None:
            break
    assert len({row["event_id"] for row in seen}) == len(seen) == 25
    assert [row["started_at"] for row in seen] == sorted((row["started_at"] for row in seen), reverse=True)


def test_a_spoilt_place_in_the_list_gets_a_sentence(project: Project, events: None) -> None:
    with pytest.raises(Invalid, match="start again"):
        log.events(project.pk, ALL, after="nonsense")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EventFilter(model="gpt-4o-mini"), {"plain", "replay", "late"}),
        (EventFilter(model="other"), {"failed"}),
        (EventFilter(outcome="provider_error"), {"failed"}),
        (EventFilter(purpose="replay"), {"replay"}),
        (EventFilter(since=factories.NOON + timedelta(hours=1)), {"late"}),
        (EventFilter(until=factories.NOON + timedelta(hours=1)), {"plain", "replay", "failed"}),
        (EventFilter(session_id="s-1"), {"late"}),
        (EventFilter(is_replayable=False), {"failed"}),
        (EventFilter(record_id="plain"), {"plain"}),
        (EventFilter(model="x' OR 1=1 --"), set()),
    ],
)
def test_filters(project: Project, events: None, wanted: EventFilter, expected: set[str]) -> None:
    log.write(
        project.pk,
        [
            factories.event("plain"),
            factories.event("replay", purpose=Purpose.REPLAY),
            factories.event(
                "failed", outcome="provider_error", requested_model="other", served_model=None, request=None
            ),
            factories.event("late", started_at=factories.NOON + timedelta(hours=2), session_id="s-1"),
        ],
    )
    found = log.events(project.pk, wanted).rows
    assert {log.event(project.pk, row["event_id"])["source_record_id"] for row in found} == expected


def test_the_population_is_replayable_demand_only(project: Project, events: None) -> None:
    log.write(
        project.pk,
        [
            factories.event("demand"),
            factories.event("replayed", purpose=Purpose.REPLAY),
            factories.event("no body", request=None),
        ],
    )
    (row,) = log.population(project.pk, ALL)
    assert (row["tok_input_fresh"], row["tok_output_visible"]) == (12, 3)


def test_deleting_a_project_leaves_the_others(project: Project, events: None) -> None:
    other = factories.project("other")
    for each in (project, other):
        log.write(each.pk, [factories.event("r")])
    log.delete_project(project.pk)
    assert (log.count(project.pk, ALL), log.count(other.pk, ALL)) == (0, 1)
