"""Logged requests and responses as objects, whatever their wrapping: objects, JSON text, chunks, event streams."""

from __future__ import annotations

from typing import Any

from netra.answers import Assembly, EventReader, StreamCut
from projects.ingest import values
from projects.ingest.verdicts import Rejected

Body = dict[str, Any]


def request(value: Any, flags: set[str]) -> Body | None:
    """An object or JSON text of one; text that is cut is flagged `truncated_request` and kept out."""
    return _object(value, "request", flags)


def response(value: Any, flags: set[str]) -> Body | None:
    """An object, JSON text, a list of stream chunks, or server-sent events as text (assembled)."""
    if isinstance(value, str) and value.lstrip().startswith(("data:", "event:", ":")):
        return from_events(value, flags)
    if isinstance(value, str):
        value = opened(value)
        if not isinstance(value, (dict, list)):
            flags.add("truncated_response")
            return None
    return assembled(value, flags) if isinstance(value, list) else _object(value, "response", flags)


def _object(value: Any, name: str, flags: set[str]) -> Body | None:
    if isinstance(value, str):
        value = opened(value)
        if not isinstance(value, dict):
            flags.add(f"truncated_{name}")
            return None
    return None if value is None else values.mapping(value, name)


def opened(text: str) -> Any:
    """The JSON value in a text, None when it holds none."""
    found = values.load(text.encode("utf-8", "surrogatepass"), default=None)
    return values.repaired(found) if "\\u" in text else found


def assembled(chunks: list[Any], flags: set[str]) -> Body | None:
    """A completion from its stream chunks; a stream that ended early is flagged. Raises Rejected for other things."""
    assembly = Assembly()
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise Rejected("wrong_type", "a chunk of the stream is not an object.")
        assembly.add_chunk(chunk)
    return _finished(assembly, flags)


def from_events(text: str, flags: set[str]) -> Body | None:
    """A completion from the raw text of a stream; what is cut in the middle of an event is flagged."""
    reader, assembly = EventReader(), Assembly()
    try:
        for data in (*reader.feed(text.encode("utf-8", "replace")), *reader.rest()):
            assembly.add(data)
    except StreamCut:
        flags.add("streamed_incomplete")
        return _repaired(assembly.so_far(), text, flags)
    return _repaired(_finished(assembly, flags), text, flags)


def _repaired(answer: Body | None, text: str, flags: set[str]) -> Body | None:
    """Without characters that cannot be stored: they hide behind a second escape in the text of a stream."""
    if "\\u" not in text:
        return answer
    repaired: Body | None = values.repaired(answer)
    flags |= {"text_repaired"} if repaired != answer else set()
    return repaired


def _finished(assembly: Assembly, flags: set[str]) -> Body | None:
    try:
        return assembly.completion()
    except StreamCut:
        flags.add("streamed_incomplete")
        return assembly.so_far()
