"""The door: personal data masked and look-alikes kept, privacy mode without a word, the same hash for the same text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.models import Project
from projects.privacy import MASKS, Door, person
from projects.replayability import reasons
from projects.workloads import WorkloadEvent, describe
from tests import factories

texts = st.text(max_size=200)
shapes = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def door(**fields: Any) -> Door:
    return Door.of(Project(pk=7, **fields))


def event(text: str = "hello", **fields: Any) -> WorkloadEvent:
    return factories.event("r", request=factories.chat_request(text), **fields)


FOUND = [
    ("write to ann.b+x@mail.example.co.uk now", "write to [email] now"),
    ("key sk-abcdefghijklmnopqrstuv end", "key [secret] end"),
    ("AKIAABCDEFGHIJKLMNOP", "[secret]"),
    ("-----BEGIN RSA PRIVATE KEY-----", "[secret]"),
    ("pay GB82 WEST 1234 5698 7654 32 today", "pay [iban] today"),
    ("card 4111 1111 1111 1111.", "card [card]."),
    ("ssn 123-45-6789", "ssn [us_ssn]"),
    ("from 192.168.0.254", "from [ip]"),
    ("call +49 (0)30 1234567", "call [phone]"),
]
LOOK_ALIKES = [
    "4111 1111 1111 1112",  # no valid check digit
    "0000 0000 0000 0000",
    "GB82 WEST 1234 5698 7654 33",
    "000-12-3456",
    "1.2.3.256",
    "version 10.4.1",
    "at 12:30 on 2026-11-02",
    "a@b",
    "sk-short",
]


@pytest.mark.parametrize(("text", "masked"), FOUND)
def test_personal_data_becomes_its_kind(text: str, masked: str) -> None:
    assert door(masks=list(MASKS)).masked_text(text) == masked


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_stay(text: str) -> None:
    assert door(masks=list(MASKS)).masked_text(text) == text


def test_only_the_chosen_masks_apply() -> None:
    assert door(masks=["ip"]).masked_text("a@b.example 10.0.0.1") == "a@b.example [ip]"


def test_own_terms_go_longest_first_whatever_their_case() -> None:
    shut = door(masked_terms=["Acme", "Acme Road 5", " ", "a.b"])
    assert shut.masked_text("ACME road 5, acme, a.b, axb") == "[term], [term], [term], axb"


@settings(deadline=None)
@given(texts)
def test_masking_twice_is_masking_once(text: str) -> None:
    shut = door(masks=list(MASKS), masked_terms=["secret plan"])
    assert shut.masked_text(shut.masked_text(text)) == shut.masked_text(text)


@pytest.mark.parametrize("text", ["1" * 50_000, "a" * 50_000 + "@", "+1 " * 20_000, "AB12 " * 20_000, "1.1." * 20_000])
def test_no_text_makes_a_mask_slow(text: str) -> None:
    assert isinstance(door(masks=list(MASKS)).masked_text(text), str)


def test_masks_reach_request_answer_and_metadata() -> None:
    given_ = event("a@b.example", response=factories.chat_response("c@d.example"), metadata={"by": ["e@f.example"]})
    let_in = door(masks=["email"]).let_in(given_)
    assert "@" not in str((let_in.request, let_in.response, dict(let_in.metadata)))
    assert "pii_masked" in let_in.flags


def test_what_needs_no_mask_is_left_alone() -> None:
    given_ = event("nothing here")
    assert door(masks=list(MASKS)).let_in(given_) is given_
    assert door().let_in(given_) is given_


def test_a_masked_user_id_stays_one_person() -> None:
    shut = door(masks=["email"])
    ids = {shut.let_in(event(user_id="ann@example.com")).user_id for _ in range(2)}
    assert ids == {person(7, "ann@example.com")}
    assert shut.let_in(event(user_id="u-17")).user_id == "u-17"


def test_a_masked_call_can_still_be_replayed() -> None:
    let_in = door(masks=["email"]).let_in(event("a@b.example"))
    assert reasons(let_in.request, let_in.operation, let_in.flags) == []


def test_privacy_mode_keeps_figures_and_no_word() -> None:
    given_ = event("a rare word", metadata={"note": "another", "feature": "search"}, user_id="ann")
    let_in = door(is_private=True).let_in(given_)
    assert "rare" not in str(let_in)
    assert "another" not in str(let_in)
    assert (let_in.tokens, let_in.duration_ms, let_in.metadata["feature"]) == (given_.tokens, 800.0, "search")
    assert let_in.user_id == person(7, "ann")


def test_privacy_mode_says_that_nothing_can_be_replayed() -> None:
    let_in = door(is_private=True).let_in(event())
    assert reasons(let_in.request, let_in.operation, let_in.flags) == ["private"]


def test_repetition_and_length_still_show() -> None:
    shut = door(is_private=True)
    one, same, other = (describe(shut.let_in(event(text))) for text in ("hello", "hello", "other"))
    assert one.prompt_hash == same.prompt_hash != other.prompt_hash
    assert one.prompt_chars == 5


def test_two_projects_share_no_hash() -> None:
    assert person(1, "ann") != person(2, "ann")
    assert Door(1, is_private=True).text_let_in("hello") != Door(2, is_private=True).text_let_in("hello")


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), shapes, max_size=3))
def test_hashing_keeps_the_shape_and_twice_is_once(metadata: dict[str, Any]) -> None:
    shut = door(is_private=True)
    once = shut.let_in(event(metadata=metadata, user_id="ann"))
    assert shut.let_in(once) == once
    assert once.metadata.keys() == metadata.keys()


def test_masks_that_are_no_longer_known_are_left_out() -> None:
    assert door(masks=["gone", "email"]).names == ["email"]
