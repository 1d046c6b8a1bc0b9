"""Foreign texts on pages: nothing invisible stays invisible, nothing long takes a page over, nothing is markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.templatetags.figures import usd_exact, when_exact
from netra.templatetags.navigation import id_url
from netra.templatetags.texts import json_text, plain, prose, said


@pytest.mark.parametrize(("told", "shown"), [("a\u202eb", "a\\u202eb"), ("a\0b", "a\\u0000b"), ("x\ny", "x\\u000ay")])
def test_what_cannot_be_seen_in_a_name_is_written_out(told: str, shown: str) -> None:
    assert plain(told) == f"<bdi>{shown}</bdi>"


def test_long_names_keep_both_ends() -> None:
    assert plain("a" * 500 + "end", 12) == "<bdi>aaaaaaaa…aend</bdi>"


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_name_is_unknown(nothing: str | None) -> None:
    assert "unknown" in plain(nothing)


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert "and 5,000 more characters" in prose("a" * 25_000)


def test_marks_that_languages_need_stay_in_texts() -> None:
    assert prose("\u200fשלום\u200d") == "\u200fשלום\u200d"
    assert "\\ue0041" in prose("hidden\U000e0041")


@given(st.text())
def test_no_text_becomes_markup_or_keeps_a_control_character(told: str) -> None:
    for shown in (plain(told or "x"), prose(told), json_text({told: told})):
        assert "<script" not in shown.lower()
        assert not any(letter in shown for letter in "\0\x1b\u202e\u2066\ud800")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("text", "text"),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}], "a\n[image_url]"),
        (["a", 7], "a\n7"),
        ({"odd": 1}, '{\n "odd": 1\n}'),
    ],
)
def test_message_contents_are_read_as_a_person_would(content: object, shown: str) -> None:
    assert said(content) == shown


@pytest.mark.parametrize("plain_id", ["t-1", "0af7651916cd43dd8448eb211c80319c", "a.b:c@d"])
def test_plain_ids_stand_in_the_path(plain_id: str) -> None:
    assert id_url("projects:trace", "agent", plain_id) == f"/projects/agent/traces/{plain_id}/"


@pytest.mark.parametrize("odd_id", ["..", ".", "a/b", "a?b", "\n", "\u202e", "é", "\ud800", "x" * 5000, "%2e"])
def test_other_ids_stand_behind_the_path(odd_id: str) -> None:
    assert id_url("projects:trace", "agent", odd_id).startswith("/projects/agent/traces/?id=")


@pytest.mark.parametrize(
    ("amount", "shown"), [("0.160044000000", "$0.160044"), ("1200", "$1,200.00"), ("-0.5", "−$0.50"), (0, "$0.00")]
)
def test_money_to_the_last_digit(amount: object, shown: str) -> None:
    assert usd_exact(amount) == shown


def test_what_is_not_known_has_no_digits() -> None:
    assert "unknown" in usd_exact(None)
    assert "unknown" in when_exact(None)
