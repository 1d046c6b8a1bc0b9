"""The bound that a budget rests on: no attempt can cost more."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.prices import Rates, Tier, cost_usd
from netra.tokens import Tokens
from routing.calls import input_tokens_at_most, output_tokens_at_most, worst_case_usd
from tests.routing.scripted import target

D = Decimal
TO = target("http://x", rates=Rates(input=D(1), output=D(1000)))


def asked(content: Any = "hello", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


@given(st.text(max_size=300))
def test_a_token_stands_for_at_least_a_byte(text: str) -> None:
    bound = input_tokens_at_most(asked(text), TO)
    assert bound is not None and bound >= len(text.encode("utf-8", "surrogatepass"))


def test_everything_that_is_sent_counts() -> None:
    plain = input_tokens_at_most(asked(), TO)
    assert plain is not None
    schema = {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 5_000]}}}
    tools = [{"type": "function", "function": {"name": "f", "description": "y" * 5_000}}]
    for extra in ({"response_format": schema}, {"tools": tools}):
        bound = input_tokens_at_most(asked(**extra), TO)
        assert bound is not None and bound > plain + 5_000


@pytest.mark.parametrize("url", ["https://x/y.png", "data:image/png;base64," + "A" * 3_000_000])
def test_an_image_counts_at_its_bound_however_it_is_sent(url: str) -> None:
    parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": url}}]
    bound = input_tokens_at_most(asked(parts), TO)
    assert bound is not None and 6_000 < bound < 6_500


def test_small_openai_models_count_images_higher() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    mini = replace(TO, model="gpt-4o-mini", destination=replace(TO.destination, provider="openai"))
    bound = input_tokens_at_most(asked(parts), mini)
    assert bound is not None and bound > 50_000


def test_input_cannot_exceed_the_window() -> None:
    assert input_tokens_at_most(asked("x" * 9_000), replace(TO, context_tokens=1_000)) == 1_000


def test_files_have_no_bound_but_the_window() -> None:
    parts = [{"type": "file", "file": {"file_id": "f-1"}}]
    assert input_tokens_at_most(asked(parts), TO) is None
    assert input_tokens_at_most(asked(parts), replace(TO, context_tokens=128_000)) == 128_000
    assert worst_case_usd(asked(parts), TO) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"max_tokens": "7"}, 100),
        ({"max_tokens": True}, 100),
        ({"max_tokens": -1, "n": 0}, 100),
    ],
)
def test_output_is_bounded_by_the_request_else_the_option(fields: dict[str, Any], expected: int) -> None:
    assert output_tokens_at_most(asked(**fields), TO) == expected


def test_output_without_any_limit() -> None:
    free = replace(TO, max_output_tokens=None)
    assert output_tokens_at_most(asked(), free, 500) == 500
    assert output_tokens_at_most(asked(), free) == 16_384


def test_unknown_prices_give_no_bound() -> None:
    for rates in (Rates(), Rates(input=D(1)), Rates(input=D(1), output=D(1), tiers=(Tier(5, Rates(input=D(2))),))):
        assert worst_case_usd(asked(), target("http://x", rates=rates)) is None
    assert worst_case_usd(asked(service_tier="priority"), TO) is None


rates_of_any_kind = st.builds(
    Rates,
    **{name: st.decimals(0, 1, places=9) for name in ("input", "output", "cache_read", "cache_write_5m", "reasoning")},
)


@given(rates_of_any_kind, st.lists(st.floats(0, 1), min_size=4, max_size=4), st.text(max_size=200))
def test_no_split_into_buckets_costs_more_than_the_worst_case(rates: Rates, shares: list[float], text: str) -> None:
    to = target("http://x", rates=rates)
    request = asked(text, max_tokens=50)
    n_input = len(json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    read, written = int(n_input * shares[0] / 2), int(n_input * shares[1] / 2)
    reasoning = int(50 * shares[2])
    tokens = Tokens(
        input_fresh=n_input - read - written,
        cache_read=read,
        cache_write_5m=written,
        output_visible=50 - reasoning,
        reasoning=reasoning,
    )
    cost, worst = cost_usd(tokens, rates), worst_case_usd(request, to)
    assert cost is not None and worst is not None and cost <= worst


def test_a_dearer_tier_sets_the_bound() -> None:
    tiered = Rates(input=D(1), output=D(1), tiers=(Tier(10, Rates(input=D(5), output=D(9))),))
    assert (worst_case_usd(asked(), target("http://x", rates=tiered)) or 0) >= 9 * 100 + 5 * 5
