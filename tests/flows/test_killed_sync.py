"""`kill -9` in the middle of a sync: it goes on where it was, loses nothing and doubles nothing.

NETRA_KILLS says how often it is killed (3; 20 is what the benchmarks page tells of).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flows.databases import own_database
from tests.flows.test_kill import environment_of
from tests.projects import vendors
from tests.projects.vendors import Asked, Exports, Observations, observation

WORKER = Path(__file__).with_name("syncer.py")
N_KILLS = int(os.environ.get("NETRA_KILLS", "3"))
ROWS_A_PAGE = 40


@dataclass
class Killed:
    kind: str
    n_rows: int
    books: dict[str, Any]


class Watched:
    """A vendor of which is known how often it was asked for records."""

    def __init__(self, plain: Callable[[Asked], tuple[int, Any]], n_rows: int) -> None:
        self.plain, self.n_rows, self.n_asked = plain, n_rows, 0

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        self.n_asked += asked.path.endswith(("/observations", "/file"))
        return self.plain(asked)


def langfuse() -> Watched:
    """Many small pages."""
    at, n_rows = datetime.now(UTC) - timedelta(hours=2), (8 * N_KILLS + 8) * ROWS_A_PAGE
    rows = (observation(n, at=at + timedelta(milliseconds=n)) for n in range(n_rows))
    return Watched(Observations(*rows, limit=ROWS_A_PAGE), n_rows)


def portkey() -> Watched:
    """A long file."""
    n_rows = 4_000 * (N_KILLS + 1)
    return Watched(Exports(n_rows), n_rows)


# The vendor, how many more requests a worker may make before it is killed, and how long it then has at most.
KINDS = {"langfuse": (langfuse, 6, 0.1), "portkey": (portkey, 1, 0.4)}


def told(data: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(WORKER), *arguments]
    ended = subprocess.run(command, env=environment_of(data), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def kill(data: Path, vendor: Watched, n_more: int, rest_s: float) -> None:
    """Let a worker get some way, then kill it as the kernel would, wherever it is."""
    wanted = vendor.n_asked + n_more
    worker = subprocess.Popen([sys.executable, str(WORKER), "work"], env=environment_of(data))
    while worker.poll() is None and vendor.n_asked < wanted:
        time.sleep(0.002)
    time.sleep(rest_s)
    assert worker.poll() is None, "the sync was over before it could be killed"
    worker.kill()
    worker.wait()


@pytest.fixture(scope="module", params=KINDS)
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    make, most_more, longest_s = KINDS[request.param]
    data, chance, vendor = tmp_path_factory.mktemp(request.param) / "data", random.Random(11), make()
    with own_database(), vendors.answering(vendor) as base_url:
        told(data, "prepare", request.param, base_url)
        for _ in range(N_KILLS):
            kill(data, vendor, chance.randint(1, most_more), chance.uniform(0, longest_s))
        told(data, "work")
        yield Killed(request.param, vendor.n_rows, told(data, "report"))


def test_every_record_is_there_exactly_once(killed: Killed) -> None:
    assert killed.books["state"] == "done"
    assert len(killed.books["found"]) == killed.n_rows and set(killed.books["found"].values()) == {1}


def test_the_ledger_counts_each_once(killed: Killed) -> None:
    counts = killed.books["ledger"]
    assert counts["n_taken"] == counts["n_lines"] == killed.n_rows
    assert counts["n_duplicate"] == counts["n_versioned"] == counts["n_merged"] == counts["n_rejected"] == 0


def test_it_agrees_with_the_vendor(killed: Killed) -> None:
    assert killed.books["n_received"] == killed.n_rows
    assert killed.books["is_reconciled"] is (True if killed.kind == "portkey" else None)
    assert killed.books["cursor"] == ["since"]
