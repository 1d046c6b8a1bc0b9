"""Webhooks over a real socket: signed, sent once, never redirected; a failure names neither secret nor address."""

from __future__ import annotations

import hashlib
import hmac
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from netra import webhooks
from netra.errors import SourceFailed
from tests.projects import vendors

SECRET = "netra_hook_canary-0123456789"


def failure(url: str, told: dict[str, Any] | None = None) -> SourceFailed:
    with pytest.raises(SourceFailed) as caught:
        webhooks.post(url, told or {"a": 1}, secret=SECRET)
    assert SECRET not in str(caught.value)
    assert url not in str(caught.value)
    return caught.value


@given(st.binary(max_size=40), st.integers(0, 2**40))
def test_a_receiver_can_check_who_sent_it(body: bytes, at_s: int) -> None:
    told = dict(part.split("=") for part in webhooks.signature(SECRET, body, at_s).split(","))
    expected = hmac.new(SECRET.encode(), f"{told['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert (told["t"], told["v1"]) == (str(at_s), expected)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_another_body_or_second_has_another_signature(one: bytes, other: bytes) -> None:
    assert (webhooks.signature(SECRET, one, 5) == webhooks.signature(SECRET, other, 5)) is (one == other)
    assert webhooks.signature(SECRET, one, 5) != webhooks.signature(SECRET, one, 6)
    assert webhooks.signature(SECRET, one, 5) != webhooks.signature(SECRET + "x", one, 5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_enough(status: int) -> None:
    with vendors.answering(lambda _: (status, {}, {})) as base:
        assert webhooks.post(f"{base}/in", {"a": 1}, secret=SECRET) is None


@pytest.mark.parametrize(
    ("status", "retry"), [(400, False), (401, False), (404, False), (410, False), (429, True), (500, True), (503, True)]
)
def test_a_refusal_says_its_status_and_whether_to_come_again(status: int, retry: bool) -> None:
    with vendors.answering(lambda _: (status, {"error": f"no {SECRET}"}, {})) as base:
        problem = failure(f"{base}/in")
    assert f"HTTP {status}" in str(problem)
    assert (problem.http_status, problem.retry) == (status, retry)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(status: int) -> None:
    asked: list[str] = []

    def answer(path: str) -> Any:
        asked.append(path)
        return (status, {}, {"Location": "/elsewhere"})

    with vendors.answering(answer) as base:
        assert "redirect" in str(failure(f"{base}/in"))
    assert len(asked) == 1


def test_nobody_there_is_said_without_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert "cannot be reached" in str(failure(f"http://127.0.0.1:{port}/T0/canary"))


@pytest.mark.parametrize("url", ["http://", "not a url", "http://[::1", "http://host:99999/", "ftp://127.0.0.1/in"])
def test_what_is_no_address_fails_in_a_sentence(url: str) -> None:
    assert str(failure(url)).startswith("The webhook ")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/in", "http://localhost:9/in", "http://[::1]:9/", "http://10.0.0.1/", "http://0.0.0.0:9/"],
)
def test_behind_the_firewall_nothing_is_called(settings: Settings, url: str) -> None:
    settings.PRIVATE_PROVIDERS = False
    problem = failure(url)
    assert "private address" in str(problem)
    assert problem.retry is False


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://[fd00:ec2::254]/"]
)
def test_metadata_is_not_called_by_any_setting(settings: Settings, url: str) -> None:
    settings.PRIVATE_PROVIDERS = True
    assert "private address" in str(failure(url))


def test_an_endless_refusal_is_not_read_to_its_end() -> None:
    with vendors.answering(lambda _: (500, {"error": "x" * 5_000_000}, {})) as base:
        assert len(str(failure(f"{base}/in"))) < 400
