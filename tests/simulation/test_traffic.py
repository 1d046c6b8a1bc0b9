"""Thirty simulated days: repeatable, rhythmic, priced exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from netra.simulation.personas import PERSONAS
from netra.simulation.traffic import calls

UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
CALLS = list(calls(seed=3, n=3000, incumbent="sim-large", until=UNTIL))


def test_the_same_seed_gives_the_same_calls() -> None:
    assert list(calls(seed=3, n=50, incumbent="sim-large", until=UNTIL)) == list(
        calls(seed=3, n=50, incumbent="sim-large", until=UNTIL)
    )
    assert CALLS[:50] != list(calls(seed=4, n=50, incumbent="sim-large", until=UNTIL))


def test_ids_are_unique_and_times_rise_within_the_month() -> None:
    assert len({call["id"] for call in CALLS}) == len(CALLS)
    times = [datetime.fromisoformat(call["started_at"]) for call in CALLS]
    assert times == sorted(times)
    assert UNTIL - timedelta(days=30) <= times[0] < times[-1] <= UNTIL


def test_weekends_are_quieter() -> None:
    weekdays = [datetime.fromisoformat(call["started_at"]).weekday() for call in CALLS]
    weekend = sum(day >= 5 for day in weekdays) / 2
    assert weekend < 0.75 * (len(CALLS) - 2 * weekend) / 5


def test_some_calls_fail_and_cost_nothing_known() -> None:
    failed = [call for call in CALLS if call["outcome"] != "ok"]
    assert 10 <= len(failed) <= 80
    assert all("cost_usd" not in call and call["http_status"] >= 429 for call in failed)


def test_cost_is_tokens_times_price() -> None:
    call = next(call for call in CALLS if call["outcome"] == "ok")
    persona, usage = PERSONAS["sim-large"], call["usage"]
    by_hand = (
        usage["prompt_tokens"] * Decimal(persona.input_usd) + usage["completion_tokens"] * Decimal(persona.output_usd)
    ) / 1_000_000
    assert Decimal(call["cost_usd"]) == by_hand


def test_families_can_be_chosen() -> None:
    only = list(calls(seed=1, n=40, incumbent="sim-small", until=UNTIL, families=["dates"]))
    assert {call["metadata"]["feature"] for call in only} == {"dates"}
