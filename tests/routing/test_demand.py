"""What a request wants, read from its body: never an exception, whatever was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.demand import DEFAULT_OUTPUT_TOKENS, Calibration, describe


def asked(content: Any = "Hello", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


@pytest.mark.parametrize(
    ("request_", "needs"),
    [
        (asked(), set()),
        (asked(tools=[{"type": "function"}]), {"tools"}),
        (asked([{"type": "image_url", "image_url": {"url": "x"}}]), {"vision"}),
        (asked(response_format={"type": "json_schema"}), {"json_schema"}),
        (asked(response_format={"type": "json_object"}), set()),
    ],
)
def test_what_a_request_needs(request_: dict[str, Any], needs: set[str]) -> None:
    assert describe(request_).needs == needs


def test_sizes_are_estimated_from_characters() -> None:
    found = describe(asked("x" * 400))
    assert (found.input_tokens, found.output_tokens) == (100, DEFAULT_OUTPUT_TOKENS)
    assert describe(asked("x" * 400), calibration=Calibration(2.0)).input_tokens == 200


@pytest.mark.parametrize(("limit", "tokens"), [(50, 50), (10_000, DEFAULT_OUTPUT_TOKENS), (True, 400), (-1, 400)])
def test_a_limit_bounds_the_output(limit: Any, tokens: int) -> None:
    assert describe(asked(max_tokens=limit)).output_tokens == tokens


@pytest.mark.parametrize(
    ("text", "risks"),
    [
        ("What is 2 + 2?", set()),
        ("Write to ann@example.com", {"personal"}),
        ("My card is 4111 1111 1111 1111", {"personal"}),
        ("What dosage is safe?", {"sensitive"}),
        ("An overdose, mail bob@example.org", {"sensitive", "personal"}),
    ],
)
def test_risks_are_seen(text: str, risks: set[str]) -> None:
    assert describe(asked(text)).risks == risks


def test_the_last_user_turn_is_what_counts() -> None:
    turns = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    assert describe({"messages": [*turns, {"role": "user", "content": "three"}]}).text == "three"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("messages", "tools", "max_tokens", "response_format"), JSON)))
def test_nothing_sent_breaks_it(request_: dict[str, Any]) -> None:
    found = describe(request_)
    assert found.input_tokens >= 1 and found.output_tokens >= 1
