"""Made-up logs with gaps, in several zones over changing clocks: the engine against plain pandas, row by row."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.tokens import Tokens
from projects import log
from projects.analytics import alike, correlations, engine
from projects.models import Project
from projects.workloads import Outcome, WorkloadEvent
from tests import factories

# Each window holds the night on which the zone's clocks change: Kathmandu's never do, and stand 45 minutes aside.
NIGHTS = [
    ("Europe/Berlin", date(2026, 10, 23)),
    ("America/New_York", date(2026, 10, 30)),
    ("Australia/Lord_Howe", date(2026, 10, 2)),
    ("Asia/Kathmandu", date(2026, 10, 23)),
]
DAYS = 4


def _call(at: int, rng: random.Random, since: datetime) -> WorkloadEvent:
    is_ok = rng.random() > 0.2
    return factories.event(
        f"r-{at}",
        started_at=since + timedelta(minutes=rng.randrange(DAYS * 24 * 60)),
        served_model=rng.choice(["a", "b", None]),
        requested_model="a",
        duration_ms=rng.choice([None, 25.0, 250.5, float(rng.randrange(10_000))]),
        tokens=Tokens(input_fresh=rng.choice([None, 0, 7, rng.randrange(5_000)]), output_visible=3),
        outcome=Outcome.OK if is_ok else Outcome.PROVIDER_ERROR,
        session_id=rng.choice([None, "s-1", "s-2"]),
    )


def _framed(calls: list[WorkloadEvent], zone: str) -> pd.DataFrame:
    rows = [
        {
            "session": each.session_id,
            "day": each.started_at.astimezone(ZoneInfo(zone)).date(),
            "ms": each.duration_ms,
            "input": each.tokens.input_fresh,
            "failed": each.outcome != Outcome.OK,
        }
        for each in calls
    ]
    return pd.DataFrame(rows).astype({"ms": float, "input": float})


@pytest.fixture(params=NIGHTS, ids=[zone for zone, _ in NIGHTS])
def made(request: pytest.FixtureRequest, project: Project, events: None) -> tuple[dict[str, Any], pd.DataFrame, int]:
    zone, day = request.param
    since, until = (datetime.combine(at, time(), ZoneInfo(zone)) for at in (day, day + timedelta(days=DAYS)))
    rng = random.Random(zone)
    calls = [_call(at, rng, since) for at in range(160)]
    log.write(project.pk, calls)
    told = {"analysis": "aggregate", "since": since, "until": until, "time_zone": zone}
    return told, _framed([each for each in calls if each.started_at < until], zone), project.pk


def _ask(made: tuple[dict[str, Any], pd.DataFrame, int], **told: Any) -> list[dict[str, Any]]:
    return engine.answer(made[2], engine.parsed(made[0] | told)).records()


def test_local_days_hold_the_calls_that_pandas_puts_there(made: tuple[dict[str, Any], pd.DataFrame, int]) -> None:
    figures = ["calls", "errors.count", "duration_ms.known", "duration_ms.mean"]
    found = _ask(made, figures=figures, grain="day")
    told = {"n": ("failed", "size"), "bad": ("failed", "sum"), "ms": ("ms", "count"), "mean": ("ms", "mean")}
    wanted = made[1].groupby("day").agg(**told)
    zone = ZoneInfo(made[0]["time_zone"])
    assert [row["time"].astimezone(zone).date() for row in found] == list(wanted.index)
    assert [(row["calls"], row["errors.count"], row["duration_ms.known"]) for row in found] == [
        (row.n, row.bad, row.ms) for row in wanted.itertuples()
    ]
    assert [row["duration_ms.mean"] for row in found] == pytest.approx(list(wanted["mean"]))


def test_groups_with_one_for_what_is_not_known(made: tuple[dict[str, Any], pd.DataFrame, int]) -> None:
    figures = ["calls", "duration_ms.p50", "duration_ms.max"]
    found = _ask(made, figures=figures, dimensions=["session_id"], accuracy="exact")
    wanted = made[1].groupby("session", dropna=False)["ms"].agg(["size", "median", "max"])
    by_name = {row["session_id"]: row for row in found}
    assert set(by_name) == {None, "s-1", "s-2"}
    for name, row in wanted.iterrows():
        told = by_name[None if pd.isna(name) else name]
        assert (told["calls"], told["duration_ms.max"]) == (row["size"], row["max"])
        assert told["duration_ms.p50"] == pytest.approx(row["median"])


def test_a_filter_on_a_measure_leaves_the_unknown_out(made: tuple[dict[str, Any], pd.DataFrame, int]) -> None:
    (found,) = _ask(made, figures=["calls"], filters=[{"measure": "duration_ms", "at_least": 250}])
    assert found["calls"] == int((made[1]["ms"] >= 250).sum())


def test_going_together_is_that_of_pandas(made: tuple[dict[str, Any], pd.DataFrame, int]) -> None:
    both = made[1].dropna(subset=["ms", "input"])
    for method in ("pearson", "spearman"):
        told = {"analysis": "correlation", "measures": ["duration_ms", "tokens_input_fresh"], "method": method}
        asked = {name: value for name, value in made[0].items() if name != "time_zone"} | told
        (found,) = engine.answer(made[2], engine.parsed(asked)).records()
        assert found["n"] == len(both)
        assert found["r"] == pytest.approx(both["ms"].corr(both["input"], method=method), abs=1e-6)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_ranks_are_those_of_pandas(values: list[int]) -> None:
    found = correlations._doubled_ranks(np.array(values, float))
    assert list(found) == list(2 * pd.Series(values).rank() - (len(values) + 1))
    assert found.sum() == 0


@given(st.integers(0, 50), st.integers(2, 6), st.integers(6, 60))
def test_groups_part_all_points_and_a_seed_gives_the_same(seed: int, k: int, n: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 3))
    parted, again = alike.k_means(points, k, seed), alike.k_means(points, k, seed)
    assert len(parted.labels) == n and set(parted.labels) <= set(range(k))
    assert (parted.labels == again.labels).all() and 0.0 <= parted.explained <= 1.0 + 1e-12
