"""From a logged request to blocks: the chain names prefixes, and the order is the one providers cache in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.errors import Invalid
from netra.tokens import Tokens
from projects.cache_reuse import blocks
from projects.cache_reuse.prompts import Scale, segments
from tests.projects.prompts import call

_texts = st.text(alphabet="ab", max_size=12)


@settings(deadline=None)
@given(_texts, _texts, st.integers(1, 4))
def test_equal_ids_mean_equal_prefixes(one: str, other: str, size: int) -> None:
    for at, (left, right) in enumerate(zip(blocks.of_text(one, size), blocks.of_text(other, size), strict=False), 1):
        assert (left == right) == (one[: at * size] == other[: at * size])


def test_only_whole_blocks_count() -> None:
    assert len(blocks.of_text("abcdefg", 3)) == 2
    assert blocks.of_text("ab", 3) == []


def test_tokens_are_chained_like_text() -> None:
    assert blocks.of_tokens([1, 2, 3, 4, 9], 2)[:2] == blocks.of_tokens([1, 2, 3, 4], 2)
    assert blocks.of_tokens([1, 2, 3, 4], 2)[1] != blocks.of_tokens([7, 2, 3, 4], 2)[1]


def test_models_share_nothing() -> None:
    assert blocks.of_text("abcd", 2, root="one") != blocks.of_text("abcd", 2, root="other")


@pytest.mark.parametrize("size", [0, -1])
def test_a_block_has_a_size(size: int) -> None:
    with pytest.raises(Invalid, match="at least one"):
        blocks.of_text("abc", size)


def test_half_a_character_is_no_obstacle() -> None:
    assert len(blocks.of_text("\ud800\udc00x", 3)) == 1


def test_tools_stand_before_messages() -> None:
    request = {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
        "response_format": {"type": "json_object"},
    }
    assert [each.role for each in segments(request)] == ["tools", "answer format", "system", "user"]


def test_parts_calls_and_pictures_are_part_of_the_prompt() -> None:
    parts = [
        {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "x"}},
    ]
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "c-1"}]}
    first, second = segments({"messages": [{"role": "user", "content": parts}, called]})
    assert first.text.startswith("See\n{")
    assert '"c-1"' in second.text


@pytest.mark.parametrize(
    "request_", [{}, {"messages": "text"}, {"messages": [None, 7]}, {"tools": 3}, {"messages": [{"content": 5}]}]
)
def test_odd_requests_have_no_or_empty_parts(request_: dict[str, object]) -> None:
    assert all(not each.text for each in segments(request_))


def test_hashed_texts_take_the_place_of_what_they_stand_for() -> None:
    hashed = f"hash:{'a1' * 12}:500"
    [segment] = segments({"messages": [{"role": "user", "content": hashed}]})
    assert len(segment.text) == 500


def test_characters_become_tokens_by_what_calls_report() -> None:
    # 2 × (4 + 94 + 2) characters for 50 tokens: four a token; the third call reports nothing and is taken to be alike.
    told = [call(at, ("user", "x" * 94), n_tokens=25) for at in range(2)]
    silent = call(2, ("user", "x" * 194), tokens=Tokens())
    scale = Scale.of([*told, silent])
    assert (scale.chars_a_token, scale.is_assumed) == (4.0, False)
    assert scale.tokens(silent) == 50


def test_without_any_report_four_characters_are_assumed() -> None:
    assert Scale.of([call(0, ("user", "x"), tokens=Tokens())]) == Scale(4.0, True)
