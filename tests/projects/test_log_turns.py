"""Several writers of one project's log at once: each call is taken once, whoever was first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from projects import log
from projects.log import EventFilter
from projects.models import Project
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
N_WRITERS, N_EVENTS = 4, 30


def written(project: Project) -> int:
    """The same calls, written from a thread of their own; how many were new."""
    try:
        return log.write(project.pk, [factories.event(source_record_id=f"r-{n}") for n in range(N_EVENTS)]).taken
    finally:
        connections.close_all()


def test_calls_written_by_several_at_once_are_taken_once(project: Project, events: None) -> None:
    with ThreadPoolExecutor(N_WRITERS) as pool:
        taken = list(pool.map(written, [project] * N_WRITERS))
    assert sorted(taken) == [0] * (N_WRITERS - 1) + [N_EVENTS]
    assert log.count(project.pk, EventFilter()) == N_EVENTS


def test_projects_do_not_wait_for_each_other(project: Project, stranger: object, events: None) -> None:
    other = Project.objects.get(slug="elsewhere")
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(written, [project, other])) == [N_EVENTS, N_EVENTS]
