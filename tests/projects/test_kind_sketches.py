"""Near-duplicates by their words: the estimate against the share counted out, what is found, and what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import kind_answers
from projects.clusters import repeats, sketches
from projects.clusters.repeats import Asked

WORDS = [f"word{at}" for at in range(300)]


def runs(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[at : at + sketches.RUN]) for at in range(max(1, len(words) - sketches.RUN + 1))}


def jaccard(one: str, other: str) -> float:
    return len(runs(one) & runs(other)) / len(runs(one) | runs(other))


def asked(text: str, **fields: object) -> Asked:
    return Asked(text, scope=fields.pop("scope", "here"), sketch=sketches.sketch(text), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", [0, 3, 10, 40, 120, 300])
def test_the_estimate_is_near_the_share_counted_out(changed: int) -> None:
    one, other = " ".join(WORDS), " ".join([*(f"other{at}" for at in range(changed)), *WORDS[changed:]])
    found = sketches.share(sketches.sketch(one), sketches.sketch(other))  # type: ignore[arg-type]
    # Four standard deviations of the estimate at its widest.
    assert found == pytest.approx(jaccard(one, other), abs=4 * 0.5 / sketches.WIDTH**0.5)


@given(st.text(max_size=200))
def test_a_text_is_wholly_like_itself_whatever_its_case_and_marks(text: str) -> None:
    found = sketches.sketch(text)
    if found is not None:
        again = sketches.sketch(f" {text}\n!")
        assert again is not None and sketches.share(found, again) == 1.0


@pytest.mark.parametrize("text", ["", "  ", "…!?"])
def test_without_words_there_is_no_sketch(text: str) -> None:
    assert sketches.sketch(text) is None


def test_one_word_and_two_have_one() -> None:
    assert sketches.sketch("Hello") is not None and sketches.sketch("Hello there") is not None


@given(st.lists(st.sampled_from(["a b c d", "a b c d e", "x y z", "x y z a b c d", ""]), max_size=12))
def test_bands_find_what_holding_all_against_all_finds_at_the_top(texts: list[str]) -> None:
    """At 1.0 the first of the same words answers all later ones."""
    told = [None if (each := sketches.sketch(text)) is None else (0, each) for text in texts]
    wanted = [texts.index(text) if text and texts.index(text) < at else None for at, text in enumerate(texts)]
    assert sketches.first_alike(told, 1.0) == wanted


def test_a_changed_word_in_a_long_prompt_is_a_near_duplicate_and_another_prompt_is_none() -> None:
    text = " ".join(WORDS)
    calls = [asked(text), asked(text.replace("word7 ", "word-seven ")), asked(" ".join(reversed(WORDS)))]
    assert [repeats.worded(calls, share).n_hits for share in repeats.SHARED_WORDS] == [1, 1]
    assert repeats.exact(calls).n_hits == 0


def test_the_most_alike_answers_not_the_first() -> None:
    far, close, asked_now = WORDS[:170], WORDS[:290], WORDS
    told = [(0, sketches.sketch(" ".join(words))) for words in (far, close, asked_now)]
    # 170 of 290 words are too few to answer the second, so both are kept, and the third is nearer to the second.
    assert sketches.first_alike(told, 0.8) == [None, None, 1]  # type: ignore[arg-type]


def test_other_instructions_are_another_scope() -> None:
    calls = [asked("the same question here", scope="a"), asked("the same question here", scope="b")]
    assert repeats.worded(calls, 0.8).n_hits == 0


def test_money_and_other_answers_are_those_of_what_was_answered() -> None:
    usd = Decimal("0.5")
    calls = [asked("one two three four", answer="yes", cost_usd=usd) for _ in range(2)]
    calls.append(asked("one two three four", answer="no", cost_usd=None))
    found = repeats.worded(calls, 0.9)
    assert (found.n_hits, found.n_priced, found.saved_usd, found.n_compared, found.n_false) == (2, 1, usd, 2, 1)


def test_the_report_tells_of_each_share() -> None:
    calls = [asked("one two three four", cost_usd=Decimal(1)) for _ in range(4)]
    told = kind_answers.cache_report(calls, [], None)["worded"]
    assert [(row["threshold"], row["share"], row["saved_usd"]) for row in told] == [(0.9, 0.75, "3"), (0.8, 0.75, "3")]


def test_no_calls_have_no_share() -> None:
    assert kind_answers.cache_report([], [], None)["worded"][0]["share"] is None
