"""`kill -9` of the gateway under load: every answered request has its event exactly once.

NETRA_KILLS says how often it is killed (2; 20 is what the benchmarks page tells of).
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from contextlib import suppress

import pytest

from tests.flows.sending import environment_of, receiving, told, wait_for
from tests.routing.scripted import said, served

N_KILLS = int(os.environ.get("NETRA_KILLS", "2"))
N_CLIENTS = 6
BODY = json.dumps({"model": "proxy/foo", "messages": [{"role": "user", "content": "What is 2 + 2?"}]})


class Client:
    """Asks one question after the other, and remembers which were answered."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.answered: list[str] = []

    def ask_until(self, port: int, is_over: threading.Event) -> None:
        while not is_over.is_set():
            with suppress(OSError, http.client.HTTPException):
                self._ask(port, is_over)

    def _ask(self, port: int, is_over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not is_over.is_set():
            connection.request("POST", "/v1/chat/completions", BODY, self._headers)
            reply = connection.getresponse()
            reply.read()
            if reply.status == 200:
                self.answered.append(reply.headers["x-netra-decision"])


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory):
    """All decisions that were answered through the kills, and what the log holds in the end."""
    with served(said()) as upstream:
        folder = tmp_path_factory.mktemp("gateway") / "data"
        environment = environment_of(folder, DATABASE_URL="", REDIS_URL="", NETRA_TEST_UPSTREAM=upstream.base_url)
        clients, chance = [Client(told(environment, "prepare")["key"])] * N_CLIENTS, random.Random(5)
        for _ in range(N_KILLS):
            _one_life(environment, clients, chance)
    return clients[0].answered, told(environment, "report")["found"]


def _one_life(environment: dict[str, str], clients: list[Client], chance: random.Random) -> None:
    wanted, is_over = len(clients[0].answered) + chance.randint(50, 300), threading.Event()
    with receiving(environment) as (process, port):
        threads = [threading.Thread(target=each.ask_until, args=(port, is_over)) for each in clients]
        for each in threads:
            each.start()
        wait_for(lambda: len(clients[0].answered) >= wanted)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        is_over.set()
        for each in threads:
            each.join(30)


def test_every_answered_request_has_its_event_exactly_once(killed):
    answered, found = killed
    assert len(answered) >= 50 * N_KILLS
    assert {name: found.get(name, 0) for name in answered} == dict.fromkeys(answered, 1)


def test_no_event_is_there_twice(killed):
    _, found = killed
    assert set(found.values()) == {1}
