"""The analytics API: for members and keys, not for strangers; typed; refusals in the common shape; files as asked."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import Client

from projects import log
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
WINDOW = {"since": "2026-11-02T00:00:00Z", "until": "2026-11-03T00:00:00Z"}


def post(client: Client, project: str = "agent", format: str = "json", **question: Any) -> Any:
    body = {"project": project, "format": format, "question": {"analysis": "aggregate", **WINDOW, **question}}
    return client.post("/api/v1/analytics", body, content_type="application/json")


@pytest.fixture
def call(project: Project) -> None:
    log.write(project.pk, [factories.event("r", user_id="=1+1", cost_recorded_usd=Decimal("0.10"))])


def test_members_and_keys_are_answered(as_viewer: Client, project: Project, call: None) -> None:
    for client in (as_viewer, factories.api_client(project)):
        answer = post(client, figures=["calls", "cost_recorded_usd.sum", "ttft_ms.p50"])
        assert (answer.status_code, answer.json()["rows"]) == (200, [[1, "0.1", None]])


def test_strangers_and_other_projects_keys_find_nothing(as_stranger: Client, project: Project, call: None) -> None:
    others = factories.api_client(factories.project("other"))
    for client in (as_stranger, others):
        assert post(client).status_code == 404
        assert client.get("/api/v1/analytics/agent/summary").status_code == 404
    assert post(Client()).status_code == 401


@pytest.mark.parametrize(
    "question",
    [
        {"figures": ["sleep(3)"]},
        {"sql": "SELECT 1"},
        {"analysis": "sql"},
        {"dimensions": ["1; DROP TABLE x"]},
        {"limit": -1},
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused(as_owner: Client, project: Project, question: dict[str, Any]) -> None:
    answer = post(as_owner, **question)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_budget_passed_is_a_refusal_with_advice(as_owner: Client, project: Project, call: None) -> None:
    answer = post(as_owner, since="2010-01-01T00:00:00Z", until="2019-01-01T00:00:00Z", grain="hour")
    assert (answer.status_code, answer.json()["code"]) == (413, "over_budget")
    assert "coarser grain" in answer.json()["detail"]


def test_a_spreadsheet_finds_no_formulas(as_owner: Client, project: Project, call: None) -> None:
    answer = post(as_owner, format="csv", dimensions=["user_id"])
    assert answer.content.decode().splitlines() == ["user_id,calls", "'=1+1,1"]


def test_parquet_keeps_money_exact_and_unknown_null(as_owner: Client, project: Project, call: None) -> None:
    answer = post(as_owner, format="parquet", figures=["cost_recorded_usd.sum", "ttft_ms.p95"], grain="day")
    table = pq.read_table(io.BytesIO(answer.content))
    (row,) = table.to_pylist()
    assert row["cost_recorded_usd.sum"] == Decimal("0.1")
    assert row["ttft_ms.p95"] is None
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"


def test_the_summary_has_every_part(as_owner: Client, project: Project, call: None) -> None:
    found = as_owner.get("/api/v1/analytics/agent/summary", WINDOW).json()
    assert found["totals"]["rows"][0][0] == 1
    assert found["days"]["rows"][0][1] == 1
    assert set(found) >= {"latency", "models", "kinds", "users", "errors", "spend_change", "forecast"}


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"time_zone": "Mars"}, {"since": "2027-01-01T00:00:00Z"}])
def test_windows_that_cannot_be_get_a_sentence(as_owner: Client, project: Project, query: dict[str, str]) -> None:
    assert as_owner.get("/api/v1/analytics/agent/summary", WINDOW | query).status_code in (400, 422)


def test_the_schema_lists_the_vocabulary(client: Client) -> None:
    assert b"duration_ms.p95" in client.get("/api/v1/openapi.json").content
