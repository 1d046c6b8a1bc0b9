"""A trace's session and user, named on one span, are those of the calls beside it; never those of another trace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.ingest import otlp

ONE, OTHER = "a" * 32, "b" * 32


def span(trace: object, **attributes: Any) -> dict[str, Any]:
    return {"trace_id": trace, "attributes": {name.replace("_", "."): value for name, value in attributes.items()}}


def sessions(*spans: dict[str, Any]) -> list[Any]:
    return [(each.get("attributes") or {}).get("session.id") for each in otlp.shared_in_traces(spans)]


def test_a_call_below_takes_the_session_of_the_span_above() -> None:
    assert sessions(span(ONE, model="m"), span(ONE, session_id="s-1")) == ["s-1", "s-1"]


def test_a_call_keeps_its_own() -> None:
    assert sessions(span(ONE, session_id="mine"), span(ONE, session_id="theirs")) == ["mine", "theirs"]


def test_where_two_are_named_none_is_taken() -> None:
    assert sessions(span(ONE, model="m"), span(ONE, session_id="a"), span(ONE, session_id="b"))[0] is None


def test_another_trace_gives_nothing() -> None:
    assert sessions(span(ONE, model="m"), span(OTHER, session_id="s-1"))[0] is None


def test_the_user_is_shared_too() -> None:
    first, _ = otlp.shared_in_traces([span(ONE, model="m"), span(ONE, user_id="u-1")])
    assert first["attributes"]["user.id"] == "u-1"


@pytest.mark.parametrize("odd", [["x"], {"x": 1}, None, 7])
def test_a_trace_of_a_wrong_type_is_left_alone(odd: object) -> None:
    assert sessions(span(odd, model="m"), span(odd, session_id="s-1")) == [None, "s-1"]


@pytest.mark.parametrize("odd", [7, ["s"], "", None])
def test_a_session_that_is_no_text_is_not_shared(odd: object) -> None:
    assert sessions(span(ONE, model="m"), span(ONE, session_id=odd))[0] is None


def test_a_span_of_an_odd_shape_is_passed_on() -> None:
    assert otlp.shared_in_traces([{"problem": "KeyError"}, span(ONE, session_id="s")])[0] == {"problem": "KeyError"}


@given(st.lists(st.tuples(st.sampled_from([ONE, OTHER]), st.sampled_from([None, "s-1", "s-2"])), max_size=8))
def test_nothing_named_is_lost_and_nothing_is_invented(told: list[tuple[str, str | None]]) -> None:
    spans = [span(trace, model="m", **({"session_id": name} if name else {})) for trace, name in told]
    for (trace, name), found in zip(told, sessions(*spans), strict=True):
        named = {other for its, other in told if its == trace and other}
        assert found == (name or (named.pop() if len(named) == 1 else None))
