"""`kill -9` while spans come in: what was acknowledged is in the log exactly once, whatever the moment of the kill.

NETRA_KILLS says how often the receiver is killed (3; 20 is what the benchmarks page tells of).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests import otlp
from tests.flows.sending import Sender, environment_of, receiving, sending, told, wait_for

N_KILLS = int(os.environ.get("NETRA_KILLS", "3"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory):
    """Two senders through all the kills, and what the log holds in the end."""
    environment = environment_of(tmp_path_factory.mktemp("received") / "data", DATABASE_URL="", REDIS_URL="")
    key = told(environment, "prepare")["key"]
    senders, chance = [Sender(key, 1), Sender(key, 500_001)], random.Random(7)
    for _ in range(N_KILLS):
        wanted = sum(len(each.acknowledged) for each in senders) + chance.randint(100, 2_000)
        with receiving(environment) as (process, port), sending(port, *senders):
            wait_for(lambda wanted=wanted: sum(len(each.acknowledged) for each in senders) >= wanted)
            time.sleep(chance.uniform(0, 0.6))  # a kill may meet the receiver, the shipper or the store's own work
            process.kill()
            process.wait()
    return senders, told(environment, "report")


def test_what_was_acknowledged_is_there_exactly_once(killed):
    senders, books = killed
    acknowledged = {otlp.record_id(number) for each in senders for number in each.acknowledged}
    assert len(acknowledged) >= 100 * N_KILLS
    assert {name: books["found"].get(name, 0) for name in acknowledged} == dict.fromkeys(acknowledged, 1)


def test_what_was_cut_off_is_there_at_most_once_and_nothing_else_is(killed):
    senders, books = killed
    sent = {otlp.record_id(each.first + n) for each in senders for n in range(each.next)}
    assert set(books["found"]) <= sent and set(books["found"].values()) == {1}


def test_the_ledger_tells_of_every_record_that_is_there(killed):
    """A batch that a kill met between log and ledger counts as a duplicate when it comes again, but is not lost."""
    _, books = killed
    assert books["n_told"] == books["n_lines"] >= len(books["found"])


def test_receivers_leave_no_spool_behind(killed, tmp_path_factory: pytest.TempPathFactory):
    folder: Path = next(tmp_path_factory.getbasetemp().glob("received*/data/spool"))
    assert not list(folder.glob("*.segment"))
