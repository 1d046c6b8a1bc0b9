"""What an answer of the Responses API says, item by item, as one message in the shape of a chat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Item = Mapping[str, Any]
_SPOKEN = {"output_text": "text", "refusal": "refusal"}


def listed(said: Any) -> list[Item] | None:
    """The items of an answer: a list of them, or one alone; None when it is something else."""
    items = said if isinstance(said, list) else [said]
    is_answer = any(_is_message(each) or _is_call(each) for each in items)
    return items if is_answer and all(isinstance(each, dict) and "type" in each for each in items) else None


def _is_message(item: Any) -> bool:
    """Its parts are what tells it from a message of a chat."""
    parts = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
    return isinstance(parts, list) and any(isinstance(part, dict) and part.get("type") in _SPOKEN for part in parts)


def _is_call(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "function_call" and "name" in item


def message(items: Iterable[Item]) -> dict[str, Any]:
    """The assistant's message: its text, its refusal, its calls of functions. Hidden thoughts are left out."""
    parts = [part for item in items if _is_message(item) for part in item["content"] if isinstance(part, dict)]
    text, refusal = (
        "".join(str(part.get(name) or "") for part in parts if part.get("type") == kind)
        for kind, name in _SPOKEN.items()
    )
    calls = [_call(item) for item in items if _is_call(item)]
    said: dict[str, Any] = {"role": "assistant", "content": text or None}
    said |= {"refusal": refusal} if refusal else {}
    return said | {"tool_calls": calls} if calls else said


def finish_reason(answer: Item, items: Iterable[Item]) -> str | None:
    """Why it ended, in the words of a chat; None for one that is not over."""
    if answer.get("status") == "incomplete":
        details = answer.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return "content_filter" if reason == "content_filter" else "length"
    if answer.get("status") != "completed":
        return None
    return "tool_calls" if any(_is_call(item) for item in items) else "stop"


def _call(item: Item) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item.get("arguments") or "{}"}
    return {"id": item.get("call_id") or item.get("id"), "type": "function", "function": function}
