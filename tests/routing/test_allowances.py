"""Budgets kept before the call, by one process and by several; limits a minute; what is given back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from netra.errors import BudgetExhausted, Busy
from projects.models import Project
from routing import allowances
from routing.allowances import Bucket, Purse, window_start
from routing.calls import worst_case_usd
from routing.models import Allowance, Spending
from routing.targets import target
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import error, provider, said, served

pytestmark = pytest.mark.django_db(transaction=True)


def allowance(project: Project, budget: str | None = "1", **fields: object) -> Allowance:
    return Allowance.objects.create(project=project, budget_usd=budget and Decimal(budget), **fields)


def spend(purse: Purse, usd: str) -> bool:
    try:
        asyncio.run(purse.reserve(Decimal(usd)))
    except BudgetExhausted:
        return False
    return True


def taken() -> Decimal:
    return sum((row.taken_usd for row in Spending.objects.all()), Decimal(0))


def test_a_budget_is_never_passed(project: Project) -> None:
    purse = Purse(allowance(project))
    assert [spend(purse, "0.3") for _ in range(5)] == [True, True, True, False, False]
    assert taken() <= 1


def test_two_processes_share_one_budget(project: Project) -> None:
    row = allowance(project)
    one, other = Purse(row), Purse(row)
    went = [spend(purse, "0.01") for _ in range(60) for purse in (one, other)]
    assert sum(went) <= 100 and taken() <= 1
    assert sum(went) >= 96  # a slice may stay with each


def test_what_a_call_did_not_cost_comes_back(project: Project) -> None:
    purse = Purse(allowance(project))
    window = asyncio.run(purse.reserve(Decimal("0.9")))
    purse.settle(window, Decimal("0.9"), Decimal("0.1"))
    assert spend(purse, "0.9") and not spend(purse, "0.01")


def test_what_is_borrowed_is_given_back_at_the_end(project: Project) -> None:
    purse = Purse(allowance(project))
    assert spend(purse, "0.005") and taken() == Decimal("0.02")
    purse.give_back()
    assert taken() == Decimal("0.005")


def test_a_process_that_ends_in_peace_gives_back(project: Project) -> None:
    (purse,) = allowances.purses([allowance(project)])
    assert spend(purse, "0.005")
    allowances.Lending().stop()
    assert taken() == Decimal("0.005")


def test_a_window_ends(project: Project) -> None:
    purse = Purse(allowance(project))
    assert spend(purse, "1")
    purse._turn(datetime(2100, 1, 1, tzinfo=UTC))
    assert purse._held == 0 and purse._window.year == 2100


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hour", datetime(2026, 11, 21, 13, tzinfo=UTC)),
        ("day", datetime(2026, 11, 21, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_windows_begin_on_the_hour_the_day_the_month(kind: str, expected: datetime) -> None:
    assert window_start(kind, datetime(2026, 11, 21, 13, 59, 59, 5, tzinfo=UTC)) == expected


def test_a_bucket_fills_with_time() -> None:
    bucket = Bucket(60)
    bucket.filled_at = 0.0
    assert [bucket.take(30, 0.0), bucket.take(30, 0.0)] == [0.0, 0.0]
    assert bucket.take(10, 0.0) == pytest.approx(10.0)
    assert bucket.take(10, 10.0) == 0.0


def test_more_than_a_minutes_worth_is_let_through_when_full() -> None:
    bucket = Bucket(100)
    assert bucket.take(500, bucket.filled_at) == 0.0
    assert bucket.take(1, bucket.filled_at) > 200


def test_requests_a_minute(project: Project) -> None:
    purse = Purse(allowance(project, None, requests_per_minute=2))
    purse.admit(0)
    purse.admit(0)
    with pytest.raises(Busy, match="requests a minute") as refused:
        purse.admit(0)
    assert 0 < refused.value.retry_after_s <= 30


# --- through the gateway


def test_a_spent_budget_answers_402(gateway: Gateway) -> None:
    allowance(gateway.project, "0.000001")
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask()
    assert reply.status == 402 and reply.json["error"]["type"] == "insufficient_quota"
    assert upstream.asked == []


async def test_fifty_at_once_against_a_budget_for_ten(gateway: Gateway) -> None:
    async with provider(said(prompt=100, completion=100)) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url, max_concurrency=50)
        probe = await asyncio.to_thread(_worst, gateway)
        await asyncio.to_thread(allowance, gateway.project, format(10 * probe, "f"))
        replies = await asyncio.gather(*(gateway.asked() for _ in range(50)))
    assert {reply.status for reply in replies} <= {200, 402}
    # Each costs less than its worst case, so a few more than ten fit; the money itself is never passed.
    assert sum(Decimal(r.headers["x-netra-cost-usd"]) for r in replies if r.status == 200) <= 10 * probe
    assert await asyncio.to_thread(taken) <= 10 * probe


def _worst(gateway: Gateway) -> Decimal:

    worst = worst_case_usd(chat(), target(gateway.project, "proxy/foo"))
    assert worst is not None
    return worst


def test_a_call_that_surely_cost_nothing_leaves_the_budget_whole(gateway: Gateway) -> None:
    row = allowance(gateway.project, "1")
    with served(error(400)) as upstream:
        gateway.lead_to(upstream.base_url)
        for _ in range(3):
            gateway.ask()

    allowances._purses[row.pk].give_back()
    assert taken() == 0


def test_limits_a_minute_answer_429(gateway: Gateway) -> None:
    allowance(gateway.project, None, requests_per_minute=1)
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert [gateway.ask().status for _ in range(2)] == [200, 429]


def test_a_key_may_call_what_it_is_allowed_only(gateway: Gateway) -> None:
    allowance(gateway.project, None, allowed_models=["proxy/bar"])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url, "proxy", "foo", "bar")
        assert gateway.ask(chat(model="proxy/foo")).status == 403
        assert gateway.ask(chat(model="proxy/bar")).status == 200
