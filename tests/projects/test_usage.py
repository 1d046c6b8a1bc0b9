"""Token truth: whatever the usage object says, buckets are disjoint and add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra.tokens import Tokens
from projects.ingest.usage import ASSUMED, MISMATCH, buckets
from projects.ingest.verdicts import Rejected

counts = st.integers(0, 10**7)


def test_openai_input_includes_cached_and_output_includes_reasoning() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    tokens, flags = buckets(usage)
    assert tokens == Tokens(input_fresh=15, cache_read=80, audio_in=5, output_visible=20, reasoning=30)
    assert not flags


def test_anthropic_input_leaves_cached_out() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0, "output_tokens": 5}
    tokens, _ = buckets(usage)
    assert (tokens.input_fresh, tokens.cache_read, tokens.input_total) == (10, 90, 100)


def test_anthropic_writes_by_lifetime() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 70,
        "cache_creation": {"ephemeral_1h_input_tokens": 50},
        "output_tokens": 5,
    }
    tokens, _ = buckets(usage)
    assert (tokens.cache_write_5m, tokens.cache_write_1h) == (20, 50)


def test_the_total_settles_what_the_names_do_not() -> None:
    usage = {"prompt_tokens": 10, "cache_read_input_tokens": 4, "completion_tokens": 5}
    inclusive, _ = buckets({**usage, "total_tokens": 15})
    exclusive, _ = buckets({**usage, "total_tokens": 19})
    assert (inclusive.input_fresh, exclusive.input_fresh) == (6, 10)


def test_more_cached_than_sent_means_apart() -> None:
    tokens, _ = buckets({"prompt_tokens": 10, "cache_read_input_tokens": 40, "completion_tokens": 5})
    assert tokens.input_fresh == 10


def test_more_cached_than_sent_settles_it_even_against_the_total() -> None:
    usage = {"prompt_tokens": 10, "cache_read_input_tokens": 40, "completion_tokens": 5, "total_tokens": 15}
    tokens, flags = buckets(usage)
    assert (tokens.input_fresh, tokens.cache_read, flags) == (10, 40, {MISMATCH})


def test_writes_are_summed_by_lifetime_where_only_those_are_told() -> None:
    by_lifetime = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50}
    tokens, _ = buckets({"input_tokens": 10, "cache_creation": by_lifetime, "output_tokens": 5})
    assert (tokens.cache_write_5m, tokens.cache_write_1h, tokens.input_total) == (20, 50, 80)


def test_a_part_larger_than_all_writes_is_flagged() -> None:
    written = {"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 9}}
    tokens, flags = buckets({"input_tokens": 10, "output_tokens": 5, **written})
    assert (tokens.cache_write_5m, MISMATCH in flags) == (-4, True)


def test_when_nothing_settles_it_the_assumption_is_flagged() -> None:
    _, flags = buckets({"prompt_tokens": 10, "cache_read_input_tokens": 4, "completion_tokens": 5})
    assert flags == {ASSUMED}


def test_nothing_reported_stays_unknown_and_zero_stays_zero() -> None:
    assert buckets({})[0] == Tokens()
    assert buckets({"prompt_tokens": 0, "completion_tokens": 0})[0] == Tokens(input_fresh=0, output_visible=0)


def test_contradictions_are_kept_and_flagged() -> None:
    tokens, flags = buckets({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}})
    assert tokens.output_visible == -4
    assert MISMATCH in flags


@pytest.mark.parametrize("value", [-1, 1.5, "x", 10**30, True, [], float("nan")])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(Rejected):
        buckets({"prompt_tokens": value})


@given(fresh=counts, read=counts, write=counts, visible=counts, reasoning=counts, inclusive=st.booleans())
def test_buckets_are_disjoint_and_sum_to_the_total(
    fresh: int, read: int, write: int, visible: int, reasoning: int, inclusive: bool
) -> None:
    total = fresh + read + write + visible + reasoning
    usage = {
        "prompt_tokens": fresh + (read + write if inclusive else 0),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write,
        "completion_tokens": visible + reasoning,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total,
    }
    tokens, flags = buckets(usage)
    assert tokens == Tokens(
        input_fresh=fresh, cache_read=read, cache_write_5m=write, output_visible=visible, reasoning=reasoning
    )
    assert MISMATCH not in flags


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        *("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens"),
        *("cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
        *("prompt_tokens_details", "completion_tokens_details"),
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(names, anything | counts, max_size=6))
def test_any_usage_is_counted_or_refused_never_worse(usage: dict[str, Any]) -> None:
    try:
        tokens, flags = buckets(usage)
    except Rejected as reason:
        pytest.fail("a rejection without a sentence") if not str(reason) else None
        return
    negative = [name for name, value in tokens.as_dict().items() if value is not None and value < 0]
    assert not negative or MISMATCH in flags
