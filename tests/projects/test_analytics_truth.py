"""The engine's numbers against plain pandas, on public traces and on calls with gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from netra import clickhouse
from netra.tokens import Tokens
from projects import log
from projects.analytics import aggregates, engine
from projects.analytics.answers import EXACT, NEAR, Answer
from projects.workloads import WorkloadEvent
from tests import factories

pytestmark = pytest.mark.django_db
AZURE, LLMPERF = 910_001, 910_002
SINCE, UNTIL = "2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z"
START = datetime(2023, 11, 20, tzinfo=UTC)
TABLES = ("workload_events", "superseded_events", "event_hours", "latency_hours")


@pytest.fixture(scope="module")
def azure(shared_dir: Path) -> pd.DataFrame:
    frame = pd.read_csv(shared_dir / "data/traffic/azure_llm_2023_conv.csv.gz", parse_dates=["timestamp"])
    frame["cost"] = [
        Decimal(3 * a + 15 * b) / 1_000_000 for a, b in zip(frame.context_tokens, frame.generated_tokens, strict=True)
    ]
    frame["timestamp"] = frame.timestamp.dt.tz_localize("UTC")
    return frame


@pytest.fixture(scope="module")
def llmperf(shared_dir: Path) -> pd.DataFrame:
    frame = pd.read_csv(shared_dir / "data/traffic/llmperf_requests_dev.csv.gz")
    failed = frame.error_code.notna()
    frame["ms"] = (frame.end_to_end_latency_s * 1000).mask(failed)
    frame["first_ms"] = (frame.ttft_s * 1000).mask(failed)
    return frame


def _azure_events(frame: pd.DataFrame) -> Iterator[WorkloadEvent]:
    for at, row in enumerate(frame.itertuples()):
        tokens = Tokens(input_fresh=int(row.context_tokens), output_visible=int(row.generated_tokens))
        yield factories.event(
            f"a-{at}",
            started_at=row.timestamp.to_pydatetime(),
            tokens=tokens,
            request=None,
            response=None,
            duration_ms=None,
        )


def _llmperf_events(frame: pd.DataFrame) -> Iterator[WorkloadEvent]:
    for at, row in enumerate(frame.itertuples()):
        has_failed = pd.notna(row.error_code)
        yield factories.event(
            f"l-{at}",
            started_at=START + timedelta(seconds=at),
            provider=row.provider,
            requested_model=row.model,
            outcome="provider_error" if has_failed else "ok",
            duration_ms=None if has_failed else row.ms,
            ttft_ms=None if has_failed else row.first_ms,
            request=None,
            response=None,
        )


@pytest.fixture(scope="module")
def store(
    event_schema: None, azure: pd.DataFrame, llmperf: pd.DataFrame, django_db_setup: None, django_db_blocker: Any
) -> Iterator[None]:
    with django_db_blocker.unblock():
        log.write(AZURE, _azure_events(azure))
        log.write(LLMPERF, _llmperf_events(llmperf))
    yield
    for table in TABLES:
        clickhouse.command(f"TRUNCATE TABLE {table}")


def ask(project_id: int, **told: Any) -> Answer:
    return engine.answer(project_id, engine.parsed({"since": SINCE, "until": UNTIL, **told}))


def figures(*names: str, **told: Any) -> dict[str, Any]:
    (row,) = ask(AZURE, analysis="aggregate", figures=names, **told).records()
    return row


def test_sums_means_and_ends(store: None, azure: pd.DataFrame) -> None:
    of = azure.context_tokens
    found = figures("calls", *(f"tokens_input.{made}" for made in ("sum", "mean", "min", "max", "known")))
    assert list(found.values()) == [len(azure), of.sum(), of.mean(), of.min(), of.max(), len(azure)]


@pytest.mark.parametrize("level", [5, 25, 50, 75, 90, 95, 99])
def test_percentiles_are_those_of_pandas(store: None, azure: pd.DataFrame, level: int) -> None:
    name = f"tokens_output.p{level:02}"
    assert figures(name)[name] == pytest.approx(azure.generated_tokens.quantile(level / 100), rel=1e-12)


def test_by_hour(store: None, azure: pd.DataFrame) -> None:
    answer = ask(AZURE, analysis="aggregate", figures=("calls", "tokens_output.sum"), grain="hour")
    wanted = azure.groupby(azure.timestamp.dt.floor("h")).generated_tokens.agg(["size", "sum"])
    found = {row["time"]: (row["calls"], row["tokens_output.sum"]) for row in answer.records() if row["calls"]}
    assert found == {
        at.to_pydatetime(): tuple(row) for at, row in zip(wanted.index, wanted.to_numpy().tolist(), strict=True)
    }


def test_latency_by_model_and_provider_leaves_failures_out(store: None, llmperf: pd.DataFrame) -> None:
    asked = ("calls", "errors.share", "duration_ms.known", "duration_ms.mean", "duration_ms.p95", "ttft_ms.p50")
    answer = ask(LLMPERF, analysis="aggregate", figures=asked, dimensions=("provider", "model"))
    for row in answer.records():
        frame = llmperf[(llmperf.provider == row["provider"]) & (llmperf.model == row["model"])]
        wanted = [len(frame), frame.error_code.notna().mean(), frame.ms.count(), frame.ms.mean()]
        wanted += [frame.ms.quantile(0.95), frame.first_ms.quantile(0.5)]
        assert [row[name] for name in asked] == pytest.approx(wanted, rel=1e-9, nan_ok=True)


def test_any_percentile_by_one_dimension(store: None, llmperf: pd.DataFrame) -> None:
    answer = ask(LLMPERF, analysis="percentiles", measure="duration_ms", levels=(0.123, 0.999), dimension="provider")
    wanted = llmperf.groupby("provider").ms.quantile([0.123, 0.999]).unstack()
    for name, _n, *values in answer.rows:
        assert values == pytest.approx(wanted.loc[name].tolist(), rel=1e-12)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_distribution_holds_every_call_once(store: None, azure: pd.DataFrame, scale: str) -> None:
    answer = ask(AZURE, analysis="distribution", measure="tokens_output", bins=12, scale=scale)
    of = azure.generated_tokens[azure.generated_tokens > 0] if scale == "log" else azure.generated_tokens
    edges = [row[0] for row in answer.rows] + [answer.rows[-1][1]]
    wanted = pd.cut(of, edges, right=False).value_counts(sort=False)
    assert sum(row[2] for row in answer.rows) == len(of)
    assert [row[2] for row in answer.rows[:-1]] == wanted.tolist()[:-1]


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlations(store: None, azure: pd.DataFrame, method: str) -> None:
    answer = ask(AZURE, analysis="correlation", measures=("tokens_input", "tokens_output"), method=method)
    ((_, _, r, n),) = answer.rows
    assert n == len(azure)
    assert r == pytest.approx(azure.context_tokens.corr(azure.generated_tokens, method=method), abs=1e-12)


def test_filters_on_measures(store: None, azure: pd.DataFrame) -> None:
    found = figures("calls", filters=[{"measure": "tokens_input", "at_least": 100, "below": 1000}])
    assert found["calls"] == int(azure.context_tokens.between(100, 999).sum())


def test_a_sample_is_the_same_for_a_seed_and_grows_at_its_end(store: None) -> None:
    ten, twenty = (ask(AZURE, analysis="sample", size=size, seed=7).rows for size in (10, 20))
    assert ten == twenty[:10]
    assert ten != ask(AZURE, analysis="sample", size=10, seed=8).rows


def test_clusters_are_the_same_for_a_seed(store: None) -> None:
    one, two = (
        engine._answered(AZURE, engine.parsed({"analysis": "clusters", "since": SINCE, "until": UNTIL, **told}))
        for told in [{"measures": ("tokens_input", "tokens_output"), "k": 3, "sample": 500}] * 2
    )
    assert one == two
    assert sum(row[1] for row in one.rows) == 500


@pytest.mark.parametrize(
    "told", [{"dimensions": ("model",)}, {"grain": "hour"}, {}], ids=["by model", "by hour", "in all"]
)
def test_percentiles_of_long_windows_are_within_two_percent(
    store: None, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    asked = {"analysis": "aggregate", "figures": ("calls", "duration_ms.p50", "duration_ms.p99"), **told}
    asked["filters"] = [{"dimension": "outcome", "is": ["ok"]}]
    monkeypatch.setattr(aggregates, "EXACT_UP_TO", 0)
    # A window within one hour has no whole hour to read, so it is exact.
    window = {"since": "2023-11-20T00:05:00Z", "until": "2023-11-20T00:28:00Z"} if "grain" not in told else {}
    near, exact = (ask(LLMPERF, **asked, **window, accuracy=accuracy) for accuracy in ("auto", "exact"))
    assert near.columns[-1].method == (NEAR if not window else EXACT)
    for row, wanted in zip(near.rows, exact.rows, strict=True):
        assert row[:-2] == wanted[:-2]
        assert [value for value in row[-2:] if value] == pytest.approx(
            [value for value in wanted[-2:] if value], rel=0.02
        )


def test_hours_cut_by_a_window_are_added_from_the_log(store: None, azure: pd.DataFrame) -> None:
    window = {"since": "2023-11-16T17:30:00Z", "until": "2023-11-16T19:10:30Z"}
    (row,) = ask(AZURE, analysis="aggregate", figures=("calls", "tokens_input.sum"), **window).rows
    of = azure[(azure.timestamp >= window["since"]) & (azure.timestamp < window["until"])]
    assert row == (len(of), of.context_tokens.sum())
