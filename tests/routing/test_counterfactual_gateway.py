"""What the gateway logs is what the counterfactuals read: real requests, decided again from the log."""

from __future__ import annotations

import random

import pytest
from django.utils import timezone

from projects import shipping
from routing import policies
from routing.counterfactual import reading
from routing.counterfactual.reading import Window
from routing.counterfactual.report import Question, report
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import said, served

DEAR, CHEAP = "proxy/dear", "proxy/cheap"


@pytest.fixture
def asked(gateway: Gateway) -> Gateway:
    """Forty requests to a policy that splits its traffic."""
    random.seed(5)
    with served(said()) as server:
        gateway.lead_to(server.base_url, "proxy", "dear", "cheap")
        rules = {"shares": {DEAR: 1, CHEAP: 1}, "max_cost_usd": 5.0}
        policies.write(gateway.project, "auto", kind="split", default_option=DEAR, rules=rules, by=None)
        for _ in range(40):
            headers = ((b"x-netra-deadline-ms", b"60000"),)
            assert gateway.ask(chat(model="netra/auto", max_tokens=50), headers=headers).status == 200
    shipping.ship(gateway.spool)
    return gateway


def test_a_logged_decision_says_enough_to_be_decided_again(asked: Gateway) -> None:
    until = timezone.now()
    found = reading.read(asked.project, Window(until - timezone.timedelta(hours=1), until))
    assert (found.n_logged, found.n_unreadable, len(found.decisions)) == (40, 0, 40)
    for each in found.decisions:
        assert each.default == DEAR and each.chosen in (DEAR, CHEAP)
        assert {name: one.probability for name, one in each.weighed.items()} == {DEAR: 0.5, CHEAP: 0.5}
        assert all(one.prediction.cost_usd for one in each.weighed.values())
        assert (each.demand.deadline_ms, each.demand.output_tokens) == (60_000, 50)
        assert each.is_error is False and each.cost_usd and each.latency_ms


def test_a_draft_is_tried_on_real_requests(asked: Gateway) -> None:
    draft = policies.draft(asked.project, "auto", kind="fixed", default_option=DEAR, rules={})
    found = report(asked.project, Question(draft))
    assert found.overlap and found.overlap.is_enough and found.overlap.unsupported == 0
    assert found.replay and 0 < found.replay.moved < 1
    n_dear = sum(each.n_logged for each in found.replay.shares if each.option == DEAR)
    assert found.overlap.effective_n == pytest.approx(n_dear)


def test_the_draft_s_own_limits_hold(asked: Gateway) -> None:
    rules = {"shares": {CHEAP: 1}, "max_cost_usd": 1e-9}
    strict = policies.draft(asked.project, "auto", kind="split", default_option=DEAR, rules=rules)
    found = report(asked.project, Question(strict)).replay
    # They bar every option, so the default answers all the same.
    assert found and [each.option for each in found.shares if each.n_policy] == [DEAR]
