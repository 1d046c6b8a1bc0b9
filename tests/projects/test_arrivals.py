"""What comes out of the spool: into the log past the project's gate, and into the ledger of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from netra import prices
from projects import arrivals, log, log_lines
from projects.arrivals import Arrival
from projects.ingest.verdicts import Rejected
from projects.log_rows import row
from projects.models import Import, ImportLine, Project
from projects.spool import Frame
from projects.workloads import WorkloadEvent
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


def arrived(project: Project, *events: WorkloadEvent, left_out: tuple[Rejected, ...] = ()) -> Arrival:
    book, now = prices.book(project.pk), datetime.now(UTC)
    lines = [log_lines.dumps(row(project.pk, each, book, now=now, keeps_told=True)) for each in events]
    found = Arrival()
    found.add(Frame(project.pk, "otel", b"\n".join(lines), len(lines), left_out))
    return found


def span(name: str, **fields: object) -> WorkloadEvent:
    return factories.event(name, source="otel", **fields)


@pytest.fixture
def taking(project: Project) -> Import:
    return Import.objects.create(project=project, source="otel", is_push=True)


def test_the_new_is_taken_and_the_known_is_told_apart(project: Project, taking: Import) -> None:
    arrivals.settle(taking, arrived(project, span("a"), span("b")))
    arrivals.settle(taking, arrived(project, span("b"), span("c"), left_out=(Rejected("missing_timestamp"),)))
    taking.refresh_from_db()
    assert (taking.n_lines, taking.n_taken, taking.n_duplicate, taking.n_rejected) == (5, 3, 1, 1)
    assert log.count(project.pk, log.EventFilter()) == 3


def test_flags_and_reasons_are_counted_whichever_way_a_row_went(project: Project, taking: Import) -> None:
    told = {"request": None, "flags": frozenset({"no_body"})}
    arrivals.settle(taking, arrived(project, span("a", **told), span("b", **told), span("b", duration_ms=1.0, **told)))
    taking.refresh_from_db()
    assert taking.flag_counts == {"no_body": 3, "not_replayable": 3}
    assert (taking.n_flagged, taking.not_replayable_counts["no_request"]) == (3, 3)


def test_lines_are_numbered_through_the_day(project: Project, taking: Import) -> None:
    arrivals.settle(taking, arrived(project, span("a", flags=frozenset({"no_usage"}))))
    arrivals.settle(
        taking, arrived(project, span("b", flags=frozenset({"no_usage"})), left_out=(Rejected("missing_timestamp"),))
    )
    found = ImportLine.objects.filter(of_import=taking).values_list("line_number", "code")
    assert list(found) == [(1, "no_usage"), (2, "no_usage"), (3, "missing_timestamp")]


def test_what_retention_would_delete_is_not_written(project: Project, taking: Import) -> None:
    Project.objects.filter(pk=project.pk).update(retention_days=30)
    old, new = datetime.now(UTC) - timedelta(days=40), datetime.now(UTC) - timedelta(days=1)
    arrivals.settle(taking, arrived(project, span("a", started_at=old), span("b", started_at=new)))
    assert (taking.n_taken, taking.n_skipped, log.count(project.pk, log.EventFilter())) == (1, 1, 1)


def test_a_call_another_product_told_of_is_merged(project: Project, taking: Import) -> None:
    log.write(project.pk, [factories.event("p", source="portkey", provider_response_id="resp-1")])
    arrivals.settle(taking, arrived(project, span("a", provider_response_id="resp-1")))
    assert (taking.n_merged, log.count(project.pk, log.EventFilter())) == (1, 1)
