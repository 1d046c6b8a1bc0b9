"""From the spool to the log: while the store is down everything stays, later it drains, and repeating is harmless."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra import clickhouse, prices
from netra.errors import Unavailable
from projects import log, log_lines, shipping
from projects.log import EventFilter
from projects.log_rows import row
from projects.models import Import, Project
from projects.spool import SUFFIX, Frame, Spool
from projects.workloads import WorkloadEvent
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("events")]
ALL = EventFilter()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path, max_bytes=10_000_000)
    yield made
    made.close()


def frame(project: Project, *given: WorkloadEvent) -> Frame:
    """A batch as a receiver makes it ready."""
    book, now = prices.book(project.pk), datetime.now(UTC)
    lines = [log_lines.dumps(row(project.pk, each, book, now=now)) for each in given]
    return Frame(project.pk, "otel", b"\n".join(lines), len(lines))


def sent(spool: Spool, project: Project, *record_ids: str) -> None:
    spool.append(frame(project, *(factories.event(each, source="otel") for each in record_ids)))


def waiting(spool: Spool) -> int:
    return len(list(spool.folder.glob(f"*{SUFFIX}")))


def test_everything_arrives_once_and_the_spool_is_empty(project: Project, spool: Spool) -> None:
    sent(spool, project, "a", "b")
    sent(spool, project, "c")
    assert shipping.ship(spool) == 3
    assert (log.count(project.pk, ALL), waiting(spool)) == (3, 0)


def test_while_the_store_is_down_events_stay_and_drain_later(
    project: Project, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise Unavailable("The event store does not open.")

    sent(spool, project, "a", "b")
    with monkeypatch.context() as broken:
        broken.setattr(clickhouse, "_guarded", down)
        with pytest.raises(Unavailable):
            shipping.ship(spool)
    sent(spool, project, "c")
    assert waiting(spool) == 2
    shipping.ship(spool)
    assert (log.count(project.pk, ALL), waiting(spool)) == (3, 0)


def test_a_segment_shipped_twice_adds_nothing(project: Project, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(spool, project, "a", "b")
    with monkeypatch.context() as killed:  # between the log and the removal of the segment
        killed.setattr("projects.spool.Segment.remove", lambda _: None)
        shipping.ship(spool)
    shipping.ship(spool)
    assert (log.count(project.pk, ALL), waiting(spool)) == (2, 0)
    taking = Import.objects.get(is_push=True)
    assert (taking.n_taken, taking.n_duplicate) == (2, 2)


def test_a_project_that_was_deleted_meanwhile_is_left_out(project: Project, spool: Spool) -> None:
    gone = factories.project("gone")
    sent(spool, gone, "a")
    sent(spool, project, "b")
    gone.delete()
    assert shipping.ship(spool) == 1
    assert waiting(spool) == 0


def test_one_ledger_a_day_counts_what_came(project: Project, spool: Spool) -> None:
    for record_id in ("a", "b"):
        sent(spool, project, record_id)
        shipping.ship(spool)
    taking = Import.objects.get()
    assert (taking.n_lines, taking.n_taken, taking.source) == (2, 2, "otel")


def test_a_shipper_takes_over_what_an_earlier_process_left(project: Project, spool: Spool) -> None:
    sent(spool, project, "a")
    spool.close()
    shipper = shipping.Shipper(Spool(spool.folder, max_bytes=10_000_000))
    shipper.start()
    shipper.stop()
    assert log.count(project.pk, ALL) == 1


def test_stopping_one_that_never_started_is_harmless(spool: Spool) -> None:
    shipping.Shipper(spool).stop()
