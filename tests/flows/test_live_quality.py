"""From live traffic to trust and back: explored, judged, relied on; then it gets worse, and the default answers."""

from __future__ import annotations

import random

import pytest

from evaluation import live_judging
from netra.simulation.personas import PERSONAS
from routing import beliefs, certificates
from routing.gateway import planning
from routing.gateway.tenants import TENANTS
from routing.models import Certificate
from tests.evaluation.live import (
    BEST,
    EQUAL,
    LARGE,
    MEDIUM,
    WORSE,
    ask,
    catalog,
    options,
    switch_on,
    write_policy,
)
from tests.routing.conftest import gateway
from tests.routing.gatewayed import Gateway

__all__ = ["gateway"]
RULE = {
    "is_on": True,
    "margin": 0.1,
    "min_pairs": 40,
    "max_error_share": 0.1,
    "max_refusal_share": None,
    "max_p95_ms": None,
}


def judge(gateway: Gateway) -> int:
    """Sittings until nothing is left."""
    n = 0
    while (sitting := live_judging.sit(gateway.project)) is not None and sitting.n_judged:
        n += sitting.n_judged
    certificates.certify(gateway.project)
    TENANTS.forget()
    return n


def test_an_equal_option_takes_over_and_loses_it_again_when_it_gets_worse(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "random", random.Random(11))
    monkeypatch.setitem(PERSONAS, "sim-large", BEST)
    monkeypatch.setitem(PERSONAS, "sim-medium", EQUAL)
    catalog()
    write_policy(gateway)
    switch_on(gateway)
    certificates.write_rule(gateway.project, RULE)

    first = options(ask(gateway, range(280)))
    assert 40 <= first.count(MEDIUM) <= 100  # explored only
    assert judge(gateway) == first.count(MEDIUM)
    belief = beliefs.held(gateway.project)[MEDIUM, LARGE]
    assert -0.1 <= belief.low <= 0.0 <= belief.high
    assert Certificate.objects.current().get().standing == "certified"

    second = options(ask(gateway, range(1_000, 1_060)))
    assert second.count(MEDIUM) > 35  # it is chosen now, and the default is what is explored

    monkeypatch.setitem(PERSONAS, "sim-medium", WORSE)
    ask(gateway, range(2_000, 2_080))
    judge(gateway)
    assert beliefs.held(gateway.project)[MEDIUM, LARGE].high < -0.1
    withdrawn = Certificate.objects.current().get()
    assert withdrawn.standing == "withdrawn" and "quality differs by" in withdrawn.reason
    assert set(options(ask(gateway, range(3_000, 3_030)))) == {LARGE}
    assert Certificate.objects.count() == 2  # its history
