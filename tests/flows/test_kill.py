"""`kill -9` in the middle of a run: no call is asked twice, none is lost, and the budget holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.flows import databases, recorded

WORKER = Path(__file__).with_name("killed_worker.py")
N_KILLS = 3


@pytest.fixture(scope="module")
def own_database() -> Iterator[None]:
    with databases.own_database():
        yield


def environment_of(data: Path) -> dict[str, str]:
    return {**os.environ, "NETRA_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "netra.settings"}


def told(data: Path, *arguments: str) -> str:
    command = [sys.executable, str(WORKER), *arguments]
    ended = subprocess.run(command, env=environment_of(data), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else ""


def kill_after(data: Path, log: Path, run_id: str, *, n_more: int) -> None:
    """Let a worker send some more requests, then kill it as the kernel would."""
    wanted = len(recorded.requests_of(log)) + n_more if log.exists() else n_more
    worker = subprocess.Popen([sys.executable, str(WORKER), "work", run_id], env=environment_of(data))
    while worker.poll() is None and (not log.exists() or len(recorded.requests_of(log)) < wanted):
        time.sleep(0.01)
    assert worker.poll() is None, "the run was over before it could be killed"
    worker.send_signal(signal.SIGKILL)
    worker.wait()


@pytest.fixture(scope="module")
def killed(shared_dir: Path, own_database: None, tmp_path_factory: pytest.TempPathFactory):
    """A run killed three times and then finished: what its books say, and what the provider saw."""
    folder = tmp_path_factory.mktemp("killed")
    log, data = folder / "provider.jsonl", folder / "data"
    calls = recorded.make_log(folder, n=120)
    options = ("--latency-ms", "25", "--log", str(log), "--alias", "FuseChat-Llama=FuseChat-Llama-3.2-1B-Instruct")
    with recorded.provider(*options) as base_url:
        run_id = told(data, "prepare", base_url, str(calls))
        for _ in range(N_KILLS):
            kill_after(data, log, run_id, n_more=60)
        told(data, "work", run_id)
        return json.loads(told(data, "report", run_id)), recorded.requests_of(log)


def test_the_run_is_finished_with_all_its_pairs(killed):
    books, _ = killed
    assert books["state"] == "done" and books["n_pairs"] == 60 and books["states"]["in_flight"] == 0


def test_no_call_is_asked_twice(killed):
    """One row a prompt and model, with one attempt each: the provider saw no more requests than there are rows."""
    books, asked = killed
    seen = Counter(each["model"] for each in asked)
    assert books["most_attempts"] == 1 and set(seen) == set(books["rows_by_model"])
    assert all(n_seen <= books["rows_by_model"][model] for model, n_seen in seen.items())


def test_no_call_is_lost(killed):
    """Every request the provider saw is a row here; rows it never saw were marked and then killed: interrupted."""
    books, asked = killed
    assert len(asked) <= books["attempts"]
    assert books["attempts"] - len(asked) <= books["states"]["interrupted"]
    assert books["states"]["failed"] == 0 and books["unlogged"] == 0 and books["n_events"] == books["n_rows"]


def test_the_books_balance_and_the_budget_holds(killed):
    books, _ = killed
    assert Decimal(books["charged"]) == Decimal(books["charged_by_run"]) <= Decimal(books["budget"])
    assert Decimal(books["reserved"]) == 0


def test_what_was_cut_off_is_few_and_left_out(killed):
    """At most two calls a place were marked at each kill (concurrency 4)."""
    books, _ = killed
    assert 0 < books["states"]["interrupted"] <= N_KILLS * 2 * 4
    assert books["left_out"] <= books["states"]["interrupted"]
