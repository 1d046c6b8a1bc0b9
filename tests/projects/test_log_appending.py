"""Rows that come ready go straight in where nothing else can have told of their calls; the others are pointed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from netra import prices
from projects import log, log_appending, log_lines
from projects.log_rows import row
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
EVERYTHING = log.EventFilter()


def span(number: int, **fields: Any) -> WorkloadEvent:
    """A call as a tracer tells of it."""
    ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "provider_response_id": f"resp-{number}"}
    return factories.event(f"span-{number}", source="otel", **{**ids, **fields})


def appended(project: Project, *events: WorkloadEvent) -> Sequence[int]:
    """Places of the events that were not written."""
    book, now = prices.book(project.pk), datetime.now(UTC)
    lines = b"\n".join(log_lines.dumps(row(project.pk, each, book, now=now)) for each in events)
    return log_appending.append(project.pk, log_lines.read(lines), import_id=9)


def test_what_is_new_goes_in_and_is_the_same_as_written_the_long_way(project: Project) -> None:
    assert appended(project, span(1), span(2)) == []
    (new, _) = log.export(project.pk, EVERYTHING)
    assert log.write(project.pk, [span(1), span(2)]).duplicate == 2
    assert (new["version"], new["import_id"], new["sources"]) == (1, 9, ["otel"])


def test_again_nothing_goes_in(project: Project) -> None:
    appended(project, span(1), span(2))
    assert appended(project, span(1), span(2), span(3)) == [0, 1]
    assert log.count(project.pk, EVERYTHING) == 3


def test_a_record_twice_in_a_batch_needs_a_look(project: Project) -> None:
    changed = replace(span(1), duration_ms=5.0)
    assert appended(project, span(1), span(2), changed) == [0, 2]


def test_one_call_at_two_layers_needs_a_look(project: Project) -> None:
    inner = span(2, provider_response_id="resp-1")
    assert appended(project, span(1), inner) == [0, 1]
    log.write(project.pk, [span(1)])
    assert appended(project, inner, span(3, provider_response_id=None), span(4, provider_response_id=None)) == [0]


def test_response_ids_are_data(project: Project) -> None:
    odd = "'), \\ {x:String} ,\n\u00e9 \u4e2d"
    log.write(project.pk, [span(1, provider_response_id=odd)])
    assert appended(project, span(2, provider_response_id=odd), span(3, provider_response_id=f"{odd}.")) == [0]


@pytest.mark.parametrize("days", [0, 0.9])
def test_beside_another_product_everything_needs_a_look(project: Project, days: float) -> None:
    other = factories.event("p-1", source="portkey", started_at=span(1).started_at + timedelta(days=days))
    log.write(project.pk, [other])
    assert appended(project, span(1), span(2)) == [0, 1]
    assert log.count(project.pk, EVERYTHING) == 1


def test_another_products_call_of_an_unknown_day_counts_too(project: Project) -> None:
    log.write(project.pk, [factories.event("p-1", source="portkey", started_at=None)])
    assert appended(project, span(1)) == [0]


def test_another_product_long_ago_or_elsewhere_does_not(project: Project) -> None:
    long_ago = span(1).started_at - timedelta(days=3)
    log.write(project.pk, [factories.event("p-1", source="portkey", started_at=long_ago)])
    log.write(factories.project("other").pk, [factories.event("p-1", source="portkey"), span(1)])
    assert appended(project, span(1)) == []


def test_a_record_of_a_merged_event_needs_a_look(project: Project) -> None:
    at = span(1).started_at
    log.write(project.pk, [factories.event("p", source="portkey", provider_response_id="resp-1", started_at=at)])
    assert log.write(project.pk, [span(1)]).merged == 1
    assert appended(project, span(1)) == [0]


def test_more_ids_than_a_statement_holds(project: Project) -> None:
    given = [span(number, provider_response_id=f"{number:0>400}") for number in range(600)]
    assert appended(project, *given) == []
    assert appended(project, *given) == list(range(600))
