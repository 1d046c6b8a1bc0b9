"""The tree of errors, and what a model provider's many ways to fail mean for money and for trying again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra import errors, llm
from netra.answers import Assembly, EventReader, StreamCut
from netra.errors import Busy, Invalid, NetraError, ProviderFailed
from netra.llm import Destination
from tests.routing.scripted import CANARY, Step, error, piece, provider, streamed

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, NetraError)]
TO = Destination(llm.OPENAI_COMPATIBLE, "http://x/v1", CANARY)
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


# The tree.


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_says_its_sentence_and_whether_to_try_again(kind: type[NetraError]) -> None:
    problem = kind("It is full.")
    assert str(problem) == "It is full." and 400 <= problem.status < 600
    assert problem.code == kind.code and problem.retry is kind.retry


def test_the_table_at_the_top_of_the_module_is_true() -> None:
    for kind in KINDS[1:]:
        line = next(row for row in (errors.__doc__ or "").splitlines() if f"─ {kind.__name__} " in row)
        assert f" {kind.status} " in line


def test_codes_tell_the_kinds_apart() -> None:
    assert len({kind.code for kind in KINDS}) == len({kind.status for kind in KINDS}) == len(KINDS)


def test_one_error_s_code_does_not_stick_to_its_kind() -> None:
    assert (Invalid("x", code="odd").code, Invalid("x").code) == ("odd", "invalid")
    assert ProviderFailed("x", retry=True).retry and not ProviderFailed("x").retry


def test_what_is_not_said_errs_on_the_safe_side() -> None:
    assert (Invalid("x").field, Busy("x").retry_after_s) == (None, 1.0)
    assert (ProviderFailed("x").paid, ProviderFailed("x").retry_after_s) == (False, None)


# What an HTTP status means.

OBJECT, NONE = b'{"error": {"message": "no"}}', b"<html>Bad gateway</html>"


@pytest.mark.parametrize(
    ("status", "body", "paid", "retry", "code"),
    [
        (301, NONE, False, False, "request_refused"),
        (400, OBJECT, False, False, "request_refused"),
        (401, OBJECT, False, False, "key_refused"),
        (403, NONE, False, False, "key_refused"),
        (404, OBJECT, False, False, "model_not_found"),
        (408, OBJECT, None, True, "timeout"),
        (409, OBJECT, False, True, "request_refused"),
        (422, OBJECT, False, False, "request_refused"),
        (429, OBJECT, False, True, "rate_limited"),
        (500, OBJECT, False, True, "provider_error"),
        (500, NONE, None, True, "provider_error"),
        (500, b"", None, True, "provider_error"),
        (500, b'{"error": {}}', None, True, "provider_error"),
        (502, OBJECT, None, True, "provider_error"),
        (503, OBJECT, False, True, "provider_error"),
        (504, OBJECT, None, True, "provider_error"),
        (524, NONE, None, True, "provider_error"),
        (529, OBJECT, False, True, "provider_error"),
    ],
)
def test_a_status_says_whether_it_was_paid_and_can_help(
    status: int, body: bytes, paid: bool | None, retry: bool, code: str
) -> None:
    found = llm.refused(TO, status, body, {})
    assert (found.paid, found.retry, found.code, found.http_status) == (paid, retry, code, status)


@given(st.integers(300, 599), st.binary(max_size=60), st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_refusal_is_beyond_understanding(status: int, body: bytes, headers: dict[str, str]) -> None:
    found = llm.refused(TO, status, body, headers)
    assert str(found).startswith("The provider") and len(str(found)) < 400
    assert found.paid is not True


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": f"bad key {CANARY}"}},
        {"error": f"key {CANARY} is wrong"},
        {"error": {"message": f"line\n\n{CANARY[:4]}{CANARY[4:]}\ttail"}},
        {"error": {"message": "sk-proj-abcdefgh12345678"}},
    ],
)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_provider_s_words_are_told_without_the_key(said: dict[str, Any], status: int) -> None:
    sentence = str(llm.refused(TO, status, json.dumps(said).encode(), {}))
    assert CANARY not in sentence and "abcdefgh" not in sentence and "\n" not in sentence


@pytest.mark.parametrize("said", [[], 3, {"message": ["no"]}, {"message": None}, True, "x" * 99_999])
def test_odd_words_of_a_provider_make_no_odd_sentence(said: Any) -> None:
    assert len(str(llm.refused(TO, 400, json.dumps({"error": said}).encode(), {}))) < 350


# What a 200 may hold.


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"message": "overloaded"}}, "error_in_answer"),
        ({"error": "overloaded", "choices": []}, "error_in_answer"),
        ({"error": True}, "error_in_answer"),
        ({}, "malformed"),
        ({"choices": []}, "malformed"),
        ({"choices": {}}, "malformed"),
        ({"choices": [None]}, "malformed"),
        ({"choices": [{"text": "4"}]}, "malformed"),
        ({"choices": [{"message": "4"}]}, "malformed"),
    ],
)
def test_a_200_without_an_answer_is_tried_again_and_may_have_been_paid(body: dict[str, Any], code: str) -> None:
    with pytest.raises(ProviderFailed) as failed:
        llm.check_whole(TO, body)
    assert (failed.value.code, failed.value.retry, failed.value.paid) == (code, True, None)


@pytest.mark.parametrize("extra", [{}, {"error": None}, {"error": {"message": "partly"}}])
def test_an_answer_with_a_message_is_whole_whatever_else_it_says(extra: dict[str, Any]) -> None:
    llm.check_whole(TO, {"choices": [{"message": {"content": "4"}}], **extra})


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"3", b'"4"', b"{", b"\xff\xfe", b"[" * 99_999, b"<html>"])
async def test_a_200_that_is_no_object_is_malformed(body: bytes) -> None:
    async with provider(Step(body=body, headers={"Content-Type": "application/json"})) as server:
        with pytest.raises(ProviderFailed) as failed:
            await llm.complete(Destination(llm.OPENAI_COMPATIBLE, server.base_url), "foo", ASKED, deadline_s=5)
    assert (failed.value.code, failed.value.paid, failed.value.http_status) == ("malformed", None, 200)


# How an exchange may break off.

WHOLE = streamed(piece({"content": "four"}), piece({}, "stop"))


def cut(after: int, step: Step = WHOLE) -> Step:
    return Step(body=step.body, headers=step.headers, cut=after)


@pytest.mark.parametrize(
    ("step", "code", "paid"),
    [
        (Step(hang_up=True), "disconnected", None),
        (cut(10), "cut_answer", None),
        (cut(len(WHOLE.body) - 30), "cut_answer", None),
        (streamed(piece({"content": "fo"})), "cut_stream", None),
        (streamed(piece({"content": "fo"}), done=False), "cut_stream", None),
        (streamed(), "cut_stream", None),
        (Step(body=b"data: {half\n\n", headers={"Content-Type": "text/event-stream"}), "cut_stream", None),
        (Step(body=b"<html>", headers={"Content-Type": "text/event-stream"}), "cut_stream", None),
        (streamed({"error": {"message": "overloaded"}}), "error_in_answer", None),
        (Step(silence_s=3), "timeout", None),
        (error(503), "provider_error", False),
    ],
)
async def test_however_a_stream_breaks_off_its_cost_is_not_taken_for_nothing(step: Step, code: str, paid: Any) -> None:
    async with provider(step) as server:
        to = Destination(llm.OPENAI_COMPATIBLE, server.base_url, CANARY)
        with pytest.raises(ProviderFailed) as failed:
            await llm.complete(to, "foo", {**ASKED, "stream": True}, deadline_s=0.5)
    assert (failed.value.code, failed.value.paid, failed.value.retry) == (code, paid, True)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:1/v1", "unreachable"),
        ("http://no-such-host.invalid/v1", "unreachable"),
        ("nonsense", "bad_address"),
        ("http://[::1/v1", "bad_address"),
    ],
)
async def test_what_was_never_sent_cost_nothing(address: str, code: str) -> None:
    with pytest.raises(ProviderFailed) as failed:
        await llm.complete(Destination(llm.OPENAI_COMPATIBLE, address, CANARY), "foo", ASKED, deadline_s=5)
    assert (failed.value.paid, failed.value.code) == (False, code)
    assert CANARY not in str(failed.value)


async def test_headers_that_cannot_be_sent_cost_nothing() -> None:
    async with provider(WHOLE) as server:
        to = Destination(llm.OPENAI_COMPATIBLE, server.base_url, CANARY, {"X-Team": "a\r\nHost: evil"})
        with pytest.raises(ProviderFailed) as failed:
            await llm.complete(to, "foo", ASKED, deadline_s=5)
    assert (failed.value.paid, failed.value.code, server.asked) == (False, "unsendable", [])


# Streams, split and shaped in any way.

keys = st.sampled_from(["choices", "index", "delta", "message", "content", "tool_calls", "finish_reason", "error", "x"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
chunks = st.fixed_dictionaries(
    {"choices": st.lists(st.dictionaries(keys, json_values, max_size=4), max_size=2) | json_values}
)


@given(st.lists(chunks, max_size=4))
def test_any_events_make_an_answer_or_a_cut_stream(events: list[Any]) -> None:
    assembly = Assembly()
    try:
        for event in events:
            assembly.add(json.dumps(event).encode())
        found = assembly.completion()
    except StreamCut:
        return
    assert isinstance(found, dict)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), max_size=5), st.data())
def test_events_survive_any_split_of_their_bytes(texts: list[str], data: st.DataObject) -> None:
    raw = "".join(f": note\nevent: x\ndata: {json.dumps(text)}\n\n" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    reader = EventReader()
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    seen = [event for part in pieces for event in reader.feed(part)]
    assert [json.loads(event) for event in seen] == texts
