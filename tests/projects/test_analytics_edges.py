"""Where figures go wrong elsewhere: nothing, one call, unknowns, clocks that change, versions, deletions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netra import clickhouse
from netra.errors import Invalid, TooLarge
from netra.tokens import Tokens
from projects import log
from projects.analytics import engine, reading, standing
from projects.analytics.answers import Answer
from projects.analytics.questions import Budget
from projects.models import Project
from projects.workloads import Purpose
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
DAY = {"since": "2026-11-02T00:00:00Z", "until": "2026-11-03T00:00:00Z"}
ALL = ("calls", "errors.count", "errors.share", "refusals.count", "cost_usd.sum", "duration_ms.mean", "duration_ms.p95")


def ask(project: Project, **told: Any) -> Answer:
    return engine.answer(project.pk, engine.parsed({"analysis": "aggregate", **DAY, **told}))


def test_an_empty_window_has_no_calls_and_nothing_else_is_known(project: Project) -> None:
    assert ask(project, figures=ALL).rows == ((0, 0, None, None, None, None, None),)
    assert ask(project, figures=ALL, dimensions=["model"]).rows == ()


@pytest.mark.parametrize(
    "analysis", ["distribution", "percentiles", "correlation", "clusters", "sample", "spend_change"]
)
def test_every_analysis_answers_to_nothing(project: Project, analysis: str) -> None:
    needed = {
        "distribution": {"measure": "cost_usd"},
        "percentiles": {"measure": "cost_usd"},
        "correlation": {"measures": ["cost_usd", "duration_ms"]},
        "clusters": {"measures": ["cost_usd", "duration_ms"]},
    }
    answer = ask(project, analysis=analysis, **needed.get(analysis, {}))
    assert all(value in (0, None) or isinstance(value, str) for row in answer.rows for value in row)


def test_one_call_is_its_own_mean_and_percentile(project: Project) -> None:
    log.write(project.pk, [factories.event("r", duration_ms=812.5)])
    (row,) = ask(project, figures=("calls", "duration_ms.mean", "duration_ms.p05", "duration_ms.p99")).rows
    assert row == (1, 812.5, 812.5, 812.5)
    (bin_,) = ask(project, analysis="distribution", measure="duration_ms").rows
    assert bin_ == (812.5, 812.5, 1, 1.0)


def test_unknowns_are_left_out_and_not_taken_for_nothing(project: Project) -> None:
    calls = [factories.event("a", duration_ms=None, tokens=Tokens()), factories.event("b", duration_ms=100.0)]
    log.write(project.pk, calls)
    names = ("calls", "duration_ms.known", "duration_ms.mean", "tokens_input.known", "tokens_input.sum", "cost_usd.sum")
    assert ask(project, figures=names).rows == ((2, 1, 100.0, 1, 12, None),)


def test_an_unknown_dimension_is_a_group_of_its_own(project: Project) -> None:
    log.write(project.pk, [factories.event("a", user_id="u"), factories.event("b", user_id=None)])
    assert ask(project, dimensions=["user_id"]).rows == (("u", 1), (None, 1))
    narrowed = ask(project, filters=[{"dimension": "user_id", "is": [None]}])
    assert narrowed.rows == ((1,),)


def test_money_adds_up_to_the_last_digit(project: Project) -> None:
    costs = [Decimal("0.000000000001"), Decimal("0.1"), Decimal("0.2")]
    log.write(project.pk, [factories.event(f"r{at}", cost_recorded_usd=cost) for at, cost in enumerate(costs)])
    (row,) = ask(project, figures=("cost_recorded_usd.sum", "cost_recorded_usd.p50")).rows
    assert row == (Decimal("0.300000000001"), Decimal("0.1"))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-02", 24)], ids=["spring", "autumn", "plain"]
)
def test_a_local_day_has_the_hours_its_clocks_have(project: Project, day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    first = midnight.astimezone(UTC) - timedelta(minutes=30)
    log.write(project.pk, [factories.event(f"r{n}", started_at=first + timedelta(hours=n)) for n in range(30)])
    window = {"since": midnight.isoformat(), "until": (midnight + timedelta(days=1)).isoformat()}
    (row,) = ask(project, **window, grain="day", time_zone="Europe/Berlin").rows
    assert row == (midnight, hours)
    assert len(ask(project, **window, grain="hour", time_zone="Europe/Berlin").rows) == hours


def test_zones_off_the_hour_are_cut_right(project: Project) -> None:
    at = datetime(2026, 11, 2, 18, 20, tzinfo=UTC)  # 00:05 of the third in Kathmandu
    log.write(project.pk, [factories.event("r", started_at=at)])
    rows = ask(project, grain="day", time_zone="Asia/Kathmandu").records()
    assert [row["calls"] for row in rows] == [0, 1]


def test_a_call_is_counted_once_in_its_newest_version(project: Project) -> None:
    first = factories.event("r", duration_ms=100.0)
    for each in (first, replace(first, duration_ms=200.0), replace(first, duration_ms=300.0)):
        log.write(project.pk, [each])
        assert ask(project, figures=("calls", "duration_ms.mean", "duration_ms.max")).rows[0][0] == 1
    assert ask(project, figures=("calls", "duration_ms.mean", "duration_ms.max")).rows == ((1, 300.0, 300.0),)


def test_a_version_at_another_hour_leaves_its_old_hour(project: Project) -> None:
    first = factories.event("r")
    log.write(project.pk, [first, replace(first, started_at=factories.NOON + timedelta(hours=3))])
    rows = ask(project, grain="hour").records()
    assert [row["time"].hour for row in rows if row["calls"]] == [15]


def test_the_roll_up_rebuilt_says_the_same(project: Project) -> None:
    first = factories.event("r", duration_ms=100.0)
    log.write(project.pk, [first, replace(first, duration_ms=200.0), factories.event("s", duration_ms=50.0)])
    before = ask(project, figures=("calls", "duration_ms.mean"), grain="hour")
    assert standing.rebuild(project.pk) == 1
    sums = "SELECT sum(n_calls) AS n, sum(n_rows) AS rows, sum(duration_ns) AS ns FROM event_hours"
    assert clickhouse.rows(sums) == [{"n": 2, "rows": 3, "ns": 250_000_000}]
    assert ask(project, figures=("calls", "duration_ms.mean"), grain="hour") == before


def test_events_deleted_behind_its_back_are_not_counted(project: Project) -> None:
    log.write(project.pk, [factories.event(f"r{n}") for n in range(3)])
    assert ask(project).rows == ((3,),)
    clickhouse.command("DELETE FROM workload_events WHERE source_record_id = 'r1'")
    assert ask(project).rows == ((2,),)
    standing.rebuild(project.pk)
    assert clickhouse.scalar("SELECT sum(n_calls) FROM event_hours") == 2


def test_sums_lost_in_a_kill_are_read_from_the_log_and_made_good(project: Project) -> None:
    log.write(project.pk, [factories.event(f"r{n}") for n in range(3)])
    clickhouse.command("TRUNCATE TABLE event_hours")
    assert ask(project).rows == ((3,),)
    standing.rebuild(project.pk)
    assert ask(project).source == "hourly roll-up"


def test_replays_and_judges_are_left_out_unless_asked_for(project: Project) -> None:
    log.write(project.pk, [factories.event("a"), factories.event("b", purpose=Purpose.REPLAY)])
    assert ask(project).rows == ((1,),)
    assert ask(project, purposes=["replay"]).rows == ((1,),)


def test_other_projects_do_not_show(project: Project) -> None:
    log.write(factories.project("other").pk, [factories.event("r")])
    assert ask(project).rows == ((0,),)


def test_tags_count_under_each_and_it_is_said(project: Project) -> None:
    log.write(project.pk, [factories.event("a", tags=("x", "y")), factories.event("b", tags=("x",))])
    answer = ask(project, dimensions=["tag"])
    assert answer.rows == (("x", 2), ("y", 1))
    assert "add up to more" in answer.notes[0]
    assert ask(project, filters=[{"dimension": "tag", "is_not": ["y"]}]).rows == ((1,),)


def test_a_window_beside_the_one_before(project: Project) -> None:
    times = [timedelta(0), timedelta(hours=1), timedelta(days=-1)]
    models = ["new", "both", "both"]
    log.write(
        project.pk,
        [
            factories.event(f"r{at}", started_at=factories.NOON + back, requested_model=model)
            for at, (back, model) in enumerate(zip(times, models, strict=True))
        ],
    )
    answer = ask(project, dimensions=["model"], compare="previous")
    assert answer.rows == (("both", 1, 1, 0, 0.0), ("new", 1, 0, 1, None))


HOSTILE = [
    "x' OR 1=1 --",
    "'); DROP TABLE workload_events; --",
    "{p0:String}",
    "\\",
    "%s",
    "a\0b",
    "${IFS}",
    "🙂" * 100,
]


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_words_are_only_values(project: Project, word: str) -> None:
    log.write(
        project.pk, [factories.event("a", user_id=word.replace("\0", "\ufffd")), factories.event("b", user_id="u")]
    )
    assert ask(project, filters=[{"dimension": "user_id", "is": [word]}]).rows == ((1,),)
    assert ask(project, dimensions=["user_id"], filters=[{"dimension": "user_id", "is_not": ["u"]}]).rows[0][1] == 1


@pytest.mark.parametrize(
    "told",
    [
        {"figures": ["sum(cost_usd)"]},
        {"figures": ["calls", "calls"]},
        {"dimensions": ["model; DROP TABLE x"]},
        {"dimensions": ["model", "kind", "user_id", "tag"]},
        {"sql": "SELECT 1"},
        {"filters": [{"dimension": "model", "is": ["a"], "is_not": ["b"]}]},
        {"filters": [{"dimension": "model", "is": [{"$gt": ""}]}]},
        {"filters": [{"dimension": "http_status", "is": ["200 OR 1"]}]},
        {"filters": [{"dimension": "http_status", "is": [10**30]}]},
        {"filters": [{"dimension": "hour_of_day", "is": [3]}]},
        {"filters": [{"measure": "cost_usd", "at_least": float("nan")}]},
        {"time_zone": "../../etc/passwd"},
        {"since": "2026-11-02T00:00:00"},
        {"since": "2026-11-05T00:00:00Z"},
        {"since": "1900-01-01T00:00:00Z", "until": "1900-01-02T00:00:00Z"},
        {"until": "2090-01-01T00:00:00Z"},
        {"limit": 10**9},
        {"budget": {"rows": 10**12}},
        {"analysis": "eval"},
        {"analysis": "percentiles", "measure": "cost_usd", "levels": [2]},
        {"analysis": "clusters", "measures": ["cost_usd"], "k": 10**6},
    ],
)
def test_what_is_not_in_the_vocabulary_gets_a_sentence(project: Project, told: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        ask(project, **told)
    assert len(str(refused.value)) < 3_000


def test_past_the_budget_it_says_what_to_narrow(project: Project) -> None:
    clickhouse.command(
        "INSERT INTO workload_events (project_id, event_id, version, started_at, purpose, duration_ms) "  # noqa: S608
        f"SELECT {project.pk}, toString(number), 1, "
        "toDateTime64('2026-11-02 12:00:00', 6, 'UTC'), 'ingested', 1 FROM numbers(60000)"
    )
    with pytest.raises(TooLarge, match=r"holds 60,000 calls and this question may read 1,000\. Narrow the window"):
        ask(project, figures=["duration_ms.p95"], budget={"rows": 1_000})
    assert ask(project, figures=["duration_ms.p95"]).rows == ((1.0,),)


def test_too_many_buckets_are_refused(project: Project) -> None:
    with pytest.raises(TooLarge, match="coarser grain"):
        ask(project, since="2020-01-01T00:00:00Z", grain="hour")


def test_an_answer_is_kept_until_the_log_changes(project: Project) -> None:
    log.write(project.pk, [factories.event("a")])
    first = ask(project)
    assert ask(project) == first
    log.write(project.pk, [factories.event("b")])
    assert ask(project).rows == ((2,),)


def test_a_long_draw_is_the_same_as_sorting_everything(project: Project) -> None:
    log.write(project.pk, [factories.event(f"r{n}") for n in range(80)])
    few, all_ = (ask(project, analysis="sample", size=size, seed=1).rows for size in (5, 80))
    assert few == all_[:5]
    found = ask(project, analysis="sample", size=5, seed=1, filters=[{"dimension": "kind", "is": ["no such"]}])
    assert found.rows == ()


def test_a_month_that_agrees_is_not_looked_through(project: Project) -> None:
    log.write(project.pk, [factories.event(f"r{n}") for n in range(3)])
    span = (datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    assert (standing._checked(project.pk, span), standing.months_agree(span)) == ([], True)
    clickhouse.command("ALTER TABLE event_hours DELETE WHERE 1 SETTINGS mutations_sync = 2")
    assert standing.months_agree(span) is False
    assert standing._checked(project.pk, span) == [factories.NOON]


def test_a_statement_reads_no_column_that_it_does_not_name(project: Project, asked: list[str]) -> None:
    log.write(project.pk, [factories.event("r1")])
    ask(project, figures=["calls"], dimensions=["kind"])
    ask(project, figures=["duration_ms.p50"])
    rolled, logged = (sql for sql in asked if " AS n_calls" in sql)
    assert "kind" in rolled and "duration_ns" not in rolled and "tok_input" not in rolled
    assert "duration_ms" in logged and "session_id" not in logged


def test_within_a_moment_the_log_is_asked_once_how_it_stands(project: Project, asked: list[str]) -> None:
    log.write(project.pk, [factories.event("r1")])
    log.write(project.pk, [factories.event("r1", duration_ms=3.0)])
    with standing.moment():
        for name in ("calls", "errors.count", "cost_usd.sum"):
            ask(project, figures=[name], compare="previous")
    told = [" ".join(sql.split()) for sql in asked]
    assert sum("system.parts" in sql for sql in told) == 1
    assert sum("HAVING toUnixTimestamp64Micro(max(started_at)) = 0" in sql for sql in told) == 1


def test_where_no_version_was_ever_replaced_none_is_looked_for(project: Project, asked: list[str]) -> None:
    clickhouse.command("TRUNCATE TABLE superseded_events")
    log.write(project.pk, [factories.event("r1")])
    asked.clear()
    ask(project, figures=["calls"])
    assert not [sql for sql in asked if "FROM superseded_events" in sql]


def test_no_statement_is_compiled_for_a_page(project: Project) -> None:
    assert reading.settings(Budget())["compile_expressions"] == 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that rows were read by."""
    found: list[str] = []
    real = clickhouse.rows
    monkeypatch.setattr(clickhouse, "rows", lambda sql, *args, **more: found.append(sql) or real(sql, *args, **more))
    return found
