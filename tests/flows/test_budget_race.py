"""Fifty requests at once, against a budget for ten, over sockets to two gateway processes on one database."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal

import pytest

from netra.prices import Rates
from routing.calls import input_tokens_at_most, worst_case_usd
from tests.flows.sending import environment_of, receiving, told
from tests.routing.scripted import said, served, target

ASKED = {"model": "proxy/foo", "max_tokens": 100, "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
# As `factories.supply_option` prices it.
TARGET = target("http://127.0.0.1:9/v1", rates=Rates(input=Decimal("0.000002"), output=Decimal("0.000008")))
N_ASKED, N_AFFORDED = 50, 10


def ask(port: int, key: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(ASKED), headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory):
    """The replies, what the upstream was asked, and what the processes say was taken of the budget."""
    worst, n_input = worst_case_usd(ASKED, TARGET), input_tokens_at_most(ASKED, TARGET)
    assert worst is not None and n_input is not None
    folder = tmp_path_factory.mktemp("race") / "data"
    # Each answer costs its worst case, so that no more than ten can be paid.
    with served(said(prompt=n_input, completion=100)) as upstream, ExitStack() as stack:
        known = {"NETRA_TEST_UPSTREAM": upstream.base_url, "NETRA_TEST_BUDGET": format(N_AFFORDED * worst, "f")}
        environment = environment_of(folder, DATABASE_URL="", REDIS_URL="", NETRA_SHIPS="0", **known)
        key = told(environment, "prepare")["key"]
        ports = [stack.enter_context(receiving(environment))[1] for _ in range(2)]
        with ThreadPoolExecutor(N_ASKED) as pool:
            replies = list(pool.map(lambda number: ask(ports[number % 2], key), range(N_ASKED)))
        return worst, replies, len(upstream.asked), told(environment, "taken")


def test_no_more_than_the_budget_is_spent(raced):
    worst, replies, n_upstream, taken = raced
    paid = [Decimal(reply.headers["x-netra-cost-usd"]) for reply in replies if reply.status == 200]
    assert paid == [worst] * len(paid) and sum(paid) <= N_AFFORDED * worst
    assert n_upstream == len(paid) and Decimal(taken) <= N_AFFORDED * worst


def test_what_the_budget_covers_is_answered_and_the_rest_is_told_why(raced):
    _, replies, _, _ = raced
    found = Counter(reply.status for reply in replies)
    assert set(found) == {200, 402} and N_AFFORDED - 2 <= found[200] <= N_AFFORDED
