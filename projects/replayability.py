"""Can this call be asked again exactly as it was? If not, why. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REASONS = {
    "no_request": "The request was not logged.",
    "no_messages": "The request has no list of messages.",
    "truncated": "The request was cut off when it was logged.",
    "redacted": "Texts were replaced by a marker.",
    "private": "Privacy mode keeps only hashes of its texts.",
    "media_gone": "It needs an image, sound or file that the log only refers to.",
    "tools_missing": "Tools were called, but their definitions were not logged.",
    "schema_missing": "It asked for JSON by a schema that was not logged.",
    "provider_state": "The conversation lives at the provider (previous_response_id or conversation).",
    "operation": "It is not a chat call.",
    "synthetic": "It is not demand: a shadow, health or judge call.",
    "cached_answer": "A response cache answered it.",
}
OPERATIONS = ("chat", "responses", "text")
_OF_FLAG = {
    "truncated_request": "truncated",
    "redacted": "redacted",
    "private": "private",
    "synthetic": "synthetic",
    "schema_unknown": "schema_missing",
    "response_cache_hit": "cached_answer",
}
_MARKED = re.compile(r"\(litellm_truncated|redacted-by-litellm|__REDACTED__")


def reasons(request: Mapping[str, Any] | None, operation: str, flags: frozenset[str]) -> list[str]:
    """Codes of REASONS, empty when the call can be replayed."""
    found = {_OF_FLAG[flag] for flag in flags if flag in _OF_FLAG}
    if operation not in OPERATIONS:
        found.add("operation")
    if request is None:
        found.add("no_request")
        return sorted(found)
    if request.get("previous_response_id") or request.get("conversation"):
        found.add("provider_state")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        found.add("no_messages")
    else:
        found |= _of_messages(request, messages)
    return sorted(found)


def _of_messages(request: Mapping[str, Any], messages: list[Any]) -> set[str]:
    found: set[str] = set()
    uses_tools = False
    for message in messages:
        if not isinstance(message, dict):
            found.add("no_messages")
            continue
        uses_tools = uses_tools or "tool_calls" in message or message.get("role") == "tool"
        content = message.get("content")
        if isinstance(content, list):
            found |= _of_parts(content)
        elif (
            isinstance(content, str) and ("litellm" in content or "__REDACTED__" in content) and _MARKED.search(content)
        ):
            found.add("redacted")
    if uses_tools and not (request.get("tools") or request.get("functions")):
        found.add("tools_missing")
    return found


def _of_parts(parts: list[Any]) -> set[str]:
    for part in parts:
        file = part.get("file") if isinstance(part, dict) else None
        if isinstance(file, dict) and file.get("file_id"):
            return {"media_gone"}
        if isinstance(part, dict) and part.get("type") == "image_url" and not _is_retrievable(part.get("image_url")):
            return {"media_gone"}
    return set()


def _is_retrievable(image: Any) -> bool:
    """Inline data, or an address; whether an address still answers is only known at replay."""
    url = image.get("url") if isinstance(image, dict) else image
    return isinstance(url, str) and url.startswith(("data:", "https://", "http://"))
