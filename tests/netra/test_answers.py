"""Streams put together again, however they were cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.answers import Assembly, EventReader, StreamCut, finish_reason_of, text_of


def piece(delta: dict[str, Any], finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **fields}


def assembled(*chunks: dict[str, Any]) -> dict[str, Any]:
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(json.dumps(chunk).encode())
    return assembly.completion()


def test_text_in_pieces() -> None:
    whole = assembled(
        piece({"role": "assistant", "content": ""}),
        piece({"content": "Hel"}),
        piece({"content": "lo"}),
        piece({}, "stop"),
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
    assert text_of(whole) == "Hello" and finish_reason_of(whole) == "stop"
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 2}
    assert whole["object"] == "chat.completion" and whole["model"] == "m"


def test_tool_calls_in_pieces() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": function}]}

    whole = assembled(
        piece(
            {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}
        ),
        piece(call(0, arguments='{"x":')),
        piece(
            {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}
        ),
        piece(call(0, arguments=" 1}")),
        piece({}, "tool_calls"),
    )
    first, second = whole["choices"][0]["message"]["tool_calls"]
    assert first == {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    assert second["function"]["name"] == "g"
    assert text_of(whole) is None


def test_null_in_place_of_tool_calls() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    plain = assembled(piece({"content": "a", "tool_calls": None}, "stop"))
    assert text_of(plain) == "a"
    later = assembled(piece({"tool_calls": None}), piece({"tool_calls": [call]}, "tool_calls"))
    assert later["choices"][0]["message"]["tool_calls"][0]["id"] == "a"


def test_several_choices_and_fields_nobody_knows() -> None:
    whole = assembled(
        piece({"content": "a", "x_new": {"k": "v"}}, index=1, x_top=1),
        piece({"content": "b", "reasoning_content": "hm"}, index=0),
        piece({"reasoning_content": "m"}, "stop", index=0),
        piece({}, "length", index=1),
    )
    zero, one = whole["choices"]
    assert zero["message"]["reasoning_content"] == "hmm" and zero["finish_reason"] == "stop"
    assert one["message"]["x_new"] == {"k": "v"} and one["finish_reason"] == "length"
    assert whole["x_top"] == 1


@pytest.mark.parametrize(
    "chunks", [[], [piece({"content": "a"})], [piece({"content": "a"}, "stop"), piece({"content": "b"}, index=1)]]
)
def test_a_stream_that_ended_early_is_no_answer(chunks: list[dict[str, Any]]) -> None:
    with pytest.raises(StreamCut):
        assembled(*chunks)


@pytest.mark.parametrize("data", [b"{half", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_an_event_that_is_no_object_is_damage(data: bytes) -> None:
    with pytest.raises(StreamCut):
        Assembly().add(data)


def test_an_error_in_a_stream_comes_out_as_one() -> None:
    assert assembled(piece({"content": "a"}), {"error": {"message": "overloaded"}}) == {
        "error": {"message": "overloaded"}
    }


def test_first_content_is_not_the_empty_beginning() -> None:
    assembly = Assembly()
    assembly.add_chunk(piece({"role": "assistant", "content": ""}))
    assert not assembly.has_content
    assembly.add_chunk(piece({"content": "a"}))
    assert assembly.has_content


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers()), min_size=1, max_size=5), st.data(), st.booleans())
def test_events_are_read_wherever_the_bytes_are_split(
    events: list[dict[str, int]], data: st.DataObject, crlf: bool
) -> None:
    newline = "\r\n" if crlf else "\n"
    texts = [json.dumps(event) for event in events]
    raw = "".join(f": note{newline}event: x{newline}data: {text}{newline}{newline}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    reader, found = EventReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += list(reader.feed(raw[start:end]))
    assert [json.loads(each) for each in [*found, *reader.rest()]] == events


def test_a_last_event_without_its_blank_line_counts() -> None:
    reader = EventReader()
    assert list(reader.feed(b"data: 1\n\ndata: 2")) == [b"1"]
    assert list(reader.rest()) == [b"2"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({}, None),
        ({"choices": []}, None),
        ({"choices": "x"}, None),
        ({"choices": [{"message": {"content": None}}]}, None),
        ({"choices": [{"message": {"content": ""}}]}, ""),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}]}, "ab"),
        ({"choices": [{"message": {"content": 3}}]}, None),
    ],
)
def test_what_an_answer_says(answer: dict[str, Any], text: str | None) -> None:
    assert text_of(answer) == text
