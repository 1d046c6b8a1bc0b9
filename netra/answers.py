"""Answers of chat models in OpenAI's shape: streams assembled, and what they say. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

# Text that arrives in pieces; any other new value of a field replaces the one before.
_JOINED = frozenset({"content", "refusal", "reasoning_content", "reasoning", "arguments"})
DEEPEST = 200


class StreamCut(Exception):
    """The stream ended, or turned unreadable, before the answer was whole."""


def loaded(data: bytes) -> Any:
    """A JSON value from a provider: the fast parser, and the lenient one for what only it takes (NaN, surrogates).

    Raises ValueError when it is no JSON, or nested deeper than the log and the databases take.
    """
    return loaded_strictly(data)[0]


def loaded_strictly(data: bytes) -> tuple[Any, bool]:
    """The same, and whether the strict parser took it: then the bytes are JSON for everybody."""
    is_strict = True
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        is_strict = False
        try:
            found = json.loads(data)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if data.count(b"{") + data.count(b"[") > DEEPEST and _is_too_deep(found):
        raise ValueError("nested too deeply")
    return found, is_strict


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [part for each in level if isinstance(each, dict | list) for part in _parts(each)]
    return bool(level)


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


class EventReader:
    """Server-sent events from bytes as they come, split anywhere; yields the data of each event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data = []

    def rest(self) -> Iterator[bytes]:
        """What was complete but for its blank line; some servers leave out the last one."""
        yield from self.feed(b"\n\n")


class Assembly:
    """A completion put together from its chunks, as if it had not been streamed."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self.is_done = False
        self.has_content = False

    def add(self, data: bytes) -> Mapping[str, Any]:
        """Take one event and give it back read. Raises StreamCut when it is not a JSON object."""
        if data.strip() == b"[DONE]":
            self.is_done = True
            return {}
        try:
            chunk = loaded(data)
        except ValueError:
            raise StreamCut("an event of the stream is not JSON") from None
        if not isinstance(chunk, dict):
            raise StreamCut("an event of the stream is not an object")
        try:
            self.add_chunk(chunk)
        except (AttributeError, TypeError):
            raise StreamCut("an event of the stream is no piece of an answer") from None
        return chunk

    def add_chunk(self, chunk: Mapping[str, Any]) -> None:
        for name, value in chunk.items():
            if name != "choices" and value is not None:
                self._answer[name] = value
        for piece in chunk.get("choices") or ():
            if isinstance(piece, dict):
                self._add_piece(piece)

    def _add_piece(self, piece: dict[str, Any]) -> None:
        index = piece.get("index") if isinstance(piece.get("index"), int) else 0
        choice = self._choices.setdefault(int(index or 0), {"index": index or 0, "finish_reason": None, "message": {}})
        delta = piece.get("delta")
        if isinstance(delta, dict):
            _merge(choice["message"], delta)
            self.has_content = self.has_content or any(value for name, value in delta.items() if name != "role")
        for name, value in piece.items():
            is_odd = name in ("index", "delta") or (name == "message" and not isinstance(value, dict))
            if value is not None and not is_odd:
                choice[name] = value

    def completion(self) -> dict[str, Any]:
        """The whole answer. Raises StreamCut when some choice never finished."""
        if "error" in self._answer:
            return {"error": self._answer["error"]}
        if not self._choices or any(choice["finish_reason"] is None for choice in self._choices.values()):
            raise StreamCut("the stream ended before the answer did")
        return self.so_far()

    def so_far(self) -> dict[str, Any]:
        """What has arrived, finished or not."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            message = choice["message"]
            message.setdefault("role", "assistant")
            message.setdefault("content", None)
            if isinstance(message.get("tool_calls"), list):
                calls = [call for call in message["tool_calls"] if isinstance(call, dict)]
                message["tool_calls"] = [_without_index(call) for call in calls]
            if message["content"] == "" and (message.get("tool_calls") or message.get("refusal")):
                message["content"] = None  # streams open with an empty text, which unstreamed answers do not have
        return {**self._answer, "object": "chat.completion", "choices": choices}


def _merge(into: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        if value is None:
            into.setdefault(name, None)
        elif name == "tool_calls" and isinstance(value, list):
            held = into.get(name)
            into[name] = held if isinstance(held, list) else []  # some servers send null first
            _merge_calls(into[name], value)
        elif isinstance(value, dict):
            held = into.get(name)
            into[name] = held if isinstance(held, dict) else {}
            _merge(into[name], value)
        elif name in _JOINED and isinstance(value, str) and isinstance(into.get(name), str):
            into[name] += value
        else:
            into[name] = value


def _merge_calls(calls: list[dict[str, Any]], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        index = piece.get("index", len(calls))
        call = next((each for each in calls if each.get("index") == index), None)
        if call is None:
            call = {"index": index}
            calls.append(call)
        _merge(call, piece)


def _without_index(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name != "index"}


def first_choice(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first choice of a completion; None when there is none with a message."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    return choices[0] if isinstance(choices[0].get("message"), dict) else None


def text_of(answer: Mapping[str, Any]) -> str | None:
    """The text of the first choice; None when it said nothing in words (a tool call)."""
    content = ((first_choice(answer) or {}).get("message") or {}).get("content")
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "".join(texts) or None
    return content if isinstance(content, str) else None


def finish_reason_of(answer: Mapping[str, Any]) -> str | None:
    reason = (first_choice(answer) or {}).get("finish_reason")
    return str(reason) if reason is not None else None
