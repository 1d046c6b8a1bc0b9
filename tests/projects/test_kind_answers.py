"""What of a logged call a response cache and a batch look at."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.prices import DatedRates, Rates
from projects import kind_answers
from projects.clusters.repeats import Asked
from tests import factories

ROW: dict[str, Any] = {
    **dict.fromkeys(("session_id", "trace_id", "served_model", "tok_reasoning", "tok_audio_in", "tok_audio_out")),
    **dict.fromkeys(("tok_cache_read", "tok_cache_write_5m", "tok_cache_write_1h")),
    "requested_model": "m",
    "provider": "p",
    "started_at": factories.NOON,
    "stream": False,
    "has_tools": False,
    "n_messages": 1,
    "outcome": "ok",
    "flags": [],
    "cost_usd": Decimal("0.1"),
    "tok_input_fresh": 100,
    "tok_output_visible": 10,
}


def asked(request: Any, response: Any = None, **row: Any) -> Asked:
    return kind_answers.asked({**ROW, **row}, request, response)[0]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return asked(one).same == asked(other).same


def test_the_same_request_in_another_order_is_the_same() -> None:
    request = factories.chat_request(temperature=0)
    assert same(request, dict(reversed(request.items())))


@pytest.mark.parametrize("aside", [{"user": "u-1"}, {"metadata": {"a": 1}}, {"stream": True}, {"service_tier": "flex"}])
def test_what_changes_no_answer_does_not_part(aside: dict[str, Any]) -> None:
    assert same(factories.chat_request(), factories.chat_request(**aside))


@pytest.mark.parametrize("changed", [{"temperature": 1}, {"tools": [{"a": 1}]}, {"response_format": {"type": "x"}}])
def test_what_changes_answers_parts_prompts_and_scopes(changed: dict[str, Any]) -> None:
    one, other = asked(factories.chat_request()), asked(factories.chat_request(**changed))
    assert one.same != other.same and one.scope != other.scope


def test_another_model_is_another_cache() -> None:
    request = factories.chat_request()
    assert asked(request).same != asked(request, requested_model="other").same


def test_other_questions_after_the_same_beginning_share_a_scope() -> None:
    begun = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    one, other = (asked({"messages": [*begun, {"role": "user", "content": text}]}) for text in ("a", "b"))
    assert one.scope == other.scope and one.same != other.same


def test_another_conversation_before_is_another_scope() -> None:
    last = {"role": "user", "content": "And now?"}
    one, other = (asked({"messages": [{"role": "assistant", "content": text}, last]}) for text in ("a", "b"))
    assert one.scope != other.scope and one.alike == other.alike


def test_numbers_apart_prompts_are_alike() -> None:
    one, other = (asked(factories.chat_request(f"Where is order {n}?")) for n in (1, 22))
    assert one.alike == other.alike and one.same != other.same


def test_hashed_prompts_repeat_but_are_not_alike_by_meaning() -> None:
    told, text = kind_answers.asked(ROW, factories.chat_request(f"hash:{'0a' * 12}:9"), None)
    assert told.same is not None and told.alike is None and text == ""


def test_without_a_request_no_cache_answers() -> None:
    assert asked(None).same is None


def test_an_answer_is_its_text_or_its_calls_without_their_ids() -> None:
    def calling(identity: str) -> dict[str, Any]:
        call = {"id": identity, "type": "function", "function": {"name": "find", "arguments": "{}"}}
        return {"choices": [{"message": {"content": None, "tool_calls": [call]}}]}

    request = factories.chat_request()
    assert asked(request, calling("a")).answer == asked(request, calling("b")).answer is not None
    assert asked(request, factories.chat_response("4")).answer != asked(request, calling("a")).answer


@pytest.mark.parametrize("response", [None, {}, {"choices": []}, {"choices": [{"message": {"content": None}}]}])
def test_no_answer_is_unknown(response: Any) -> None:
    assert asked(factories.chat_request(), response).answer is None


NAMES = st.sampled_from(["messages", "role", "content"])
anything = st.recursive(
    st.none() | st.integers(-(2**63), 2**63) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(anything, anything)
def test_no_request_or_response_breaks_it(request: Any, response: Any) -> None:
    one, other = (kind_answers.asked(ROW, request, {"choices": response}) for _ in range(2))
    assert one == other


class Book:
    """Prices of one model."""

    def __init__(self, rates: Rates) -> None:
        self.held = DatedRates(rates, "test", "p/m", factories.NOON - timedelta(days=1))

    def rates(self, provider: str | None, model: str, at: Any) -> DatedRates | None:
        return self.held if model == "m" else None


HALF = Rates(input=Decimal("0.001"), output=Decimal("0.002"))


def test_a_batch_is_reckoned_at_the_option_s_own_price() -> None:
    book = Book(Rates(input=Decimal("0.002"), output=Decimal("0.004"), services={"batch": HALF}))
    assert kind_answers.made(ROW, book).batch_usd == Decimal("0.12")


@pytest.mark.parametrize("row", [{}, {"requested_model": "unknown"}, {"tok_input_fresh": None}])
def test_without_a_batch_price_or_counts_it_is_unknown(row: dict[str, Any]) -> None:
    assert kind_answers.made({**ROW, **row}, Book(HALF)).batch_usd is None


@pytest.mark.parametrize("outcome", ["provider_error", "gateway_error", "cancelled", "cached"])
def test_what_no_model_answered_could_not_have_waited(outcome: str) -> None:
    assert not kind_answers.made({**ROW, "outcome": outcome}, Book(HALF)).is_answered


def test_money_in_reports_is_decimal_text() -> None:
    calls = [asked(factories.chat_request()), asked(factories.chat_request())]
    told = kind_answers.cache_report(calls, calls, np.eye(2, dtype=np.float32)[[0, 0]])
    assert told["exact"]["saved_usd"] == "0.1"
    assert [row["n_hits"] for row in told["semantic"]] == [1, 1, 1, 1]


def test_without_anything_compared_nothing_is_said_of_meaning() -> None:
    assert kind_answers.cache_report([], [], None)["semantic"] == []
