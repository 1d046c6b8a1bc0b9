"""What stands out: by rules that the outliers themselves cannot move, among enough calls, with a way to each."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from projects import log
from projects.models import Project
from projects.overview import outliers, outlying, windows
from projects.overview.asking import Asked
from tests import factories
from tests.projects import overviews
from tests.projects.overviews import NOON

STARTS = [NOON + timedelta(days=at) for at in range(12)]


def places(values: list[float]) -> list[tuple[datetime, float]]:
    return list(zip(STARTS, values, strict=False))


def test_a_fence_by_hand() -> None:
    assert outlying.fence(1.0, 2.0) == 16.0  # 2 · (2/1)³
    assert outlying.fence(1.0, 1.0) == 2.0  # all alike: twice the usual
    assert outlying.fence(0.0, 2.0) is outlying.fence(-1.0, 2.0) is None


def test_a_day_stands_out_by_hand() -> None:
    # Median 10, median deviation 1: 20 is 10 / 1.4826 = 6.74 away.
    ((at, value, usual, far),) = outliers.stand_out(places([9, 10, 11, 9, 11, 10, 9, 11, 20]))
    assert (at, value, usual) == (STARTS[8], 20, 10)
    assert far == pytest.approx(6.745, abs=0.001)


@pytest.mark.parametrize("values", [[], [1.0], [1, 2, 3, 4, 5, 6, 900], [5.0] * 11 + [900.0]])
def test_too_few_or_all_alike_tell_nothing(values: list[float]) -> None:
    assert outliers.stand_out(places(values)) == []


@given(st.lists(st.floats(0, 1e9), min_size=8, max_size=12))
def test_never_more_than_half_stand_out(values: list[float]) -> None:
    assert len(outliers.stand_out(places(values))) <= len(values) / 2


@pytest.fixture
def asked(project: Project, events: None) -> Asked:
    calls = [
        overviews.call(f"r-{at}", started_at=NOON - timedelta(minutes=at), duration_ms=800.0 + at) for at in range(60)
    ]
    dear = overviews.call("dear", input_=400_000, duration_ms=None)
    slow = overviews.call("slow", duration_ms=60_000.0)
    failed = overviews.call("failed", **overviews.FAILED | {"duration_ms": 90_000.0, "output": 0})
    overviews.priced(project, [*calls, dear, slow, failed])
    return Asked(project.pk, windows.newest("24h", NOON, "UTC"))


@pytest.mark.django_db
def test_planted_calls_are_found_and_no_others(as_viewer: Client, asked: Asked) -> None:
    for section, name in ((outliers.dear_calls(asked), "dear"), (outliers.slow_calls(asked), "slow")):
        assert section.table is not None
        found = [row.link["event_id"] for row in section.table.rows]
        shown = [as_viewer.get(f"/projects/agent/logs/{each}/raw").json()["source_record_id"] for each in found]
        assert name in shown and set(shown) <= {"dear", "slow", "failed"}


@pytest.mark.django_db
def test_the_sentence_counts_what_was_looked_at(asked: Asked) -> None:
    assert outliers.dear_calls(asked).sentences == ("1 of 63 calls stand out; the farthest 1 are shown.",)


@pytest.mark.django_db
def test_few_calls_have_no_outliers(project: Project, events: None) -> None:
    log.write(project.pk, [factories.event("r", duration_ms=1e7), factories.event("s", duration_ms=1.0)])
    section = outliers.slow_calls(Asked(project.pk, windows.newest("24h", NOON, "UTC")))
    assert section.table is None and section.sentences == ("None of 0 calls stands out.",)


@pytest.mark.django_db
def test_an_unusual_day_leads_to_its_calls(as_viewer: Client, project: Project, events: None) -> None:
    counts = [3, 4, 3, 5, 4, 3, 4, 5, 40, 4, 3]
    calls = [
        overviews.call(f"{day}-{n}", started_at=NOON - timedelta(days=day))
        for day, count in enumerate(counts)
        for n in range(count)
    ]
    overviews.priced(project, calls)
    section = outliers.days(Asked(project.pk, windows.newest("30d", NOON, "UTC")))
    assert section.table is not None
    told = {row.cells[1]: row for row in section.table.rows if row.cells[0] == "Sun 2026-10-25"}
    assert set(told) == {"Spend", "Calls"} and told["Calls"].cells[2].value == 40
    assert len(as_viewer.get("/projects/agent/logs/", told["Calls"].link).context["found"].rows) == 40
