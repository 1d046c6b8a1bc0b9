"""The page of one call: its cost and residual, who told of it, its versions; hostile content is only text."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from netra.tokens import Tokens
from projects import log
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PRICED: dict[str, Any] = {
    "requested_model": "gpt-x",
    "served_model": "gpt-x",
    "tokens": Tokens(input_fresh=1000, cache_read=None, output_visible=500),
}


def shown(client: Client, event_id: str, query: str = "") -> str:
    answer = client.get(f"/projects/agent/logs/{event_id}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_price_row_and_the_residual_are_told(as_viewer: Client, project: Project) -> None:
    factories.supply_option("openai/gpt-x")  # 1000 × 2e-6 + 500 × 8e-6 = 0.006
    (event_id,) = log.write(project.pk, [factories.event("r", cost_recorded_usd=Decimal("0.02"), **PRICED)]).ids
    page = shown(as_viewer, event_id)
    for told in ("$0.006", "$0.02", "$0.014", "70.0", "openai/gpt-x", "assumed", "were not reported"):
        assert told in page


def test_a_price_known_only_since_the_import_is_said(as_viewer: Client, project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r", **PRICED)]).ids
    factories.supply_option("openai/gpt-x")
    assert "A price has come to be known since the import" in shown(as_viewer, event_id)


def test_unknown_is_a_dash_and_never_zero(as_viewer: Client, project: Project) -> None:
    bare = factories.event("r", tokens=Tokens(), duration_ms=None, http_status=None)
    (event_id,) = log.write(project.pk, [bare]).ids
    page = shown(as_viewer, event_id)
    assert "$0.00" not in page
    assert ">0<" not in page
    assert "not recomputed" in page.lower()


def test_buckets_sum_to_the_provider_s_total(as_viewer: Client, project: Project) -> None:
    told = factories.event("r", usage_raw={"total_tokens": 15})
    (event_id,) = log.write(project.pk, [told]).ids
    assert ">sums<" in shown(as_viewer, event_id)
    (other,) = log.write(project.pk, [replace(told, source_record_id="s", usage_raw={"total_tokens": 99})]).ids
    assert ">differs<" in shown(as_viewer, other)


def test_versions_are_listed_and_readable(as_viewer: Client, project: Project) -> None:
    first = factories.event("r", duration_ms=1234.0)
    (event_id,) = log.write(project.pk, [first]).ids
    log.write(project.pk, [replace(first, duration_ms=4321.0)])
    assert "duration ms" in shown(as_viewer, event_id)
    assert "1.23 s" in shown(as_viewer, event_id, "?version=1")


def test_a_failed_try_and_its_answer_lead_to_each_other(as_viewer: Client, project: Project) -> None:
    failed = factories.event("a", trace_id="t", outcome="provider_error")
    answer = replace(failed, source_record_id="b", outcome="ok", started_at=factories.NOON.replace(minute=1))
    one, other = log.write(project.pk, [failed, answer]).ids
    assert f'/logs/{other}/">asked again' in shown(as_viewer, one)
    assert f'/logs/{one}/">try 1' in shown(as_viewer, other)


def test_session_and_trace_are_linked_whatever_their_ids(as_viewer: Client, project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r", session_id="s-1", trace_id="../..\u202e")]).ids
    page = shown(as_viewer, event_id)
    assert 'href="/projects/agent/sessions/s-1/"' in page
    assert "/traces/?id=..%2F..%E2%80%AE" in page
    assert "\u202e" not in page


ATTACKS = [
    "<script>alert(1)</script>",
    "\u202e\u2066 turned",
    "quote\"'><img src=x>",
    "x" * 300_000,
    "{{ 7 }}{% now %}",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_stay_texts_everywhere(as_viewer: Client, project: Project, attack: str) -> None:
    names = (
        "requested_model",
        "served_model",
        "provider",
        "session_id",
        "user_id",
        "trace_id",
        "span_id",
        "environment",
    )
    names += ("parent_span_id", "finish_reason", "provider_response_id", "error_type", "source_record_id")
    given = factories.event(
        "r",
        request={"messages": [{"role": attack, "content": attack, "tool_calls": [attack]}]},
        response={"choices": [{"message": {"role": attack, "content": [{"text": attack}], "refusal": attack}}]},
        metadata={attack: attack, "feature": attack},
        tags=(attack,) * 100,
        usage_raw={attack: [attack]},
        cost_recorded_usd=Decimal(1),
    )
    (event_id,) = log.write(project.pk, [replace(given, **dict.fromkeys(names, attack))]).ids
    for path in (f"logs/{event_id}/", "logs/", "sessions/", "ledger/", ""):
        page = as_viewer.get(f"/projects/agent/{path}").content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert not {"\u202e", "\u2066", "\0"} & set(page)
        assert len(page) < 2_000_000


def test_a_conversation_of_thousands_is_shown_in_part(as_viewer: Client, project: Project) -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(3_000)]
    (event_id,) = log.write(project.pk, [factories.event("r", request={"messages": turns})]).ids
    page = shown(as_viewer, event_id)
    assert "2,960 more messages" in page
    assert "turn 2999" in page


def test_the_whole_event_and_each_record_are_files_not_pages(as_viewer: Client, project: Project) -> None:
    same: dict[str, Any] = {"provider_response_id": "chatcmpl-5", "request": factories.chat_request("<b>")}
    log.write(project.pk, [factories.event("a", **same)])
    (event_id,) = log.write(project.pk, [factories.event("b", source="portkey", session_id="s", **same)]).ids
    key = log.records(project.pk, event_id)[0]["record_key"]
    for path in ("raw", f"records/{key}"):
        answer = as_viewer.get(f"/projects/agent/logs/{event_id}/{path}")
        assert answer["Content-Disposition"].startswith("attachment;")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert json.loads(answer.content)["request"]["messages"][0]["content"] == "<b>"


@pytest.mark.parametrize("path", ["", "raw", "records/x"])
def test_strangers_and_other_projects_see_nothing(
    as_stranger: Client, as_owner: Client, project: Project, path: str
) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r")]).ids
    assert as_stranger.get(f"/projects/agent/logs/{event_id}/{path}").status_code == 404
    assert as_stranger.get(f"/projects/elsewhere/logs/{event_id}/{path}").status_code == 404


@pytest.mark.parametrize("path", ["logs/nonsense/raw", "logs/nonsense/records/x"])
def test_what_is_not_there_is_404(as_owner: Client, project: Project, path: str) -> None:
    assert as_owner.get(f"/projects/agent/{path}").status_code == 404
