"""Warm prompt caches: a conversation stays where it is warm until leaving saves more than is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.prices import Rates, Tier
from projects.cache_reuse.money import MINIMUM_TOKENS
from routing import beliefs, decisions, policies
from routing.demand import describe
from routing.gateway import warmth
from routing.gateway.warmth import LIFETIME_S, WARMTH, Conversation, added_by_caches, conversation
from tests import factories
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import said, served, target

SYSTEM = {"role": "system", "content": "You are the assistant of a support desk. " * 200}
FIRST = {"role": "user", "content": "Where is my parcel?"}
REST = [{"role": "assistant", "content": "On its way."}, {"role": "user", "content": "Since when?"}]
DEAR = Rates(input=Decimal("1e-6"), output=Decimal("2e-6"), cache_read=Decimal("1e-7"))
CHEAP = Rates(input=Decimal("5e-7"), output=Decimal("1e-6"), cache_read=Decimal("5e-8"))
PLAIN = Rates(input=Decimal("5e-7"), output=Decimal("1e-6"))
MARKED = Rates(
    input=Decimal("1e-6"), output=Decimal("2e-6"), cache_read=Decimal("1e-7"), cache_write_5m=Decimal("1.25e-6")
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    WARMTH.clear()
    yield
    WARMTH.clear()


def talk(*messages: dict[str, Any], session: str | None = None, project_id: int = 1, **fields: Any) -> Conversation:
    body = {"messages": [SYSTEM, FIRST, *messages], **fields}
    found = conversation(project_id, body, describe(body, session=session))
    assert found is not None
    return found


def options(**rates: Rates) -> dict[str, Any]:
    return {name: target("http://127.0.0.1:9/v1", option=name, rates=each) for name, each in rates.items()}


def test_what_was_sent_is_warm_there_and_nowhere_else() -> None:
    WARMTH.served(talk(), "dear", 0.0)
    warm = WARMTH.of(talk(*REST), 1.0)
    whole = describe({"messages": [SYSTEM, FIRST, *REST]}).input_tokens
    assert set(warm) == {"dear"} and MINIMUM_TOKENS < warm["dear"] < whole


def test_it_cools_down_after_the_caches_life() -> None:
    WARMTH.served(talk(), "dear", 0.0)
    assert WARMTH.of(talk(), LIFETIME_S - 1) and not WARMTH.of(talk(), LIFETIME_S)


def test_a_call_warms_it_anew() -> None:
    WARMTH.served(talk(), "dear", 0.0)
    WARMTH.served(talk(*REST), "dear", LIFETIME_S - 1)
    assert WARMTH.of(talk(*REST), LIFETIME_S + 1)


def test_another_project_session_opening_or_tool_is_cold() -> None:
    WARMTH.served(talk(session="s-1"), "dear", 0.0)
    WARMTH.served(talk(), "dear", 0.0)
    for other in (talk(session="s-2"), talk(project_id=2), talk(session="s-1", tools=[{"type": "function"}])):
        assert not WARMTH.of(other, 1.0)
    opening = {"messages": [SYSTEM, {"role": "user", "content": "Another question"}]}
    found = conversation(1, opening, describe(opening))
    assert found is not None and not WARMTH.of(found, 1.0)


def test_a_changed_past_is_warm_up_to_the_change() -> None:
    WARMTH.served(talk(*REST, session="s-1"), "dear", 0.0)
    changed = talk({"role": "assistant", "content": "It was lost."}, REST[1], session="s-1")
    assert WARMTH.of(changed, 1.0)["dear"] < WARMTH.of(talk(*REST, session="s-1"), 1.0)["dear"]


def test_two_options_can_be_warm_at_once() -> None:
    WARMTH.served(talk(), "dear", 0.0)
    WARMTH.served(talk(*REST), "cheap", 1.0)
    assert set(WARMTH.of(talk(*REST), 2.0)) == {"dear", "cheap"}


@pytest.mark.parametrize("body", [{"messages": [FIRST]}, {"messages": "x" * 9_000}, {"input": "x" * 9_000}])
def test_what_is_too_short_or_no_list_is_no_conversation(body: dict[str, Any]) -> None:
    assert conversation(1, body, describe(body)) is None


def test_half_characters_are_no_conversation() -> None:
    body = {"messages": [SYSTEM, {"role": "user", "content": "\ud83d"}]}
    assert conversation(1, body, describe(body)) is None


def test_the_number_of_conversations_is_bounded() -> None:
    for number in range(warmth.Kept()._size + 10):
        WARMTH.served(replace(talk(), key=(1, str(number))), "dear", 0.0)
    assert len(WARMTH._sent._held) == warmth.Kept()._size


# --- in money


def test_warm_is_cheaper_by_what_the_cache_answers() -> None:
    WARMTH.served(talk(), "dear", 0.0)
    n_warm = WARMTH.of(talk(*REST), 1.0)["dear"]
    added = added_by_caches(talk(*REST), options(dear=DEAR, cheap=CHEAP), 2_100, 1.0)
    assert added == {"dear": pytest.approx(-n_warm * 9e-7), "cheap": 0.0}


def test_writing_anew_costs_what_the_option_takes_for_it() -> None:
    marked = {"cache_control": {"type": "ephemeral"}}
    asked = talk({**REST[1], **marked})
    WARMTH.served(asked, "dear", 0.0)
    n_warm = WARMTH.of(asked, 1.0)["dear"]
    added = added_by_caches(asked, options(dear=DEAR, marked=MARKED), 2_100, 1.0)
    assert added["marked"] == pytest.approx(n_warm * 0.25e-6)


def test_an_option_that_wants_marks_is_never_warm_without_them() -> None:
    WARMTH.served(talk(), "marked", 0.0)
    assert added_by_caches(talk(*REST), options(marked=MARKED, cheap=CHEAP), 2_100, 1.0) == {}


def test_prices_without_a_cached_rate_change_nothing() -> None:
    WARMTH.served(talk(), "plain", 0.0)
    assert added_by_caches(talk(*REST), options(plain=PLAIN, cheap=CHEAP), 2_100, 1.0) == {}


def test_prices_of_the_calls_size_hold() -> None:
    tiered = replace(DEAR, tiers=(Tier(3_000, replace(DEAR, cache_read=Decimal("5e-7"))),))
    WARMTH.served(talk(), "dear", 0.0)
    small, large = (added_by_caches(talk(), options(dear=tiered), size, 1.0)["dear"] for size in (2_100, 3_500))
    assert small < large < 0


@given(read=st.decimals(0, 1, places=3), other=st.decimals("0.001", 1, places=3), n_more=st.integers(0, 3))
def test_the_warm_option_is_left_exactly_where_the_other_is_cheaper_cold(
    read: Decimal, other: Decimal, n_more: int
) -> None:
    """Input alone, at 1 USD a million where it is warm: stay costs read × warm + rest, leaving costs other × all."""
    WARMTH.clear()
    warm_rates = Rates(input=Decimal("1e-6"), output=Decimal(0), cache_read=read * Decimal("1e-6"))
    cold_rates = Rates(input=other * Decimal("1e-6"), output=Decimal(0), cache_read=Decimal(0))
    asked = talk(*REST * n_more)
    WARMTH.served(talk(), "warm", 0.0)
    n_all, n_warm = 3_000, WARMTH.of(asked, 1.0)["warm"]
    added = added_by_caches(asked, options(warm=warm_rates, cold=cold_rates), n_all, 1.0)
    stays, leaves = n_all * 1e-6 + added["warm"], n_all * float(other) * 1e-6 + added["cold"]
    assert stays == pytest.approx(n_all * 1e-6 - n_warm * (1 - float(read)) * 1e-6)
    assert leaves == pytest.approx(n_all * float(other) * 1e-6)


# --- through the gateway


def _led(gateway: Gateway, upstream: Any, bar: dict[str, str], **rules: Any) -> None:
    """`proxy/foo` is the default at 1 USD with a cached rate; `proxy/bar` is as good, and may be cheaper."""
    gateway.lead_to(upstream.base_url, "proxy", "unused")
    factories.supply_option("proxy/foo", price={"input": "0.000001", "output": "0", "cache_read": "0.0000001"})
    factories.supply_option("proxy/bar", price={"output": "0", **bar})
    beliefs.learn(gateway.project, "proxy/bar", "proxy/foo", mean=0.0, low=-0.01, high=0.01, n=300, source="run 1")
    rules = {"candidates": ["proxy/bar"], **rules}
    policies.write(gateway.project, "auto", kind="cheapest", default_option="proxy/foo", rules=rules, by=None)


def _ask(gateway: Gateway, *messages: dict[str, Any], model: str = "netra/auto", session: str = "s-1") -> Any:
    headers = [(b"x-netra-session", session.encode())]
    return gateway.ask({"model": model, "messages": [SYSTEM, FIRST, *messages]}, headers=headers)


def _warmed(gateway: Gateway) -> None:
    """The session began when only the default could serve it."""
    body = {"messages": [SYSTEM, FIRST]}
    found = conversation(gateway.project.pk, body, describe(body, session="s-1"))
    assert found is not None
    WARMTH.served(found, "proxy/foo", warmth.time.monotonic())


def test_a_session_stays_where_it_is_warm(gateway: Gateway) -> None:
    with served(said()) as upstream:
        _led(gateway, upstream, {"input": "0.0000005", "cache_read": "0.00000005"})
        _warmed(gateway)
        stayed, new = _ask(gateway, *REST), _ask(gateway, *REST, session="s-2")
    assert stayed.headers["x-netra-option"] == "proxy/foo" and new.headers["x-netra-option"] == "proxy/bar"
    rows = {row["option"]: row for row in _considered(gateway, stayed)}
    assert rows["proxy/foo"]["cache_usd"] < 0 and rows["proxy/bar"]["cache_usd"] == 0
    assert all("cache_usd" not in row for row in _considered(gateway, new))


def test_it_leaves_where_that_saves_more_than_is_lost(gateway: Gateway) -> None:
    with served(said()) as upstream:
        _led(gateway, upstream, {"input": "0.00000005"})
        _warmed(gateway)
        assert _ask(gateway, *REST).headers["x-netra-option"] == "proxy/bar"


def test_stickiness_can_be_turned_off(gateway: Gateway) -> None:
    with served(said()) as upstream:
        _led(gateway, upstream, {"input": "0.0000005"}, stickiness=False)
        _warmed(gateway)
        assert _ask(gateway, *REST).headers["x-netra-option"] == "proxy/bar"


def test_an_answer_makes_its_option_warm(gateway: Gateway) -> None:
    with served(said()) as upstream:
        _led(gateway, upstream, {"input": "0.0000005", "cache_read": "0.00000005"})
        _ask(gateway)
    request = {"messages": [SYSTEM, FIRST, *REST]}
    found = conversation(gateway.project.pk, request, describe(request, session="s-1"))
    assert found is not None and set(WARMTH.of(found, warmth.time.monotonic())) == {"proxy/bar"}


def test_a_dry_run_knows_what_is_warm(gateway: Gateway) -> None:
    with served(said()) as upstream:
        _led(gateway, upstream, {"input": "0.0000005"})
        body = {"messages": [SYSTEM, FIRST]}
        found = conversation(gateway.project.pk, body, describe(body))
        assert found is not None
        WARMTH.served(found, "proxy/foo", warmth.time.monotonic())
        policy = policies.as_policy(policies.named(gateway.project, "auto"))
        told = decisions.explain(gateway.project, policy, {"messages": [SYSTEM, FIRST, *REST]})
    assert told["option"] == "proxy/foo" and json.dumps(told["considered"])


def _considered(gateway: Gateway, reply: Any) -> list[dict[str, Any]]:
    events = {event["source_record_id"]: event for event in gateway.logged()}
    return list(events[reply.headers["x-netra-decision"]]["metadata"]["decision"]["considered"])
