"""The front door: the lifespan protocol, Django behind it, and a client that breaks off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import connections
from django.test import AsyncClient

from netra.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGES = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]


def scope(path: str = "/health", method: str = "GET", **fields: Any) -> dict[str, Any]:
    headers = [(b"host", b"testserver"), *fields.pop("headers", [])]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers, **fields,
    }  # fmt: skip


async def answered(asked: dict[str, Any], *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    talk = ApplicationCommunicator(application, asked)
    for piece in pieces[:-1]:
        await talk.send_input({"type": "http.request", "body": piece, "more_body": True})
    await talk.send_input({"type": "http.request", "body": pieces[-1] if pieces else b""})
    start, body = await talk.receive_output(10), b""
    while True:
        message = await talk.receive_output(10)
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body


async def spoken(*messages: dict[str, str]) -> list[str]:
    sent: list[str] = []
    queue = list(messages)

    async def receive() -> Any:
        return queue.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await asyncio.wait_for(application({"type": "lifespan"}, receive, send), 30)
    return sent


async def test_the_server_is_told_that_starting_and_stopping_went_well() -> None:
    assert await spoken(*MESSAGES) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_an_unknown_word_of_the_protocol_is_passed_over() -> None:
    assert await spoken({"type": "lifespan.pause"}, MESSAGES[1]) == ["lifespan.shutdown.complete"]


async def test_nothing_is_read_after_the_end() -> None:
    assert await spoken(*MESSAGES, {"type": "lifespan.startup"}) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_a_request_reaches_django_through_the_whole_stack() -> None:
    status, headers, body = await answered(scope())
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_an_unknown_host_is_turned_away() -> None:
    asked = scope("/accounts/login/")
    asked["headers"] = [(b"host", b"evil.example")]
    assert (await answered(asked))[0] == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/supply/", 302),
        ("/nothing", 404),
        ("/\x00", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/" + "a" * 9_000, 404),
    ],
)
async def test_any_path_gets_an_answer(path: str, status: int) -> None:
    assert (await answered(scope(path)))[0] == status


async def test_a_body_in_pieces_is_one_body() -> None:
    asked = scope("/api/v1/supply/estimate", "POST", headers=[(b"content-type", b"application/json")])
    status, _, body = await answered(asked, b'{"opt', b"ion", b'": "x"}')
    assert status == 401 and json.loads(body)["code"] == "unauthorized"


async def test_a_body_beyond_all_measure_is_refused() -> None:
    asked = scope("/theme", "POST", headers=[(b"content-type", b"application/x-www-form-urlencoded")])
    status, _, _ = await answered(asked, *[b"a" * 1_000_000] * 6)
    assert status in (400, 403, 413)


async def test_a_client_that_breaks_off_harms_nobody() -> None:
    talk = ApplicationCommunicator(application, scope("/accounts/login/", "POST"))
    await talk.send_input({"type": "http.request", "body": b"x", "more_body": True})
    await talk.send_input({"type": "http.disconnect"})
    await talk.wait(5)
    assert (await answered(scope()))[0] == 200


async def test_many_at_once_are_all_answered() -> None:
    answers = await asyncio.gather(*(answered(scope()) for _ in range(20)))
    assert {status for status, _, _ in answers} == {200}


async def test_pages_are_served_to_an_asynchronous_client_too() -> None:
    answer = await AsyncClient().get("/accounts/login/")
    assert answer.status_code == 200 and b"<!doctype html>" in answer.content


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    connections.close_all()
