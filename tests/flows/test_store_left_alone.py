"""A gateway that does not ship leaves the embedded store to the process that does: it opens in one at a time."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from tests.flows.sending import environment_of, receiving, told
from tests.routing.scripted import said, served

ASKED = {"model": "proxy/foo", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}


def ask(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(ASKED), headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return environment_of(tmp_path / "data", DATABASE_URL="", REDIS_URL="", CLICKHOUSE_URL="", NETRA_SHIPS="0")


def test_serving_does_not_load_the_embedded_store(environment: dict[str, str]) -> None:
    with served(said()) as upstream:
        environment["NETRA_TEST_UPSTREAM"] = upstream.base_url
        key = told(environment, "prepare")["key"]
        with receiving(environment) as (process, port):
            assert ask(port, key) == 200
            told(environment, "report")  # while the gateway lives, another process opens the store
            assert ask(port, key) == 200
            assert "chdb" not in Path(f"/proc/{process.pid}/maps").read_text()
