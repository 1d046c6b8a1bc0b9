"""A person's events on request: gone from every table, kept out of every way in, and no id of theirs left behind."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from netra import clickhouse
from netra.errors import Invalid, NotFound
from projects import erasure, ledger, log, shipping
from projects.log import EventFilter
from projects.models import AuditEntry, Erasure, Import, Project
from projects.privacy import Door, person
from projects.spool import Spool
from projects.workloads import WorkloadEvent
from tests import factories
from tests.projects.test_shipping import frame

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()


def of(user_id: str | None, record_id: str = "", **fields: object) -> WorkloadEvent:
    return factories.event(record_id or f"of-{user_id}", user_id=user_id, **fields)


def taken(project: Project, *events: WorkloadEvent) -> Import:
    """What became of these events, sent again by whatever way."""
    taking, batch = Import.objects.create(project=project), ledger.Batch()
    batch.events, batch.numbers, batch.n_lines = list(events), list(range(len(events))), len(events)
    ledger.settle(taking, batch, is_resumed=False)
    return taking


def merged(project: Project) -> None:
    """One call that a gateway without user ids and a tracer with them told of."""
    log.write(project.pk, [of(None, "g", source="portkey", provider_response_id="resp-1")])
    log.write(project.pk, [of("ann", "t", source="langfuse", provider_response_id="resp-1")])


def test_a_persons_events_go_and_others_stay(project: Project) -> None:
    log.write(project.pk, [of("ann", "1"), of("ann", "2"), of("bob"), of(None, "nobody")])
    assert erasure.preview(project, "ann").n_events == 2
    row, n_events = erasure.erase(project, "ann")
    assert (n_events, row.n_events, log.count(project.pk, ALL)) == (2, 2, 2)


def test_it_can_be_repeated(project: Project) -> None:
    log.write(project.pk, [of("ann")])
    assert [erasure.erase(project, "ann")[1] for _ in range(2)] == [1, 0]
    assert Erasure.objects.get().n_events == 1


def test_every_version_goes_when_any_was_theirs(project: Project) -> None:
    log.write(project.pk, [of("ann", "r")])
    log.write(project.pk, [of("bob", "r")])
    erasure.erase(project, "ann")
    assert clickhouse.scalar("SELECT count() FROM workload_events") == 0
    assert clickhouse.scalar("SELECT count() FROM superseded_events") == 0


def test_a_call_that_only_one_of_its_sources_says_is_theirs_goes_whole(project: Project) -> None:
    merged(project)
    erasure.erase(project, "ann")
    assert clickhouse.scalar("SELECT count() FROM workload_events") == 0
    assert clickhouse.scalar("SELECT count() FROM source_records") == 0


def test_sent_again_they_are_refused_and_the_ledger_says_why(project: Project) -> None:
    log.write(project.pk, [of("ann")])
    erasure.erase(project, "ann")
    taking = taken(project, of("ann"), of("ann", "new"), of("bob"))
    assert (taking.n_taken, taking.n_skipped, log.count(project.pk, ALL)) == (1, 2, 1)
    assert {line.code for line in taking.lines.filter(outcome="skipped")} == {"erased"}


def test_a_gateways_record_without_the_id_stays_out_too(project: Project) -> None:
    merged(project)
    erasure.erase(project, "ann")
    taking = taken(project, of(None, "g", source="portkey", provider_response_id="resp-1"))
    assert (taking.n_skipped, log.count(project.pk, ALL)) == (1, 0)


def test_what_waits_in_the_spool_is_met_as_well(project: Project, tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1_000_000)
    spool.append(frame(project, of("ann"), of("bob")))
    erasure.erase(project, "ann")
    shipping.ship(spool)
    assert [each["user_id"] for each in log.events(project.pk, ALL).rows] == ["bob"]


def test_what_was_written_meanwhile_is_swept_up(project: Project) -> None:
    log.write(project.pk, [of("ann", "1")])
    erasure.erase(project, "ann")
    log.write(project.pk, [of("ann", "1")])  # a batch that had passed the gate before
    assert erasure.sweep() == 1
    assert log.count(project.pk, ALL) == 0


def test_an_export_brought_back_adds_nothing_of_theirs(project: Project, tmp_path: Path) -> None:
    log.write(project.pk, [of("ann"), of("bob")])
    call_command("export_events", "agent", "--out", str(tmp_path / "all.jsonl"))
    erasure.erase(project, "ann")
    call_command("import_logs", "agent", str(tmp_path / "all.jsonl"), stdout=StringIO())
    assert [each["user_id"] for each in log.events(project.pk, ALL).rows] == ["bob"]


@pytest.mark.parametrize("fields", [{"is_private": True}, {"masks": ["email"]}])
def test_hashed_ids_are_found_by_either_name(project: Project, fields: dict[str, object]) -> None:
    for name, value in fields.items():
        setattr(project, name, value)
    event = Door.of(project).let_in(of("ann@example.com"))
    log.write(project.pk, [event])
    shown = event.user_id
    assert shown == person(project.pk, "ann@example.com")
    assert erasure.preview(project, "ann@example.com").n_events == erasure.preview(project, shown).n_events == 1
    erasure.erase(project, shown)
    assert taken(project, event, of("ann@example.com", "raw")).n_skipped == 2


def test_the_id_itself_is_kept_nowhere(project: Project) -> None:
    log.write(project.pk, [of("ann-the-person")])
    erasure.erase(project, "ann-the-person")
    kept = [*AuditEntry.objects.values_list("sentence"), *Erasure.objects.values_list("fingerprint")]
    kept += [tuple(row.values()) for row in clickhouse.rows("SELECT command FROM system.mutations WHERE NOT is_killed")]
    kept += [tuple(row.values()) for row in clickhouse.rows("SELECT person, record_key FROM erased_records")]
    assert "ann-the-person" not in str(kept)


def test_other_projects_keep_theirs(project: Project) -> None:
    other = factories.project("other")
    log.write(other.pk, [of("ann")])
    erasure.erase(project, "ann")
    assert taken(other, of("ann", "more")).n_taken == 1


def test_a_mistake_can_be_taken_back(project: Project) -> None:
    log.write(project.pk, [of("ann")])
    row, _ = erasure.erase(project, "ann")
    erasure.let_in_again(project, row.pk)
    assert taken(project, of("ann")).n_taken == 1
    with pytest.raises(NotFound):
        erasure.let_in_again(factories.project("other"), row.pk)


@pytest.mark.parametrize("user_id", ["", "   ", "x" * 513, "a\0b"])
def test_what_is_no_id_is_refused(project: Project, user_id: str) -> None:
    with pytest.raises(Invalid, match="between 1 and 512"):
        erasure.preview(project, user_id)
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("user_id", ["o'brien", "ann); DROP TABLE workload_events", "ünï\u2028", "{x:String}", "%"])
def test_odd_ids_are_only_text(project: Project, user_id: str) -> None:
    log.write(project.pk, [of(user_id, "r"), of("bob")])
    assert erasure.erase(project, user_id)[1] == 1
    assert log.count(project.pk, ALL) == 1


def test_versions_written_after_letting_in_count_again(project: Project) -> None:
    first = of("ann", "r", duration_ms=1.0)
    log.write(project.pk, [first])
    log.write(project.pk, [replace(first, duration_ms=2.0)])
    row, _ = erasure.erase(project, "ann")
    erasure.let_in_again(project, row.pk)
    assert taken(project, first).n_taken == 1
    assert log.count(project.pk, ALL) == 1, "no version of before hides it"


def test_the_command_previews_and_deletes(project: Project) -> None:
    log.write(project.pk, [of("ann")])
    out = StringIO()
    call_command("delete_user_events", "agent", "ann", "--dry-run", stdout=out)
    call_command("delete_user_events", "agent", "ann", stdout=out)
    assert "1 events would be deleted." in out.getvalue()
    assert "1 events deleted" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("delete_user_events", "nope", "ann")
