"""Filters as a person fills them in: words, exact times in the reader's zone; what cannot be read asks nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from projects import log
from projects.filter_forms import COSTS, EventFilterForm, LedgerForm
from projects.models import Project
from tests import factories
from tests.factories import NOON


def asked(**told: Any) -> dict[str, Any]:
    wanted = EventFilterForm(told).wanted()
    return {name: value for name in wanted.__slots__ if (value := getattr(wanted, name)) is not None}


def test_nothing_filled_in_asks_nothing() -> None:
    assert asked() == {}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"outcome": "error"}, {"is_error": True}),
        ({"outcome": "ok"}, {"outcome": "ok"}),
        ({"purpose": "demand"}, {"is_demand": True}),
        ({"replayable": "no"}, {"is_replayable": False}),
        ({"cost": "neither"}, {"is_priced": False, "is_recorded": False}),
        ({"import_id": "7"}, {"import_id": 7}),
        ({"session_id": " s "}, {"session_id": " s "}),
        (
            {"source": "otel", "flag": "batch", "blocked": "private"},
            {"source": "otel", "flag": "batch", "blocked": "private"},
        ),
    ],
)
def test_words_become_questions(told: dict[str, str], wanted: dict[str, Any]) -> None:
    assert asked(**told) == wanted


@pytest.mark.parametrize(
    "told",
    [
        {"outcome": "zz"},
        {"import_id": "x"},
        {"import_id": str(2**70)},
        {"model": "\0"},
        {"since": "x"},
        {"until": "9999-12-31"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"window": "eon"},
        {"source": "zz"},
    ],
)
def test_what_cannot_be_read_asks_nothing_and_says_so(told: dict[str, str]) -> None:
    form = EventFilterForm(told)
    assert asked(**told) == {}
    assert form.errors


def test_a_window_in_words_counts_back_from_now() -> None:
    since = asked(window="day")["since"]
    assert abs(datetime.now(UTC) - timedelta(days=1) - since) < timedelta(minutes=5)


def test_exact_times_win_over_words_and_are_the_reader_s() -> None:
    with timezone.override("Asia/Tokyo"):
        assert asked(window="day", since="2026-11-02T21:00") == {"since": NOON}
        assert asked(since=NOON.isoformat()) == {"since": NOON}


def test_times_of_an_address_are_shown_as_the_browser_wants_them() -> None:
    with timezone.override("Asia/Tokyo"):
        field = EventFilterForm({"since": NOON.isoformat()})["since"]
        assert 'value="2026-11-02T21:00"' in str(field)


def test_a_ledger_s_window_is_whole_days_up_to_the_newest_call() -> None:
    wanted = LedgerForm({}).within(NOON)
    assert (wanted.since, wanted.until) == (datetime(2026, 10, 4, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    assert LedgerForm({"window": "all"}).within(NOON).since is None
    assert LedgerForm({}).within(None).since is None


@pytest.mark.django_db
@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    "query", ["cost=" + each for each in COSTS] + ["window=week", "outcome=error", "trace_id=%00", "import_id=1"]
)
def test_every_filter_has_a_page(as_viewer: Client, project: Project, query: str) -> None:
    log.write(project.pk, [factories.event("r")])
    answer = as_viewer.get(f"/projects/agent/logs/?{query}")
    assert answer.status_code == 200
    assert "<details" in answer.content.decode()
