"""What caching costs and saves: breakpoints, lifetimes, switching and memory, by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from netra.prices import Rates
from netra.tokens import Tokens
from projects.cache_reuse import kv, money, policies, pricing, switching
from projects.cache_reuse.money import Charging, Use
from projects.cache_reuse.pricing import Setting
from projects.cache_reuse.prompts import Call, Scale
from tests.projects.prompts import AUTOMATIC, MARKED, asked, call

PLAIN = Rates(input=Decimal("0.000002"), output=Decimal("0.000008"))
FOUR = Scale(4.0, False)


def _talk(*texts: str, every_s: float = 60.0, **fields: object) -> list[Call]:
    """A conversation: each call sends all before it again. 1,000 tokens a message."""
    roles = ("system", *("user", "assistant") * len(texts))
    parts = [(role, text.ljust(4_000 - len(role) - 2, ".")) for role, text in zip(roles, texts, strict=False)]
    return [call(at * every_s, *parts[: 2 * at + 2], **fields) for at in range(len(parts) // 2)]


def test_how_an_option_charges_is_told_by_its_prices() -> None:
    assert [money.charging(each) for each in (MARKED, AUTOMATIC, PLAIN, None)] == [
        *(Charging.MARKED, Charging.AUTOMATIC, Charging.UNKNOWN, Charging.UNKNOWN)
    ]


def test_input_cost_by_hand() -> None:
    # 10 fresh at 10, 100 read at 1, 1,000 written at 12.5 micro-dollars: 100 + 100 + 12,500.
    assert money.input_cost(call(0, rates=MARKED), Use(10, 100, 1_000)) == Decimal("0.0127")
    assert money.input_cost(call(0, rates=MARKED), Use(10, 100, 1_000), "1h") == Decimal("0.0202")


def test_an_unknown_price_is_unknown_money() -> None:
    assert money.input_cost(call(0, rates=None), Use(10)) is None
    assert money.input_cost(call(0, rates=PLAIN), Use(10, read=5)) is None


def test_a_conversation_is_written_and_read_turn_by_turn() -> None:
    # Call 1 writes 2,000 tokens; call 2 reads these and writes its 2 new messages; call 3 the same.
    uses = policies.marked(_talk("s", "1", "2", "3", "4", "5"), FOUR, "end")
    assert uses == [Use(0, 0, 2_000), Use(0, 2_000, 2_000), Use(0, 4_000, 2_000)]


def test_two_conversations_meet_only_at_a_breakpoint_after_the_system_prompt() -> None:
    calls = [call(at, ("system", "s" * 8_000), ("user", f"{at}" * 3_994)) for at in range(2)]
    assert [use.read for use in policies.marked(calls, FOUR, "end")] == [0, 0]
    assert [use.read for use in policies.marked(calls, FOUR, "system+end")] == [0, 2_002]


def test_an_entry_dies_when_it_is_not_read() -> None:
    calls = [call(at, ("system", "s" * 8_000), ("user", f"{at}")) for at in (0.0, 200.0, 400.0, 701.0)]
    reads = [use.read for use in policies.marked(calls, FOUR, "system")]
    assert [read > 0 for read in reads] == [False, True, True, False]
    assert all(use.read for use in policies.marked(calls, FOUR, "system", lifetime="1h")[1:])


def test_short_prefixes_are_neither_written_nor_read() -> None:
    calls = [call(at, ("system", "s" * 4_000), ("user", "?")) for at in range(2)]
    assert policies.marked(calls, FOUR, "end", minimum_tokens=1_024) == [Use(1_003), Use(1_003)]


def test_a_mark_without_its_part_stands_nowhere() -> None:
    assert policies.marked_at(call(0, ("user", "?")), "tools+system") == []
    assert policies.marked_at(call(0), "end") == []


def test_the_cheapest_breakpoint_is_after_what_is_shared() -> None:
    # Questions differ, so that writing them is thrown away; instructions are written once and read 11 times.
    [way] = pricing.best(asked(12, stamped=False, rates=MARKED), Setting(FOUR, 128))
    assert (way.marks, way.lifetime) == ("system", "5m")


def test_an_hour_is_chosen_when_calls_are_seldom() -> None:
    [way] = pricing.best(asked(12, stamped=False, every_s=900, rates=MARKED), Setting(FOUR, 128))
    assert way.lifetime == "1h"


def test_a_cache_that_never_hits_is_left_unused() -> None:
    [way] = pricing.best(asked(12, stamped=False, every_s=9_000, rates=MARKED), Setting(FOUR, 128))
    assert way.marks == pricing.NONE


def test_models_are_reckoned_apart_and_put_together_in_order() -> None:
    calls = [replace(each, model=f"m{at % 2}") for at, each in enumerate(asked(6, stamped=False, rates=AUTOMATIC))]
    ways = pricing.best(calls, Setting(FOUR, 128))
    assert [cost is not None for cost in pricing.costs(ways, 6)] == [True] * 6
    assert pricing.read(ways) > 0


def test_a_bill_adds_up_only_what_is_known() -> None:
    known, unknown = call(0, ("user", "x"), n_tokens=100, rates=AUTOMATIC), call(1, ("user", "x"))
    made = money.bill([known, unknown], [Decimal(3), None], [Decimal(1), None])
    assert (made.n_calls, made.n_known) == (2, 1)
    assert made.paid_usd == Decimal("0.0002")
    assert made.saved_usd == Decimal("0.0002") - 1


def test_nothing_known_is_no_bill() -> None:
    assert money.bill([call(0)], [None], [None]).saved_usd is None


def test_what_was_paid_counts_what_was_read() -> None:
    told = replace(call(0, rates=AUTOMATIC), tokens=Tokens(input_fresh=100, cache_read=900, output_visible=9))
    assert money.paid(told) == Decimal("0.0011")


def test_a_switch_sends_the_warm_prefix_anew() -> None:
    # 10,000 warm tokens: 0.01 read where they are; 0.125 written at the new model, 0.01 from then on.
    loss = switching.switch_loss(10_000, old=AUTOMATIC, new=MARKED)
    assert (loss.stayed_usd, loss.rebuilt_usd, loss.warm_usd) == (Decimal("0.01"), Decimal("0.125"), Decimal("0.01"))
    assert (loss.lost_usd, loss.dearer_usd) == (Decimal("0.115"), Decimal("0.115"))


def test_a_cheaper_price_repays_the_cold_start_in_time() -> None:
    loss = switching.switch_loss(10_000, old=AUTOMATIC, new=MARKED)
    assert switching.calls_to_repay(loss, Decimal("0.01")) == 12
    assert switching.calls_to_repay(loss, Decimal(0)) is None


@pytest.mark.parametrize("new", [None, PLAIN])
def test_a_switch_to_unknown_prices_is_not_reckoned(new: Rates | None) -> None:
    loss = switching.switch_loss(10_000, old=AUTOMATIC, new=new)
    assert loss.lost_usd is None
    assert switching.calls_to_repay(loss, Decimal(1)) is None


def test_memory_by_hand() -> None:
    # Llama 3 70B: 2 × 80 layers × 8 heads × 128 × 2 bytes = 327,680 bytes a token; a block of 512 is 0.168 GB.
    assert kv.SHAPES["llama-3-70b"].bytes_a_token() == 327_680
    assert kv.SHAPES["llama-3-70b"].gb(512) == pytest.approx(0.16777216)
    # DeepSeek V3 keeps one vector of 576 a layer: 61 × 576 × 2.
    assert kv.SHAPES["deepseek-v3"].bytes_a_token() == 70_272


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3-70b"),
        ("accounts/fireworks/models/llama_3.1_8b", "llama-3-8b"),
        ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5-72b"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-v3"),
        ("deepseek-r1-distill-llama-70b", None),
        ("mistralai/Mixtral-8x7B", "mixtral-8x7b"),
        ("gpt-4o", None),
        (None, None),
    ],
)
def test_only_published_shapes_are_known(model: str | None, shape: str | None) -> None:
    assert kv.shape_name(model) == shape
