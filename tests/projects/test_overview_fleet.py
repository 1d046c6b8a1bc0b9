"""All projects side by side: those one may read, over one window, against the one before, in few questions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from netra import clickhouse
from projects import log
from projects.models import Project, User
from projects.overview.fleet import Fleet, fleet
from tests import factories
from tests.projects import overviews
from tests.projects.overviews import DAY, NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


@pytest.fixture
def second(owner: User) -> Project:
    made = factories.project("second", owner=owner, is_simulated=True)
    log.write(
        made.pk, [factories.event(f"s-{at}", started_at=NOON - 3 * DAY, requested_model="none") for at in range(3)]
    )
    return made


@pytest.fixture
def calls(project: Project) -> None:
    overviews.priced(project, overviews.two_days())


def line(found: Fleet, slug: str) -> Any:
    return next(each for each in found.lines if each.project.slug == slug)


def test_figures_and_their_change(project: Project, second: Project, calls: None) -> None:
    agent = line(fleet([project, second], "24h", "UTC"), "agent")
    assert (agent.now.n_calls, agent.before.n_calls, agent.calls_change) == (6, 4, 0.5)
    assert agent.now.spent_usd == Decimal("0.032") and agent.spend_change == pytest.approx(1 / 3)
    assert agent.now.error_share == agent.error_points == pytest.approx(1 / 6)
    assert agent.now.p95_ms == pytest.approx(800, rel=0.02)
    assert (sum(agent.counts), len(agent.counts)) == (6, 24)


def test_the_dearest_first_and_all_together(project: Project, second: Project, calls: None) -> None:
    found = fleet([second, project], "7d", "UTC")
    assert [each.project.slug for each in found.lines] == ["agent", "second"]
    assert (found.whole.now.n_calls, found.whole.now.n_priced) == (13, 10)
    assert found.whole.now.spent_usd == Decimal("0.056") and line(found, "second").now.spent_usd is None


def test_a_project_without_calls_has_no_shares(project: Project) -> None:
    (empty,) = fleet([project], "7d", "UTC").lines
    assert (empty.now.n_calls, empty.now.error_share, empty.newest_at, empty.spend_change) == (0, None, None, None)


def test_a_corrected_call_counts_once(project: Project, second: Project, calls: None) -> None:
    log.write(project.pk, [overviews.call("n-0", started_at=NOON, output=600, user_id="u-0", tags=("x", "y"))])
    agent = line(fleet([project, second], "24h", "UTC"), "agent")
    assert agent.now.n_calls == 6
    assert agent.now.spent_usd == Decimal("0.0328")


@pytest.mark.parametrize("table", ["event_hours", "latency_hours"])
def test_a_roll_up_that_lost_its_rows_is_not_believed(
    project: Project, second: Project, calls: None, table: str
) -> None:
    clickhouse.command(f"TRUNCATE TABLE {table}")
    log.write(second.pk, [factories.event("newest", started_at=NOON, requested_model="none")])
    agent = line(fleet([project, second], "24h", "UTC"), "agent")
    assert (agent.now.n_calls, agent.now.p95_ms) == (6, pytest.approx(800, rel=0.02))


def test_replays_are_no_demand(project: Project, calls: None) -> None:
    log.write(project.pk, [overviews.call("replayed", purpose="replay", started_at=NOON)])
    assert fleet([project], "24h", "UTC").lines[0].now.n_calls == 6


def test_questions_do_not_grow_with_projects(owner: User, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = clickhouse.rows
    monkeypatch.setattr(clickhouse, "rows", lambda sql, *args, **more: asked.append(sql) or real(sql, *args, **more))
    counts = []
    for n in (1, 12):
        more = [factories.project(f"p-{n}-{at}", owner=owner) for at in range(n)]
        for at, each in enumerate(more):
            log.write(each.pk, [factories.event("r", started_at=NOON - timedelta(hours=at))])
        asked.clear()
        fleet(more, "7d", "UTC")
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8


def test_the_page_holds_ones_own_projects_only(
    as_owner: Client, as_stranger: Client, second: Project, calls: None
) -> None:
    assert ">second<" in as_owner.get("/").content.decode().lower()
    other = as_stranger.get("/").content.decode()
    assert "/projects/second/" not in other and "/projects/agent/" not in other


@pytest.mark.parametrize("window", ["24h", "90d", "<script>", ""])
def test_any_window_gets_a_page(as_owner: Client, calls: None, window: str) -> None:
    page = as_owner.get("/", {"window": window})
    assert page.status_code == 200 and "<script>alert" not in page.content.decode()


def test_hostile_names_are_only_text(as_owner: Client, owner: User) -> None:
    factories.project("odd", owner=owner, name="<img src=x onerror=alert(1)>")
    assert "<img src=x" not in as_owner.get("/").content.decode()
