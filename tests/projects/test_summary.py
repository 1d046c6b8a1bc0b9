"""Totals of any window that may be asked for, known or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from projects import log, summary
from projects.log_filter import EventFilter
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
NOON = factories.NOON


@pytest.fixture
def calls(project: Project) -> None:
    failed = factories.event("b", started_at=NOON + timedelta(days=1), outcome="provider_error", duration_ms=None)
    log.write(project.pk, [factories.event("a", is_refusal=True), failed])


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        (EventFilter(), 2),
        (EventFilter(since=datetime(1900, 1, 1, tzinfo=UTC), until=datetime(2199, 1, 1, tzinfo=UTC)), 2),
        (EventFilter(since=NOON.replace(tzinfo=None), until=NOON + timedelta(seconds=1)), 1),
        (EventFilter(since=NOON + timedelta(days=9)), 0),
        (EventFilter(until=NOON), 0),
    ],
)
def test_windows(project: Project, calls: None, wanted: EventFilter, n: int) -> None:
    assert summary.totals(project.pk, wanted)["n_calls"] == n


def test_each_total_says_what_it_is_of(project: Project, calls: None) -> None:
    found = summary.totals(project.pk, EventFilter())
    assert (found["n_errors"], found["n_refusals"], found["n_timed"], found["p95_ms"]) == (1, 1, 1, 800.0)
    assert (found["spent_usd"], found["n_priced"]) == (None, 0)
    assert (found["first_at"], found["last_at"]) == (NOON, NOON + timedelta(days=1))


def test_an_empty_log(project: Project) -> None:
    found = summary.totals(project.pk, EventFilter())
    assert (found["n_calls"], found["n_refusals"], found["p50_ms"], found["first_at"]) == (0, 0, None, None)
