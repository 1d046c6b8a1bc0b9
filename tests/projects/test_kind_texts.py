"""What is read of a prompt, what it is called, and which template it follows; whatever the prompt holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.clusters import drawing, naming, shapes, texts

NAMES = st.sampled_from(["role", "content", "text", "x"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)


def said(*messages: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_the_last_question_and_all_instructions_are_read() -> None:
    told = texts.prompt(said(("system", "Be brief."), ("user", "one"), ("assistant", "two"), ("user", "three")))
    assert told == texts.Prompt("Be brief.", "three")


def test_texts_of_parts_are_joined_and_pictures_left_out() -> None:
    parts = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "x"}}, {"text": "this?"}]
    assert texts.prompt(said(("user", parts))).asked == "What is\nthis?"


def test_without_a_user_s_text_the_last_text_is_what_was_asked() -> None:
    assert texts.prompt(said(("user", ""), ("tool", "42"))).asked == "42"


@pytest.mark.parametrize("spoilt", [None, [], "x", {}, {"messages": "x"}, {"messages": [1, None, "x"]}])
def test_what_is_no_request_is_an_empty_prompt(spoilt: Any) -> None:
    assert not texts.prompt(spoilt).is_readable


@settings(deadline=None)
@given(anything)
def test_no_content_breaks_the_reading(content: Any) -> None:
    told = texts.prompt({"messages": [content, {"role": "user", "content": content}]})
    assert isinstance(texts.spoken(texts.without_values(told.asked)), str)


def test_hashes_of_privacy_mode_are_not_read() -> None:
    assert not texts.Prompt("", f"hash:{'0a' * 12}:90").is_readable


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Order 4711, now", "Order ⟨number⟩, now"),
        ("Mail anna@example.com", "Mail ⟨e-mail address⟩"),
        ("on 2026-11-02 at 12:30", "on ⟨timestamp⟩"),
        ("Ref: dates-1000123", "Ref: ⟨identifier⟩"),
    ],
)
def test_what_changes_is_left_out(text: str, left: str) -> None:
    assert texts.without_values(text).startswith(left.split("⟨")[0]) and "⟨" in texts.without_values(text)
    assert not any(each.isdigit() for each in texts.without_values(text))


def test_the_same_prompt_with_other_values_is_one_text() -> None:
    one, other = (texts.without_values(f"Pay {n} EUR to {n}@example.com") for n in (5, 77))
    assert one == other and texts.spoken(one) == "Pay 0 EUR to mail"


def test_long_texts_keep_their_beginning_and_end() -> None:
    kept = texts.shortened("a" * 5_000 + "b" * 400)
    assert kept.startswith("a" * texts.HEAD_CHARS) and kept.endswith("b" * texts.TAIL_CHARS)


def test_digests_tell_where_a_text_ends() -> None:
    assert texts.digest("a", "b") != texts.digest("ab", "")
    assert texts.digest("\ud800") == texts.digest("\ud800")


def test_terms_are_what_others_do_not_say() -> None:
    groups = [["please refund the card"] * 4, ["please translate the card"] * 4]
    assert [each[0] for each in naming.terms(groups)] == ["refund", "translate"]


def test_a_word_of_few_prompts_is_not_the_group_s() -> None:
    said = ["refund for Anna Smith", *[f"refund for {name} Jones" for name in ("Bob", "Carla", "Dan", "Eve")]]
    assert "anna" not in naming.terms([said])[0]


def test_names_differ_even_where_words_do_not() -> None:
    assert naming.names([["pay"], ["pay"], []], taken=["unnamed"]) == ["pay", "pay (2)", "unnamed (2)"]


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=30), min_size=1, max_size=5), max_size=5))
def test_any_texts_have_terms_and_different_names(groups: list[list[str]]) -> None:
    names = naming.names(naming.terms(groups))
    assert len(set(names)) == len(groups) and all(0 < len(name) <= naming.LONGEST_NAME + 4 for name in names)


def test_a_template_is_what_all_say_with_its_places() -> None:
    goods = ("toner", "chairs", "tiles", "racks", "frames", "lamps")
    [shape] = shapes.shapes([f"Say where the parcel with {each} is, number ⟨number⟩." for each in goods])
    assert shape.n_texts == 6 and shape.n_places == 2
    assert shape.pieces[0] == ("Say where the parcel with ", False) and ("number", True) in shape.pieces


def test_one_text_again_and_again_is_a_template_without_places() -> None:
    [shape] = shapes.shapes(["Are you there?"] * 7)
    assert (shape.pieces, shape.n_texts) == ((("Are you there?", False),), 7)


def test_what_few_say_is_no_template() -> None:
    assert shapes.shapes(["My name is Anna and I live in Rome."] * (shapes.FEWEST - 1)) == []


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_any_texts_have_templates(said: list[str]) -> None:
    assert all(shape.n_texts >= shapes.FEWEST for shape in shapes.shapes(said))


def test_rare_strata_are_drawn_more_often_than_their_size() -> None:
    given_ = drawing.allot({"common": 9_900, "rare": 100}, 220)
    assert given_ == {"common": 200, "rare": 20}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 500), max_size=8), st.integers(0, 600))
def test_all_draws_are_given_out_and_none_beyond_a_stratum(sizes: dict[str, int], n: int) -> None:
    given_ = drawing.allot(sizes, n)
    assert sum(given_.values()) == min(n, sum(sizes.values()))
    assert all(0 <= given_[name] <= sizes[name] for name in given_)
