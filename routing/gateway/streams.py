"""Streams as they pass through: which events the client gets, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from netra.answers import StreamCut


class ResponseEvents:
    """The events of `/v1/responses` streams: passed on as they are, the last one holds the whole answer."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] | None = None

    def add(self, data: bytes) -> Mapping[str, Any]:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise StreamCut("an event of the stream is not JSON") from None
        if not isinstance(event, dict):
            raise StreamCut("an event of the stream is not an object")
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            self._whole = event.get("response")
        return event

    def answer(self) -> dict[str, Any]:
        """Raises StreamCut when the stream ended before the answer did."""
        if not isinstance(self._whole, dict):
            raise StreamCut("the stream ended before the answer did")
        return self._whole


def is_only_usage(chunk: Mapping[str, Any]) -> bool:
    """An event for whoever asked for the usage, and for nobody else."""
    return not chunk.get("choices") and bool(chunk.get("usage"))


def event_lines(data: bytes, *, named: bool) -> bytes:
    """One server-sent event; `named` by its type, as `/v1/responses` has them."""
    lines = b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"
    if not named:
        return lines
    kind = orjson.loads(data).get("type")
    return b"event: " + kind.encode() + b"\n" + lines if isinstance(kind, str) else lines


def replayed(answer: Mapping[str, Any], *, with_usage: bool) -> list[bytes]:
    """A whole answer as the events of a stream: its words, its end, its usage for whoever asked for it."""
    shared = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    shared["object"] = "chat.completion.chunk"
    said, ended = [], []
    for number, choice in enumerate(answer.get("choices", ())):
        said.append({"index": number, "delta": _delta(choice), "finish_reason": None})
        ended.append({"index": number, "delta": {}, "finish_reason": choice.get("finish_reason")})
    events = [{**shared, "choices": said}, {**shared, "choices": ended}]
    if with_usage:
        events.append({**shared, "choices": [], "usage": answer.get("usage")})
    return [*(orjson.dumps(event) for event in events), b"[DONE]"]


def as_chunk(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A whole answer as a stream of one event."""
    choices = [
        {"index": number, "delta": _delta(choice), "finish_reason": choice.get("finish_reason")}
        for number, choice in enumerate(answer.get("choices", ()))
    ]
    return {**answer, "object": "chat.completion.chunk", "choices": choices}


def _delta(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A message as a stream has it: its calls are numbered, which clients put pieces together by."""
    message = dict(choice.get("message") or {})
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
    return message
