"""Requests that the gateway itself refuses: which of them are in the log, as what, and whose log it is."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from projects import log
from projects.log import EventFilter
from routing.calls import worst_case_usd
from routing.gateway.planning import health
from routing.gateway.tenants import TENANTS
from routing.models import Allowance
from routing.targets import target
from tests import factories
from tests.routing.gatewayed import Gateway, chat, listening
from tests.routing.scripted import Step, said, served
from tests.routing.test_policies import auto, lead, write


def open_breakers(gateway: Gateway, *options: str) -> None:
    """As after ten failures in a row; of a moment to come, so that a slow test meets no probe."""
    for option in options:
        for _ in range(10):
            health(gateway.project.pk, option).failed(time.monotonic() + 3_600)


def allow(gateway: Gateway, **limits: Any) -> None:
    Allowance.objects.create(project=gateway.project, **limits)
    TENANTS.forget()


def newest(gateway: Gateway) -> dict[str, Any]:
    return max(gateway.logged(), key=lambda event: event["started_at"])


def test_where_every_breaker_is_open_the_refusal_is_in_the_log_with_its_decision(gateway: Gateway) -> None:
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        open_breakers(gateway, "proxy/foo", "proxy/bar")
        refused = auto(gateway)
    assert upstream.asked == []
    event = newest(gateway)
    assert refused.status == 502 and event["source_record_id"] == refused.headers["x-netra-decision"]
    assert (event["outcome"], event["error_type"]) == ("gateway_error", "circuit_open")
    assert event["cost_recorded_usd"] == Decimal(0) and event["metadata"]["attempts"] == []
    decision = event["metadata"]["decision"]
    assert decision["policy"] == "auto" and all("breaker" in row["hindered"] for row in decision["considered"])


def test_over_a_socket_too(gateway: Gateway) -> None:
    import httpx

    with served(said()) as upstream, listening() as address:
        gateway.lead_to(upstream.base_url)
        open_breakers(gateway, "proxy/foo")
        bearer = {"Authorization": f"Bearer {gateway.key}"}
        reply = httpx.post(f"{address}/chat/completions", json=chat(stream=True), headers=bearer)
    assert reply.status_code == 502 and reply.json()["error"]["code"] == "circuit_open"
    assert newest(gateway)["source_record_id"] == reply.headers["x-netra-decision"]


def test_no_other_project_reads_of_it(gateway: Gateway) -> None:
    other = factories.project("stranger")
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        open_breakers(gateway, "proxy/foo")
        gateway.ask()
    assert newest(gateway)["error_type"] == "circuit_open"
    assert log.count(other.pk, EventFilter(purpose="live")) == 0


def test_what_a_budget_does_not_cover_is_in_the_log_and_no_decision_of_the_policy(gateway: Gateway) -> None:
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        allow(gateway, budget_usd="0.000001")
        assert auto(gateway).status == 402 and upstream.asked == []
    (event,) = gateway.logged()
    assert (event["outcome"], event["error_type"]) == ("gateway_error", "budget_exhausted")
    assert event["cost_recorded_usd"] == Decimal(0) and "decision" not in event["metadata"]


def test_an_attempt_before_the_budget_ended_is_not_lost(gateway: Gateway) -> None:
    broken = Step(body=b'{"half an ans', headers={"Content-Type": "application/json"})  # perhaps paid
    with served(broken, said()) as upstream:
        gateway.lead_to(upstream.base_url)
        worst = worst_case_usd(chat(), target(gateway.project, "proxy/foo"))
        assert worst is not None
        allow(gateway, budget_usd=worst * Decimal("1.5"))
        assert gateway.ask().status == 402 and len(upstream.asked) == 1
    (event,) = gateway.logged()
    assert [attempt["paid"] for attempt in event["metadata"]["attempts"]] == [None]
    assert event["error_type"] == "budget_exhausted" and event["cost_recorded_usd"] is None


@pytest.mark.parametrize(
    ("limits", "model", "status"),
    [
        ({"requests_per_minute": 1}, "proxy/foo", 429),
        ({"allowed_models": ["proxy/bar"]}, "proxy/foo", 403),
        ({}, "nobody/knows", 404),
    ],
)
def test_what_was_not_let_in_leaves_no_event(gateway: Gateway, limits: dict[str, Any], model: str, status: int) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        allow(gateway, **limits)
        replies = [gateway.ask(chat(model=model)) for _ in range(2)]
    assert replies[1].status == status
    assert len(gateway.logged()) == sum(reply.status == 200 for reply in replies)
