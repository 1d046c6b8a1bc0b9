"""The log's server goes away while spans come in: they wait on disk, then their senders wait; nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import otlp
from tests.flows import stores
from tests.flows.sending import Sender, environment_of, receiving, sending, told, wait_for

SPOOL_BYTES = 1_500_000


@dataclass
class Course:
    """What was seen while the store was gone, and what the log held in the end."""

    sender: Sender
    books: dict[str, Any]
    n_down: int
    most_spooled: int
    grown_mb: float


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def _spooled(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "spool").glob("*.segment"))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = tmp_path_factory.mktemp("down")
    with stores.running(folder / "store") as store:
        more = {"CLICKHOUSE_URL": f"{store.address}/default", "NETRA_SPOOL_MAX_BYTES": str(SPOOL_BYTES)}
        environment = environment_of(folder / "data", DATABASE_URL="", REDIS_URL="", **more)
        sender = Sender(told(environment, "prepare")["key"], 1)
        with receiving(environment) as (process, port), sending(port, sender):
            wait_for(lambda: len(sender.acknowledged) >= 200)
            store.kill()
            before = len(sender.acknowledged)
            wait_for(lambda: len(sender.refusals) >= 50)  # everything is loaded by now
            down, rss = len(sender.acknowledged) - before, _rss_mb(process.pid)
            wait_for(lambda: len(sender.refusals) >= 250)
            spooled, grown = _spooled(folder / "data"), _rss_mb(process.pid) - rss
            store.start()
            wanted = len(sender.acknowledged) + 200
            wait_for(lambda: len(sender.acknowledged) >= wanted)
        return Course(sender, told(environment, "report"), down, spooled, grown)


def test_without_the_store_spans_are_still_taken(course: Course) -> None:
    assert course.n_down >= 20


def test_the_spool_keeps_within_its_bounds(course: Course) -> None:
    assert 0 < course.most_spooled <= SPOOL_BYTES


def test_when_it_is_full_senders_are_asked_to_come_again(course: Course) -> None:
    assert all(int(each["Retry-After"]) >= 1 for each in course.sender.refusals)


def test_memory_does_not_grow_instead(course: Course) -> None:
    """Two hundred batches were refused, each some 0.3 MB of objects once it is read."""
    assert course.grown_mb < 50


def test_once_it_is_back_everything_acknowledged_is_there_exactly_once(course: Course) -> None:
    wanted = dict.fromkeys(map(otlp.record_id, course.sender.acknowledged), 1)
    assert {name: course.books["found"].get(name, 0) for name in wanted} == wanted
    assert set(course.books["found"].values()) == {1}
