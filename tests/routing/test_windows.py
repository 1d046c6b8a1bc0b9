"""A text in pieces is searched as the whole text is."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.answer_texts import Pieces, through, without_logprobs
from routing.gateway.windows import Window, marked

WORD = re.compile(r"(?<!\w)ab{1,3}c(?!\w)|x{2}y?")


def spans(text: str, at: int) -> Any:
    return (found.span() for found in WORD.finditer(text, at))


def star(found: str) -> str:
    return f"<{len(found)}>"


@given(st.lists(st.text("abcxy ", max_size=6), max_size=30))
def test_pieces_come_out_as_the_whole_does(pieces: list[str]) -> None:
    window = Window(spans, star, longest=5)
    told = "".join(window.feed(piece) for piece in pieces) + window.feed("", is_last=True)
    assert told == marked("".join(pieces), spans, star)


@given(st.lists(st.text("abcxy ", max_size=6), max_size=30))
def test_no_find_leaves_in_parts(pieces: list[str]) -> None:
    window, told = Window(spans, lambda _: "", longest=5), ""
    for piece in pieces:
        told += window.feed(piece)
        assert marked("".join(pieces), spans, lambda _: "").startswith(told)


def test_no_more_is_held_back_than_a_find_is_long() -> None:
    window = Window(spans, star, longest=5)
    assert window.feed("a plain sentence") == "a plain sentence"[:-6]


def test_a_find_longer_than_stated_is_found_as_far_as_it_has_come() -> None:
    window = Window(lambda text, at: (m.span() for m in re.compile("z+").finditer(text, at)), star, longest=4)
    told = window.feed("zzzzzzzzzz") + window.feed("zz end") + window.feed("", is_last=True)
    assert "z" not in told and told.endswith(" end")


def stars(_: bool) -> list[Window]:
    return [Window(spans, star, longest=5)]


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, "logprobs": {"content": ["abc"]}}]}


def test_what_was_held_back_comes_with_the_end() -> None:
    pieces = Pieces(stars)
    first = pieces.passed(chunk({"content": "say ab"}))["choices"][0]
    last = pieces.passed(chunk({}, "stop"))["choices"][0]
    assert first["delta"]["content"] + last["delta"]["content"] == "say ab" and "logprobs" not in first


def test_choices_and_tool_calls_have_texts_of_their_own() -> None:
    pieces = Pieces(stars)
    pieces.passed(chunk({"content": "ab", "tool_calls": [{"index": 1, "function": {"name": "f", "arguments": "xx"}}]}))
    pieces.passed(chunk({"content": "bc"}, index=1))
    pieces.passed(chunk({"content": "c"}))
    delta = pieces.passed(chunk({}, "tool_calls"))["choices"][0]["delta"]
    assert delta["content"] == "<3>"
    assert delta["tool_calls"] == [{"index": 1, "function": {"arguments": "<2>"}}]
    other = pieces.passed(chunk({}, "stop", index=1))["choices"][0]["delta"]
    assert other["content"] == "bc"


def test_the_rest_of_a_call_joins_what_comes_of_it_at_the_end() -> None:
    pieces = Pieces(stars)
    pieces.passed(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "ab"}}]}))
    last = {"tool_calls": [{"index": 0, "function": {"arguments": "c"}}]}
    delta = pieces.passed(chunk(last, "tool_calls"))["choices"][0]["delta"]
    assert [call["function"]["arguments"] for call in delta["tool_calls"]] == ["<3>"]


def test_words_are_changed_and_structure_is_not() -> None:
    message = {
        "role": "user",
        "name": "abc",
        "content": [{"type": "text", "text": "abc"}, {"image_url": {"url": "abc"}}],
    }
    changed = through([message, "abc"], lambda text: text.replace("abc", "!"), is_text=True)
    assert changed[0]["content"] == [{"type": "text", "text": "!"}, {"image_url": {"url": "abc"}}]
    assert (changed[0]["name"], changed[0]["role"], changed[1]) == ("abc", "user", "!")


def test_texts_that_are_json_may_be_changed_otherwise() -> None:
    call = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}], "content": "c"}
    changed = through(call, str.upper, escaped=lambda text: text + "!")
    assert changed == {"tool_calls": [{"function": {"name": "f", "arguments": "{}!"}}], "content": "C"}


def test_probabilities_repeat_the_words_and_go() -> None:
    answer = {"choices": [{"logprobs": {"content": ["a"]}, "message": {}}], "id": 1}
    assert without_logprobs(answer) == {"choices": [{"logprobs": None, "message": {}}], "id": 1}
