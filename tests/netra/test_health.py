"""Health endpoints: what is said, and to whom."""

from __future__ import annotations

import pytest
from django.test import Client

from netra import clickhouse, health
from tests import factories

pytestmark = pytest.mark.django_db


def test_alive_needs_nothing(client: Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_when_every_store_answers(client: Client) -> None:
    assert client.get("/health/ready").json() == {"status": "ok"}


def test_not_ready_while_the_event_store_is_down(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.PROBES, "events", lambda: clickhouse.rows("SELECT broken FROM nowhere"))
    answer = client.get("/health/ready")
    assert answer.status_code == 503


def test_details_are_for_staff_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise ConnectionError("host db.internal refused")

    monkeypatch.setitem(health.PROBES, "database", down)
    assert client.get("/health/dependencies").json()["database"] == "unavailable"
    client.force_login(factories.user("staff@example.com", is_staff=True))
    assert "db.internal" in client.get("/health/dependencies").json()["database"]
