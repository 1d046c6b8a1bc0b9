"""Retention: what is older than a project keeps it goes, with all that belongs to it, and does not come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from netra import clickhouse
from projects import ledger, log, log_deleting, retention, tasks
from projects.log import EventFilter
from projects.models import Import, Project
from projects.workloads import WorkloadEvent
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()
NOW = timezone.now()
_OLD_HOURS = "SELECT count() FROM event_hours WHERE project_id = {project_id:UInt64} AND hour < {at:DateTime}"


def aged(days: float, record_id: str = "", **fields: object) -> WorkloadEvent:
    return factories.event(record_id or f"r-{days}", started_at=NOW - timedelta(days=days), **fields)


def n_rows(table: str, project: Project) -> int:
    found: int = clickhouse.scalar(f"SELECT count() FROM {table} WHERE project_id = {project.pk}")  # noqa: S608
    return found


@pytest.fixture
def keeping(project: Project) -> Project:
    """Events of thirty days."""
    Project.objects.filter(pk=project.pk).update(retention_days=30)
    project.refresh_from_db()
    return project


def test_older_events_go_and_younger_stay(keeping: Project) -> None:
    log.write(keeping.pk, [aged(days) for days in (1, 29, 31, 400)])
    assert retention.waiting(keeping) == 2
    made = retention.apply(keeping)
    assert made is not None
    assert (made.n_events, log.count(keeping.pk, ALL)) == (2, 2)


def test_applying_it_again_finds_nothing(keeping: Project) -> None:
    log.write(keeping.pk, [aged(31)])
    assert [retention.apply(keeping).n_events for _ in range(3)] == [1, 0, 0]  # type: ignore[union-attr]
    assert [each.n_events for each in keeping.cleanings.all()] == [0, 1], "only the last empty run is noted"


def test_all_versions_go_with_the_newest(keeping: Project) -> None:
    first = aged(40, "r", duration_ms=1.0)
    for each in (first, replace(first, duration_ms=2.0), replace(first, duration_ms=3.0)):
        log.write(keeping.pk, [each])
    retention.apply(keeping)
    assert [n_rows(table, keeping) for table in ("workload_events", "superseded_events")] == [0, 0]


def test_an_event_whose_newest_version_is_young_stays_whole(keeping: Project) -> None:
    old = aged(40, "r")
    event_id = log.write(keeping.pk, [old]).ids[0]
    log.write(keeping.pk, [replace(old, started_at=NOW - timedelta(days=2))])
    retention.apply(keeping)
    assert len(log.versions(keeping.pk, event_id)) == 2


def test_what_each_source_told_goes_too(keeping: Project) -> None:
    told = {"provider_response_id": "resp-1", "started_at": NOW - timedelta(days=50)}
    log.write(keeping.pk, [factories.event("a", source="portkey", **told)])
    log.write(keeping.pk, [factories.event("b", source="langfuse", **told)])
    assert n_rows("source_records", keeping) == 2
    retention.apply(keeping)
    assert n_rows("source_records", keeping) == 0


def test_other_projects_keep_theirs(keeping: Project) -> None:
    other = factories.project("other")
    for each in (keeping, other):
        log.write(each.pk, [aged(90)])
    retention.apply(keeping)
    assert log.count(other.pk, ALL) == 1


def test_many_events_go_window_by_window(keeping: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_deleting, "WINDOW", 10)
    log.write(keeping.pk, [aged(31 + n / 100, f"r-{n}") for n in range(35)] + [aged(1, "young")])
    assert log_deleting.delete_older(keeping.pk, NOW - timedelta(days=30)) == 35
    assert log.count(keeping.pk, ALL) == 1


def test_windows_end_where_versions_are_younger_than_their_firsts(
    keeping: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_deleting, "WINDOW", 2)
    firsts = [aged(60 - n / 100, f"r-{n}") for n in range(5)]
    log.write(keeping.pk, firsts)
    log.write(keeping.pk, [replace(each, started_at=NOW - timedelta(days=31)) for each in firsts])
    assert log_deleting.delete_older(keeping.pk, NOW - timedelta(days=30)) == 5


def test_a_project_without_one_keeps_everything(project: Project) -> None:
    log.write(project.pk, [aged(4_000)])
    assert (retention.apply(project), retention.waiting(project)) == (None, None)
    assert log.count(project.pk, ALL) == 1


def test_what_would_go_at_once_is_not_taken_in(keeping: Project) -> None:
    taking, batch = Import.objects.create(project=keeping), ledger.Batch()
    for number, event in enumerate([aged(31), aged(29), aged(1, "unknown", ended_at=None)]):
        batch.events.append(event)
        batch.numbers.append(number)
    batch.n_lines = 3
    ledger.settle(taking, batch, is_resumed=False)
    assert (taking.n_taken, taking.n_skipped) == (2, 1)
    assert taking.lines.get(outcome="skipped").code == "past_retention"


def test_it_is_due_once_a_day_and_when_shortened(keeping: Project) -> None:
    assert retention.due() == [keeping]
    retention.apply(keeping)
    assert retention.due() == []
    Project.objects.filter(pk=keeping.pk).update(retention_days=7)
    assert retention.due() == [keeping]


def test_a_day_later_it_is_due_again(keeping: Project) -> None:
    retention.apply(keeping)
    keeping.cleanings.update(at=NOW - timedelta(hours=25))
    assert retention.due() == [keeping]


def test_the_beat_applies_what_is_due(keeping: Project) -> None:
    log.write(keeping.pk, [aged(31)])
    tasks.apply_retention()
    assert log.count(keeping.pk, ALL) == 0


def test_hours_of_the_roll_ups_go_with_their_events(keeping: Project) -> None:
    log.write(keeping.pk, [aged(45), aged(1)])
    retention.apply(keeping)
    cutoff: datetime = keeping.cleanings.get().cutoff_at
    assert clickhouse.scalar(_OLD_HOURS, {"project_id": keeping.pk, "at": cutoff}) == 0


def test_the_command_says_what_went(keeping: Project) -> None:
    log.write(keeping.pk, [aged(31)])
    factories.project("other")
    out = StringIO()
    call_command("apply_retention", stdout=out)
    call_command("apply_retention", "other", stdout=out)
    assert "agent: 1 events from before" in out.getvalue()
    assert "other: keeps events for good." in out.getvalue()


def test_the_command_names_an_unknown_project() -> None:
    with pytest.raises(CommandError, match="'nope'"):
        call_command("apply_retention", "nope")
