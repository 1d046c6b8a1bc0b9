"""What is told of a sample: the planted defect with its saving, the right server, the tree, and nothing made up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from netra.errors import Invalid
from netra.tokens import Tokens
from projects.cache_reuse.advice import Advice
from projects.cache_reuse.findings import Asked, Findings, find
from projects.cache_reuse.prompts import Call
from tests.projects.prompts import AUTOMATIC, INSTRUCTIONS, MARKED, asked, call


def _advice(found: Findings, code: str) -> list[Advice]:
    return [each for each in found.advice if each.code == code]


def test_a_timestamp_above_the_instructions_is_named() -> None:
    [advice] = _advice(find(asked(40, stamped=True, rates=AUTOMATIC), Asked()), "move_to_end")
    assert advice.title == "Move the timestamp from the system prompt to the end of the prompt"
    assert advice.slots[0].at_char == len("Current time: ")
    assert advice.slots[0].before.endswith("Current time: ")
    assert "At character 14" in advice.sentence


def test_its_saving_is_that_of_the_tokens_that_could_be_read() -> None:
    """39 of 40 calls could read the whole blocks of what no longer changes, at half the price."""
    calls = asked(40, stamped=True, rates=AUTOMATIC)
    [advice] = _advice(find(calls, Asked(block_tokens=128)), "move_to_end")
    same = len("system\nCurrent time: \n" + INSTRUCTIONS) // 4 // 128 * 128
    assert advice.tokens == pytest.approx(39 * same, rel=0.01)
    assert advice.saved_usd == pytest.approx(advice.tokens * Decimal("0.000001"))


def test_with_breakpoints_it_is_the_cheapest_way_before_and_after() -> None:
    """Before, a cache is of no use. After, one call writes the instructions and 39 read them."""
    calls = asked(40, stamped=True, rates=MARKED)
    [advice] = _advice(find(calls, Asked()), "move_to_end")
    system = len("system\nCurrent time: \n" + INSTRUCTIONS + "\n") / 4
    saved = (39 * system * Decimal("0.000009").__float__()) - system * 0.0000025
    assert float(advice.saved_usd or 0) == pytest.approx(saved, rel=0.02)
    assert "breakpoints after the system prompt" in advice.sentence


def test_without_prices_the_tokens_are_told_and_no_money() -> None:
    [advice] = _advice(find(asked(40, stamped=True), Asked()), "move_to_end")
    assert advice.saved_usd is None
    assert advice.tokens is not None and advice.tokens > 0


def test_prompts_as_they_should_be_get_no_advice_to_change_them() -> None:
    found = find(asked(40, stamped=False, rates=AUTOMATIC), Asked())
    assert _advice(found, "move_to_end") == []
    assert found.at_provider == pytest.approx(found.unlimited, abs=0.01)


def _talks(n_sessions: int, n_turns: int) -> list[Call]:
    """Sessions in turn, each with instructions of its own kind and all it said before."""
    said = {at: [("system", f"Session {at}. " + INSTRUCTIONS)] for at in range(n_sessions)}
    calls = []
    for turn in range(n_turns):
        for at in range(n_sessions):
            said[at].append(("user", f"{turn} " * 400))
            calls.append(call(len(calls), *said[at], rates=AUTOMATIC, session=f"s-{at}", kind="talk"))
    return calls


def test_sessions_are_kept_on_one_server() -> None:
    # 21 sessions in turn on 4 servers: each turn of a session lands elsewhere.
    [advice] = _advice(find(_talks(21, 8), Asked(n_servers=4)), "affinity")
    assert "each session to one server" in advice.title
    assert advice.saved_usd is not None and advice.saved_usd > 0


def test_a_rule_that_fills_one_server_is_not_advised() -> None:
    found = find(asked(40, stamped=False, rates=AUTOMATIC), Asked(n_servers=4))
    assert all("system prompt" not in each.title for each in _advice(found, "affinity"))
    assert {row["name"]: row["busiest"] for row in found.by_rule}["prompt"] == 1.0


def test_breakpoints_are_advised_where_writing_is_charged() -> None:
    found = find(asked(40, stamped=False, rates=MARKED), Asked())
    [advice] = _advice(found, "breakpoint")
    assert advice.title.endswith("after the system prompt")
    assert advice.saved_usd == found.bill.saved_usd


def test_an_hour_is_advised_when_five_minutes_are_too_short() -> None:
    [advice] = _advice(find(asked(40, stamped=False, every_s=900, rates=MARKED), Asked()), "lifetime")
    assert advice.saved_usd is not None and advice.saved_usd > 0


def test_prefixes_below_what_providers_cache_are_told() -> None:
    calls = [call(at, ("system", INSTRUCTIONS[:2_400]), ("user", f"{at}?"), rates=AUTOMATIC) for at in range(20)]
    [advice] = _advice(find(calls, Asked()), "too_short")
    assert advice.n_calls == 19
    assert find(calls, Asked(minimum_tokens=100)).at_provider == pytest.approx(0.8, abs=0.1)


def test_what_providers_report_is_a_share_of_the_calls_that_report_it() -> None:
    calls = asked(3, stamped=False)
    calls[0] = replace(calls[0], tokens=Tokens(input_fresh=600, cache_read=400, output_visible=1))
    calls[1] = replace(calls[1], tokens=Tokens(input_fresh=1_000, output_visible=1))
    calls[2] = replace(calls[2], tokens=Tokens(input_fresh=900, cache_read=100, output_visible=1))
    found = find(calls, Asked())
    assert (found.reported, found.n_reported) == (0.25, 2)


def test_nothing_at_all_is_unknown_and_not_zero() -> None:
    found = find([], Asked())
    assert (found.unlimited, found.reported, found.at_provider, found.bill.saved_usd) == (None, None, None, None)
    assert (found.advice, found.tree, found.sessions) == ([], [], [])


def test_one_call_shares_nothing() -> None:
    found = find(asked(1, stamped=True, rates=AUTOMATIC), Asked())
    assert found.unlimited == 0.0
    assert found.advice == []


def test_the_tree_parts_where_prompts_do() -> None:
    """Six calls share the instructions; three each go on with one of two long questions."""
    kinds = ["a" * 2_000, "b" * 2_000]
    calls = [call(at, ("system", INSTRUCTIONS), ("user", kinds[at % 2] + f"{at}"), session=f"{at}") for at in range(6)]
    rows = find(calls, Asked(block_tokens=64)).tree
    assert [(row["depth"], row["n_calls"], row["n_sessions"]) for row in rows] == [(0, 6, 6), (1, 3, 3), (1, 3, 3)]
    assert rows[0]["n_parted"] == 0
    assert rows[0]["snippet"].startswith("Be brief.")
    assert rows[1]["begin_tokens"] == rows[0]["tokens"]


def test_sessions_tell_their_own_reuse_from_that_of_others() -> None:
    # All six sessions begin alike; only the second call of each can find what the session itself sent.
    rows = {row["session"]: row for row in find(_with_two_calls_each(6), Asked()).sessions}
    assert rows["s-0"]["rate"] == rows["s-0"]["own_rate"]
    assert rows["s-5"]["rate"] > rows["s-5"]["own_rate"]


def _with_two_calls_each(n: int) -> list[Call]:
    return [
        call(at, ("system", INSTRUCTIONS), ("user", f"{at}"), session=f"s-{at // 2}", rates=AUTOMATIC)
        for at in range(2 * n)
    ]


def test_leaving_a_model_loses_what_is_warm() -> None:
    [row] = find(asked(10, stamped=False, rates=AUTOMATIC), Asked()).switches
    assert row["n_warm"] == 9
    assert row["lost_usd"] == row["warm_tokens"] * Decimal("0.000001")


def test_memory_only_of_published_shapes() -> None:
    calls = asked(4, stamped=False)
    assert find(calls, Asked()).gb is None
    found = find([replace(each, model="meta/llama-3-70b") for each in calls], Asked())
    assert found.gb == pytest.approx(found.n_different_blocks * 128 * 327_680 / 1e9)


def test_the_same_calls_give_the_same_findings() -> None:
    calls = asked(30, stamped=True, rates=MARKED)
    assert find(calls, Asked()) == find(calls, Asked())


@pytest.mark.parametrize(
    "asked_",
    [{"block_tokens": 0}, {"n_servers": 0}, {"minimum_tokens": -1}, {"shape": "gpt-4"}, {"block_tokens": 10**9}],
)
def test_what_cannot_be_reckoned_with_is_refused(asked_: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Asked(**asked_)  # type: ignore[arg-type]
