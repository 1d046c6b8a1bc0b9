"""The cap holds whatever happens: a call is sent only after its worst case was reserved in the database."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ledger import Balance, LeaseLost, Ledger, book
from evaluation.models import EvaluationRun, ReplayCall, SampledPrompt

CENT = Decimal("0.01")


@pytest.fixture
def run(start) -> EvaluationRun:
    """A run of ten cents, claimed by "me", with one sampled prompt."""
    made = start(budget_usd=Decimal("0.10"))
    SampledPrompt.objects.create(run=made, position=0, event_id="e", stratum="any", prompt_hash="h")
    assert made.claim("me")
    return made


def call(run: EvaluationRun, number: int) -> ReplayCall:
    option = "simulated/sim-large"
    return ReplayCall(call_key=f"call-{number}", run=run, prompt=run.prompts.get(), lane="incumbent", option=option)


def kept(run, scenario):
    """Run a scenario against a ledger; what it returned."""

    async def go():
        async with Ledger(run.pk, "me") as ledger:
            return await scenario(ledger)

    return asyncio.run(go())


def ended(row, cost=CENT, known=True):
    row.state, row.cost_usd, row.charged_at_most_usd = "done", cost if known else None, cost
    return row


def test_a_reservation_is_in_the_database_before_it_returns(run):
    row = call(run, 1)

    async def scenario(ledger):
        assert await ledger.reserve(row, CENT)
        return await ledger.in_thread(lambda: ReplayCall.objects.get(call_key="call-1"))

    stored = kept(run, scenario)
    run.refresh_from_db()
    assert stored.state == "in_flight" and stored.reserved_usd == run.reserved_usd == CENT and stored.attempts == 1


def test_settling_releases_the_reservation_and_charges_the_cost(run):
    row = call(run, 1)

    async def scenario(ledger):
        await ledger.reserve(row, 5 * CENT)
        await ledger.settle(ended(row))

    kept(run, scenario)
    run.refresh_from_db()
    row.refresh_from_db()
    assert (run.reserved_usd, run.charged_at_most_usd, run.spent_usd) == (0, CENT, CENT)
    assert row.state == "done" and row.reserved_usd == 0


def test_an_unknown_cost_is_charged_but_not_called_spent(run):
    row = call(run, 1)

    async def scenario(ledger):
        await ledger.reserve(row, 5 * CENT)
        await ledger.settle(ended(row, 5 * CENT, known=False))

    kept(run, scenario)
    run.refresh_from_db()
    assert (run.charged_at_most_usd, run.spent_usd) == (5 * CENT, 0)


def test_what_could_pass_the_cap_is_refused_and_leaves_no_row(run):
    async def scenario(ledger):
        return await ledger.reserve(call(run, 1), Decimal("0.1000001"))

    assert kept(run, scenario) is False
    run.refresh_from_db()
    assert run.reserved_usd == 0 and not ReplayCall.objects.exists()


def test_the_cap_may_be_reached_to_the_last_digit(run):
    async def scenario(ledger):
        return await ledger.reserve(call(run, 1), Decimal("0.10"))

    assert kept(run, scenario) is True


def test_of_many_at_once_only_those_that_fit_are_allowed(run):
    rows = [call(run, number) for number in range(30)]

    async def scenario(ledger):
        return await asyncio.gather(*(ledger.reserve(row, CENT, may_wait=False) for row in rows))

    assert sum(kept(run, scenario)) == 10
    run.refresh_from_db()
    assert run.reserved_usd == run.budget_usd and ReplayCall.objects.count() == 10


def test_who_may_wait_gets_what_others_did_not_use(run):
    """The first reserves everything and costs a cent; the second waits, then fits."""
    first, second = call(run, 1), call(run, 2)

    async def scenario(ledger):
        assert await ledger.reserve(first, 10 * CENT)
        waiting = asyncio.create_task(ledger.reserve(second, 9 * CENT))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await ledger.settle(ended(first))
        return await waiting

    assert kept(run, scenario) is True


def test_another_attempt_adds_to_the_same_row(run):
    row = call(run, 1)

    async def scenario(ledger):
        await ledger.reserve(row, CENT)
        await ledger.reserve(row, 2 * CENT, may_wait=False)

    kept(run, scenario)
    row.refresh_from_db()
    assert row.attempts == 2 and row.reserved_usd == 3 * CENT and ReplayCall.objects.count() == 1


def test_after_cancelling_nothing_more_is_allowed(run):
    async def scenario(ledger):
        await ledger.in_thread(lambda: EvaluationRun.objects.filter(pk=run.pk).update(is_cancel_asked=True))
        return await ledger.reserve(call(run, 1), CENT)

    assert kept(run, scenario) is False


def test_a_worker_that_lost_its_lease_sends_nothing_more(run):
    async def scenario(ledger):
        await ledger.in_thread(lambda: EvaluationRun.objects.filter(pk=run.pk).update(lease_owner="another"))
        with pytest.raises(LeaseLost):
            await ledger.reserve(call(run, 1), CENT)
        with pytest.raises(LeaseLost):
            await ledger.reserve(call(run, 2), CENT)

    kept(run, scenario)
    assert not ReplayCall.objects.exists()


def test_every_commit_renews_the_lease(run):
    before = run.lease_until

    async def scenario(ledger):
        await ledger.reserve(call(run, 1), CENT)

    kept(run, scenario)
    run.refresh_from_db()
    assert before is None or run.lease_until >= before
    assert run.heartbeat_at is not None


money = st.decimals(min_value=0, max_value=5, places=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(money, money), max_size=30))
def test_booking_never_loses_money(calls):
    """Whatever the order: reserved is what is open, charged is what is closed."""
    balance = Balance(Decimal(1_000))
    rows = [ReplayCall(reserved_usd=worst, charged_at_most_usd=cost, cost_usd=cost) for worst, cost in calls]
    balance.reserved_usd = sum((worst for worst, _ in calls), Decimal(0))
    for row in rows:
        book(balance, row)
    assert balance.reserved_usd == 0
    assert balance.charged_at_most_usd == balance.spent_usd == sum((cost for _, cost in calls), Decimal(0))
