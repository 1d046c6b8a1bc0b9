"""Figures of an overview, worked by hand; and each link leads to just the calls that were counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from projects.models import Project
from projects.overview import change, drivers, failures, latency, mix, spend, windows
from projects.overview.asking import Asked, newest_at
from projects.overview.headline import headline
from projects.overview.shapes import Section
from tests.projects import overviews
from tests.projects.overviews import DAY, NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


@pytest.fixture
def asked(project: Project) -> Asked:
    overviews.priced(project, overviews.two_days())
    return Asked(project.pk, windows.newest("24h", newest_at(project.pk), "UTC"))


def rows(section: Section) -> list[tuple[Any, ...]]:
    assert section.table is not None
    return [row.cells for row in section.table.rows]


def test_the_headline(asked: Asked) -> None:
    # Today: five calls of 1,000 and 500 tokens, and a failed one of 1,000 tokens in.
    found = headline(asked)
    assert (found["calls"], found["calls_before"]) == (6, 4)
    assert (found["cost_usd_sum"], found["cost_usd_sum_before"]) == (Decimal("0.032"), Decimal("0.024"))
    assert found["error_points"] == pytest.approx(1 / 6)


def test_spend_over_time_adds_up_and_idle_hours_cost_nothing(asked: Asked) -> None:
    told = rows(spend.spend(asked))
    assert sum(row[1] for row in told) == Decimal("0.032")
    assert len(told) == 24 and [row[1] for row in told].count(Decimal(0)) == 22


def test_why_spend_changed_adds_up_to_the_last_digit(asked: Asked) -> None:
    section = change.why(asked)
    assert section.table is not None and section.table.total is not None
    before, after, difference, *parts = section.table.total.cells[2:]
    assert (before, after, difference) == (Decimal("0.024"), Decimal("0.032"), Decimal("0.008"))
    assert sum(parts) == difference == sum(row[4] for row in rows(section))


def test_week_over_week_looks_at_seven_days_of_any_window(asked: Asked) -> None:
    week = Asked(asked.project_id, asked.window, over="week")
    told = {row[0]: row for row in rows(change.difference(week))}
    assert (told["Calls"][1].value, told["Calls"][2].value) == (0, 10)
    assert told["Errors"][1].value is None and told["Errors"][3].value is None


def test_latency_is_of_answered_calls(asked: Asked) -> None:
    (row,) = rows(latency.by_model(asked))
    assert row[:3] == ("gpt-4o-mini", 5, 800.0)
    whole, first, *_ = rows(latency.measures(asked))
    assert whole[1] == 5 and first[1] == 0 and first[2].value is None


def test_a_failed_try_wastes_its_tokens_and_its_money(asked: Asked) -> None:
    (row,) = rows(failures.waste(asked))
    # Model, tries, answered in the end, tokens and of how many, USD and of how many, time.
    assert row == ("gpt-4o-mini", 1, 1, 1_000, 1, Decimal("0.002"), 1, 50.0)


def test_causes_endings_and_outcomes_count_the_same_calls(asked: Asked) -> None:
    (cause,) = rows(failures.causes(asked))
    assert cause[:4] == ("timeout", "the provider's", 1, 0)
    assert {row[0]: row[1] for row in rows(failures.outcomes(asked))} == {"ok": 5, "provider error": 1}
    assert {row[0]: row[1] for row in rows(failures.endings(asked))} == {"stop": 5, None: 1}


def test_the_mix_and_the_drivers(asked: Asked) -> None:
    assert [row[:3] for row in rows(mix.models(asked))] == [("gpt-4o-mini", 6, 1.0)]
    by_user = rows(drivers.drivers(Asked(asked.project_id, asked.window, by="user_id")))
    assert [(row[0], row[1]) for row in by_user] == [
        ("u-0", Decimal("0.018")),
        ("u-1", Decimal("0.012")),
        (None, Decimal("0.002")),
    ]


def test_all_others_make_up_the_rest_of_a_stack(project: Project) -> None:
    calls = [overviews.call(f"m-{at}-{n}", requested_model=f"m-{at}") for at in range(8) for n in range(at + 1)]
    overviews.priced(project, calls)
    asked = Asked(project.pk, windows.newest("24h", NOON, "UTC"))
    picture, table = mix.stacked(asked, "model", "Calls")
    assert [each.name for each in picture.series] == ["m-7", "m-6", "m-5", "m-4", "m-3", "all others"]
    assert sum(sum(row.cells[1:]) for row in table.rows) == 36


@pytest.mark.parametrize("by", ["model", "kind", "user_id", "session_id", "tag", "prompt_template"])
def test_a_driver_leads_to_its_own_calls(as_viewer: Client, asked: Asked, by: str) -> None:
    table = drivers.drivers(Asked(asked.project_id, asked.window, by=by)).table
    assert table is not None
    for row in table.rows:
        if row.link:
            assert len(as_viewer.get("/projects/agent/logs/", row.link).context["found"].rows) == row.cells[5]


def test_links_of_failures_lead_to_the_failed(as_viewer: Client, asked: Asked) -> None:
    for section in (failures.causes(asked), failures.errors(asked)):
        assert section.table is not None
        (link,) = [row.link for row in section.table.rows if row.link]
        (found,) = as_viewer.get("/projects/agent/logs/", link).context["found"].rows
        assert found["outcome"] == "provider_error"


def test_an_hour_leads_to_its_calls_and_replays_are_not_among_them(as_viewer: Client, asked: Asked) -> None:
    section = spend.spend(asked)
    assert section.table is not None
    counted = [(row.cells[2], row.link) for row in section.table.rows if row.link]
    for n, link in counted:
        assert link["purpose"] == "demand"
        assert len(as_viewer.get("/projects/agent/logs/", link).context["found"].rows) == n
    assert sum(n for n, _ in counted) == 6 and DAY
