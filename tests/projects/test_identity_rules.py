"""When two records are one call: whichever came first, at the edges of time, never against what both know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netra.tokens import BUCKETS
from projects import identity
from projects.workloads import Outcome, UsageOrigin
from tests import factories

SECOND, US = timedelta(seconds=1), timedelta(microseconds=1)
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("provider_response_id", "trace_id", "span_id", "session_id", "user_id", "call_id")),
    **dict.fromkeys(f"tok_{name}" for name in BUCKETS),
    "requested_model": None,
    "prompt_hash": "",
    "sources": (),
    "started_at": factories.NOON,
    "is_start_known": True,
    "outcome": Outcome.OK,
    "flags": (),
    "usage_origin": UsageOrigin.PROVIDER,
}


def row(source: str = "portkey", **known: Any) -> dict[str, Any]:
    """A record that knows nothing but what is told."""
    return {**NOTHING, "source": source, **known}


def at(seconds: float) -> dict[str, Any]:
    return {"started_at": factories.NOON + timedelta(seconds=seconds)}


names = st.sampled_from([None, "a", "b"])
rows = st.builds(
    row,
    source=st.sampled_from(["portkey", "langfuse", "otel", "helicone"]),
    provider_response_id=names,
    trace_id=names,
    span_id=names,
    session_id=names,
    user_id=names,
    call_id=names,
    requested_model=names,
    prompt_hash=st.sampled_from(["", "p", "q"]),
    started_at=st.integers(-5, 5).map(lambda each: factories.NOON + each * SECOND),
    is_start_known=st.booleans(),
    outcome=st.sampled_from([Outcome.OK, Outcome.PROVIDER_ERROR, Outcome.UNKNOWN]),
    flags=st.sets(st.sampled_from(["redacted", "truncated_request", "response_cache_hit"]), max_size=2).map(tuple),
    tok_input_fresh=st.sampled_from([None, 0, 5]),
    tok_output_visible=st.sampled_from([None, 0, 7]),
)
rules = pytest.mark.parametrize("rule", [identity.is_same_call, identity.is_same_by_name, identity.are_tied])


@rules
@given(rows, rows)
def test_it_does_not_matter_which_came_first(rule: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert rule(one, other) == rule(other, one)
    assert type(rule(one, other)) is bool


@given(rows, rows)
def test_two_records_of_one_product_are_two_calls(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = {**other, "source": one["source"]}
    assert not identity.is_same_call(one, same)
    assert not identity.is_same_by_name(one, same)


@given(rows, rows)
def test_a_gateway_never_ties_to_itself(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(one["source"] not in identity.TRACERS)
    assert not identity.are_tied(one, {**other, "source": one["source"]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"provider_response_id": "a"}, {"provider_response_id": "b"}),
        ({"span_id": "a"}, {"span_id": "b"}),
        ({"requested_model": "a"}, {"requested_model": "b"}),
        ({"outcome": Outcome.OK}, {"outcome": Outcome.PROVIDER_ERROR}),
        ({"outcome": Outcome.CANCELLED}, {"outcome": Outcome.GATEWAY_ERROR}),
        ({"tok_output_visible": 7}, {"tok_output_visible": 8}),
        ({"flags": ("response_cache_hit",)}, {}),
    ],
    ids=["response", "span", "model", "one failed", "one broke off", "counts", "one from a cache"],
)
def test_what_both_know_and_know_differently_parts_them(one: dict[str, Any], other: dict[str, Any]) -> None:
    tie = {"trace_id": "t", "session_id": "s", "call_id": "c"}
    assert identity.is_same_call(row(**tie), row("langfuse", **tie))
    for rule in (identity.is_same_call, identity.is_same_by_name):
        assert not rule(row(**tie, **one), row("langfuse", **tie, **other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"provider_response_id": "a"}, {}),
        ({"requested_model": "a"}, {"requested_model": None}),
        ({"outcome": Outcome.PROVIDER_ERROR}, {"outcome": Outcome.UNKNOWN}),
        ({"outcome": Outcome.PROVIDER_ERROR}, {"outcome": Outcome.GATEWAY_ERROR}),
        ({"tok_output_visible": 7, "usage_origin": UsageOrigin.GATEWAY_ESTIMATE}, {"tok_output_visible": 8}),
        ({"prompt_hash": "p", "flags": ("redacted",)}, {"prompt_hash": "q"}),
        ({"prompt_hash": "p", "flags": ("truncated_request",)}, {"prompt_hash": "q"}),
        ({"tok_output_visible": 5, "tok_reasoning": 2}, {"tok_output_visible": 7}),
    ],
    ids=["unknown id", "unknown model", "unknown end", "two failures", "an estimate", "masked", "cut", "other buckets"],
)
def test_what_only_one_knows_does_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    tie = {"trace_id": "t", "call_id": "c"}
    for rule in (identity.is_same_call, identity.is_same_by_name):
        assert rule(row(**tie, **one), row("langfuse", **tie, **other))


@pytest.mark.parametrize("link", ["trace_id", "session_id", "prompt_hash"])
@pytest.mark.parametrize(("apart", "is_same"), [(0, True), (1.999, True), (2, True), (2.000001, False), (60, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_shared_counts_within_two_seconds(link: str, apart: float, is_same: bool, sign: int) -> None:
    known, told = row(**{link: "x"}), row("langfuse", **{link: "x"}, **at(sign * apart))
    assert identity.is_same_call(known, told) is is_same


@pytest.mark.parametrize("link", ["trace_id", "session_id"])
def test_without_a_time_only_the_prompt_tells(link: str) -> None:
    unknown = {"is_start_known": False}
    assert not identity.is_same_call(row(**{link: "x"}), row("langfuse", **{link: "x"}, **unknown))
    assert identity.is_same_call(row(prompt_hash="p"), row("langfuse", prompt_hash="p", **unknown))


COUNTED = {"tok_input_fresh": 5, "tok_output_visible": 7}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"user_id": "u"}, {"user_id": "u"}, True),
        ({"user_id": "u"}, {"user_id": "v"}, False),
        ({"user_id": "u", **COUNTED}, {"user_id": "v", **COUNTED}, False),
        (COUNTED, COUNTED, True),
        (COUNTED, {**COUNTED, "tok_input_fresh": 6}, False),
        (COUNTED, {**COUNTED, "tok_input_fresh": None}, False),
        ({**COUNTED, "prompt_hash": "p"}, COUNTED, True),
        ({**COUNTED, "prompt_hash": "p"}, {**COUNTED, "prompt_hash": "q"}, False),
        ({}, {}, False),
    ],
)
def test_without_a_prompt_the_person_or_the_very_counts_tell(
    one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    assert identity.is_same_call(row(**one), row("langfuse", **other)) is is_same


@given(st.integers(-10_000_000, 10_000_000), st.integers(-2_000_000, 2_000_000))
def test_what_is_near_lies_in_the_same_moment_or_one_beside_it(first_us: int, apart_us: int) -> None:
    """By which it is looked up: nothing near may lie two moments off."""
    one, other = row(**at(first_us / 1e6)), row(**at((first_us + apart_us) / 1e6))
    assert abs(identity.moment(one) - identity.moment(other)) <= 1


@given(rows, rows)
def test_what_has_joined_is_recognised_by_either_part(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Nothing that the first knew is lost, and the second is known by its ties where the first had none."""
    found = identity.enriched(one, other)
    assert set(found["sources"]) == {one["source"], other["source"]}
    for name in ("provider_response_id", "trace_id", "session_id", "user_id", "call_id", "requested_model"):
        assert found[name] == (one[name] or other[name])
    assert found["is_start_known"] == (one["is_start_known"] or other["is_start_known"])
    assert (found["outcome"] == Outcome.UNKNOWN) == (one["outcome"] == other["outcome"] == Outcome.UNKNOWN)


@given(rows, rows)
def test_joining_again_changes_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    once = identity.enriched(one, other)
    twice = identity.enriched(once, other)
    assert {**twice, "flags": sorted(twice["flags"])} == {**once, "flags": sorted(once["flags"])}


@given(rows)
def test_an_answer_from_a_cache_is_not_named_by_the_id_it_repeats(told: dict[str, Any]) -> None:
    keys = list(identity.strong_keys({**told, "provider_response_id": "a", "flags": ("response_cache_hit",)}))
    assert not any(key.startswith("response") for key in keys)
