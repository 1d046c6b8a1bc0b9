"""OpenAI's stored completions: the completion repeats what was asked of it, but for its messages, which are apart.

They are had message by message, and put beside the completion under `messages` by whoever fetches them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.ingest import gateways

Body = dict[str, Any]
_ASKED = (
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "n", "stop", "seed"),
    *("max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "logit_bias", "modalities"),
    *("reasoning_effort", "verbosity", "service_tier", "metadata", "web_search_options"),
)


def request(completion: Mapping[str, Any]) -> Body | None:
    """The request of a stored completion; None where its messages are not beside it."""
    told = completion.get("messages")
    if not isinstance(told, list) or not told:
        return None
    asked = {name: completion[name] for name in _ASKED if completion.get(name) is not None}
    user = completion.get("input_user")
    messages = [_message(each) if isinstance(each, dict) else each for each in told]
    return {"model": completion.get("model"), "messages": messages, **asked, **({"user": user} if user else {})}


def _message(told: Body) -> Body:
    """Without the list's own id, and with the parts in their place."""
    kept = {name: value for name, value in told.items() if name not in ("id", "content_parts")}
    if kept.get("content") is None and told.get("content_parts"):
        kept["content"] = told["content_parts"]
    return {name: value for name, value in kept.items() if value is not None or name == "content"}


def clients(completion: Mapping[str, Any], told: Body) -> Body:
    """Whose call it was, where only the completion tells."""
    metadata = completion["metadata"]
    return {
        "metadata": metadata,
        "session_id": gateways.word(metadata, "session_id"),
        "environment": gateways.environment(metadata),
        "user_id": gateways.word(completion, "input_user") or told["user_id"],
    }
