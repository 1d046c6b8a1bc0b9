"""Completions that OpenAI stored: pages of its API, with and without the messages that are had apart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from projects import replayability
from projects.ingest import formats, openai, parsing
from projects.workloads import WorkloadEvent
from tests import factories

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def stored(**fields: Any) -> dict[str, Any]:
    """A completion as the list of stored ones gives it."""
    told = {"temperature": 0.2, "tools": [TOOL], "metadata": {"session_id": "s-1", "env": "prod"}, "input_user": "u-7"}
    return factories.chat_response("At six.", **{**told, **fields})


def messages() -> list[dict[str, Any]]:
    """As the list of a completion's messages gives them."""
    part = {"type": "text", "text": "And on Sundays?"}
    return [
        {"id": "m-0", "role": "system", "content": "Be brief.", "name": None, "content_parts": None},
        {"id": "m-1", "role": "user", "content": None, "name": None, "content_parts": [part]},
    ]


def parse(**fields: Any) -> WorkloadEvent:
    return openai.parse(stored(**fields), now=NOW)


def test_without_its_messages_it_is_fit_for_cost_only() -> None:
    event = parse()
    assert (event.request, event.session_id, event.user_id, event.environment) == (None, "s-1", "u-7", "prod")
    assert event.tokens.input_fresh == 12


def test_with_its_messages_it_can_be_asked_again() -> None:
    event = parse(messages=messages())
    assert event.request is not None
    assert event.request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "And on Sundays?"}]},
    ]
    assert (event.request["tools"], event.request["temperature"], event.user_id) == ([TOOL], 0.2, "u-7")
    assert replayability.reasons(event.request, event.operation, event.flags) == []


def test_a_page_of_the_api_holds_completions() -> None:
    page = {"object": "list", "data": [stored(id="chatcmpl-1"), stored(id="chatcmpl-2")], "has_more": False}
    assert formats.detect([page]) == "openai"
    found = parsing.parsed(formats.named("openai"), page, NOW)
    assert [getattr(each, "source_record_id", "") for each in found] == ["chatcmpl-1", "chatcmpl-2"]


def test_a_list_of_embeddings_is_no_page() -> None:
    assert not openai.detect({"object": "list", "data": [{"object": "embedding"}], "usage": {"total_tokens": 1}})


def test_an_odd_session_is_kept_where_it_is_and_flagged() -> None:
    event = parse(messages=messages(), metadata={"session_id": {"a": 1}})
    assert event.session_id is None and event.metadata == {"session_id": {"a": 1}}
    assert "name_is_no_text" in event.flags
