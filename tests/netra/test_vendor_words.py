"""What others say of a failure: their own words, in one line, and never a secret that was sent to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from netra.destination import Destination
from netra.exchange import refused, retry_after_s, said_in
from netra.refused_fetches import Words

KEY = "sk-canary-0123456789abcdef"
PLAIN_KEY = "hunter2-is-no-prefix"
ADDRESS = "https://hooks.example.com/T0/canary?x=1"
WORDS = Words("Langfuse", secrets=(KEY, PLAIN_KEY, ADDRESS))
TO = Destination("openai", key=KEY, headers={"x-portkey-api-key": PLAIN_KEY})
LEAKS = {
    "the key": KEY,
    "the key in quotes": f'Incorrect API key provided: "{KEY}".',
    "a masked key": "Incorrect API key provided: sk-canar*******cdef.",
    "a key of another": "use sk-proj-AAAAAAAAAAAA instead",
    "a header": f"x-portkey-api-key={PLAIN_KEY}",
    "twice": f"{KEY}{KEY} {PLAIN_KEY}",
    "over two lines": f"bad\r\nkey\t{KEY}\n",
}


@pytest.mark.parametrize("said", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_no_refusal_repeats_a_secret(said: str, status: int) -> None:
    body = json.dumps({"error": {"message": said}}).encode()
    for problem in (WORDS.refused(status, body, {}), refused(TO, status, body, {})):
        sentence = str(problem)
        assert KEY not in sentence
        assert PLAIN_KEY not in sentence
        assert "canar" not in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize("spelling", [ADDRESS, quote(ADDRESS, safe=""), f"Bearer {KEY}", "Basic dXNlcjpwYXNzd29yZA=="])
def test_addresses_and_headers_count_as_secrets(spelling: str) -> None:
    shown = WORDS.shown(f"POST {spelling} failed")
    assert shown.removeprefix("POST ").removeprefix("Bearer ") == "[secret] failed"


@given(st.text(max_size=60), st.text(max_size=60))
def test_wherever_a_secret_stands_it_goes(before: str, after: str) -> None:
    for secret in (KEY, PLAIN_KEY):
        assert secret not in WORDS.shown(before + secret + after)
        assert secret not in TO.without_secrets(before + secret + after)


@pytest.mark.parametrize("shown", [WORDS.shown, TO.without_secrets])
def test_what_is_shown_is_one_line_of_bounded_length(shown: Any) -> None:
    assert shown(" a \n\n b\t\u2028c ") == "a b c"
    assert len(shown("x" * 1_000_000)) == 300


def test_secrets_are_in_no_representation() -> None:
    told = f"{TO!r} {WORDS!r} {TO} {WORDS}"
    assert KEY not in told
    assert PLAIN_KEY not in told


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_without_the_providers_words(status: int) -> None:
    problem = refused(TO, status, json.dumps({"error": f"no such key {KEY[:9]}"}).encode(), {})
    assert str(problem) == f"The provider refused the key (HTTP {status})."
    assert (problem.code, problem.retry, problem.paid) == ("key_refused", False, False)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_says_what_to_mend(status: int) -> None:
    for problem in (refused(TO, status, b"", {}), WORDS.refused(status, b"", {})):
        assert "redirect" in str(problem)
        assert "base URL" in str(problem)


BODIES: dict[str, tuple[bytes, str]] = {
    "OpenAI's": (b'{"error": {"message": "no model", "type": "x"}}', "no model"),
    "a text for an error": (b'{"error": "no model"}', "no model"),
    "a web page": (b"<html><script>alert(1)</script></html>", ""),
    "plain text": (b"upstream timed out", "upstream timed out"),
    "a list of errors": (b'[{"message": "no model"}]', "no model"),
    "deep": (b'{"error": {"detail": {"error": {"message": {"msg": "x"}}}}}', ""),
    "a number": (b"42", ""),
    "an empty object": (b"{}", ""),
    "nothing": (b"", ""),
    "no text": (b"\xff\xfe\x00", "\ufffd\ufffd"),
    "endless nesting": (b'{"error":' * 5_000 + b"1" + b"}" * 5_000, ""),
    "a lone surrogate": (b'{"error": "a\\ud800b"}', "a b"),
}


@pytest.mark.parametrize(("body", "said"), BODIES.values(), ids=BODIES)
def test_the_words_of_any_answer_are_found_or_left_out(body: bytes, said: str) -> None:
    sentence = str(WORDS.refused(500, body, {}))
    if said and body != BODIES["endless nesting"][0]:
        assert sentence == f"Langfuse answered HTTP 500: {said}"
    else:
        assert sentence.startswith("Langfuse answered HTTP 500")
        assert "<script" not in sentence
    assert str(refused(TO, 500, body, {})).startswith("The provider answered HTTP 500")


@given(
    st.recursive(
        st.none() | st.text(max_size=9) | st.integers(),
        lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["error", "message", "detail", "x"]), each),
        max_leaves=8,
    )
)
def test_any_json_is_an_answer_that_can_be_told(told: Any) -> None:
    body = json.dumps(told).encode()
    assert len(str(WORDS.refused(500, body, {}))) < 400
    assert len(str(refused(TO, 500, body, {}))) < 400
    if isinstance(told, dict):
        assert isinstance(said_in(told), str)


MEANINGS = [
    # status, an error object, try again, paid
    (400, True, False, False),
    (404, True, False, False),
    (408, True, True, None),
    (409, False, True, False),
    (425, False, True, False),
    (429, False, True, False),
    (500, True, True, False),
    (500, False, True, None),
    (502, True, True, None),
    (503, True, True, False),
    (504, True, True, None),
    (529, True, True, False),
    (599, True, True, None),
]


@pytest.mark.parametrize(("status", "is_told", "retry", "paid"), MEANINGS)
def test_what_a_status_means_for_trying_again_and_for_money(
    status: int, is_told: bool, retry: bool, paid: bool | None
) -> None:
    """A gateway between us and the model may have let it work: unknown is not unpaid."""
    problem = refused(TO, status, b'{"error": {"message": "x"}}' if is_told else b"", {})
    assert (problem.retry, problem.paid, problem.http_status) == (retry, paid, status)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "7"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "7"}, 7.0),
        ({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 40}, None),
        ({"Retry-After": "tomorrow"}, None),
        ({"Retry-After": "Mon, 99 Jan 2001 00:00:00 GMT"}, None),
    ],
)
def test_how_long_to_wait_is_read_or_not_told(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


def test_a_date_to_wait_for_is_seconds_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    later = format_datetime(datetime(2026, 11, 2, 12, 1, 30, tzinfo=UTC), usegmt=True)
    assert retry_after_s({"Retry-After": later}) == 90.0


@pytest.mark.parametrize("told", ["Mon, 01 Jan 2001 00:00:00 -0000", "Mon Jan  1 00:00:00 2001"])
def test_a_date_without_a_zone_is_utc(told: str) -> None:
    assert retry_after_s({"Retry-After": told}) == 0.0


@given(st.text(st.characters(), max_size=40))
def test_what_is_shown_can_be_stored(said: str) -> None:
    for shown in (WORDS.shown(said), TO.without_secrets(said)):
        assert shown.encode().decode() == shown
        assert "\0" not in shown
