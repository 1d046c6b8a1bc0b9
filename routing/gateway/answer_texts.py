"""Where the words are in requests and answers, whole or in pieces. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from routing.gateway.windows import Window

Change = Callable[[str], str]

# Of a request, what a model reads; tools and schemas are the developer's own words.
ASKED = frozenset({"messages", "input", "instructions", "prompt"})
# What caps the answer's tokens, by path; the first is set where the request names none.
LENGTHS = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/responses": ("max_output_tokens",),
}
_WORDS = frozenset({"content", "text", "refusal", "reasoning", "reasoning_content", "transcript", "output"})
_JSON = frozenset({"arguments"})


def through(value: Any, change: Change, *, is_text: bool = False, escaped: Change | None = None) -> Any:
    """The same shape with every text changed that people or models wrote; `escaped` for texts that are JSON."""
    if isinstance(value, str):
        return change(value) if is_text else value
    if isinstance(value, list):
        return [through(part, change, is_text=is_text, escaped=escaped) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: (escaped or change)(part)
        if name in _JSON and isinstance(part, str)
        else through(part, change, is_text=name in _WORDS, escaped=escaped)
        for name, part in value.items()
    }


def without_logprobs(answer: dict[str, Any]) -> dict[str, Any]:
    """Probabilities repeat an answer's words, token by token."""
    choices = [
        {**each, "logprobs": None} if isinstance(each, dict) and each.get("logprobs") else each
        for each in answer.get("choices") or ()
    ]
    return {**answer, "choices": choices} if choices else answer


def is_held_back(chunk: dict[str, Any]) -> bool:
    """Whether a chunk has nothing left to tell: no words, no call, no end."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    return all(
        isinstance(each, dict) and each.get("finish_reason") is None and not any((each.get("delta") or {}).values())
        for each in choices
    )


class Pieces:
    """The texts of a chat stream, each through windows of its own; `windows(is_json)` makes those of one text."""

    def __init__(self, windows: Callable[[bool], list[Window]]) -> None:
        self._make = windows
        self._open: dict[tuple[int, tuple[Any, ...]], list[Window]] = {}

    def passed(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """A chunk as it may be let out. With a choice's finish reason comes what was held back of it."""
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict):
                self._choice(choice)
        return chunk

    def _choice(self, choice: dict[str, Any]) -> None:
        choice.pop("logprobs", None)
        index = choice["index"] if isinstance(choice.get("index"), int) else 0
        delta = choice.get("delta")
        delta = choice["delta"] = delta if isinstance(delta, dict) else {}
        for name in sorted(_WORDS & delta.keys()):
            if isinstance(delta[name], str):
                delta[name] = self._fed((index, (name,)), delta[name])
        for number, call in enumerate(_calls(delta)):
            told = call["function"]
            told["arguments"] = self._fed((index, ("tool_calls", call.get("index", number))), told["arguments"])
        if choice.get("finish_reason") is not None:
            self._finish(index, delta)

    def _fed(self, key: tuple[int, tuple[Any, ...]], text: str, *, is_last: bool = False) -> str:
        windows = self._open.get(key)
        if windows is None:
            windows = self._open[key] = self._make(key[1][0] == "tool_calls")
        for window in windows:
            text = window.feed(text, is_last=is_last)
        return text

    def _finish(self, index: int, delta: dict[str, Any]) -> None:
        for key in [key for key in self._open if key[0] == index]:
            rest = self._fed(key, "", is_last=True)
            del self._open[key]
            if rest:
                _add(delta, key[1], rest)


def _calls(delta: dict[str, Any]) -> list[dict[str, Any]]:
    calls = delta.get("tool_calls")
    listed = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [call for call in listed if isinstance((call.get("function") or {}).get("arguments"), str)]


def _add(delta: dict[str, Any], where: tuple[Any, ...], rest: str) -> None:
    if where[0] != "tool_calls":
        delta[where[0]] = (delta.get(where[0]) or "") + rest
        return
    calls = delta["tool_calls"] = list(delta.get("tool_calls") or ())
    same = next((call for call in _calls(delta) if call.get("index") == where[1]), None)
    if same is None:
        calls.append({"index": where[1], "function": {"arguments": rest}})
    else:
        same["function"]["arguments"] += rest
