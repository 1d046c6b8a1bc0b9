"""Logged decisions of a made-up agent: a cheap option that is explored, a default, and what came of each call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from netra.tokens import Tokens
from projects import log
from projects.models import Project
from projects.workloads import Purpose, WorkloadEvent
from routing import policies
from routing.controller import Choice, Policy, Prediction, choose
from routing.demand import Demand, describe
from routing.gateway import recording
from routing.models import JudgedPair, RoutingPolicy
from tests import factories

DEAR, CHEAP, NEW = "lab/dear", "lab/cheap", "lab/new"
# A call has 1,000 tokens on average.
USD = {DEAR: 0.01, CHEAP: 0.002, NEW: 0.001}
MS = {DEAR: 900.0, CHEAP: 300.0, NEW: 200.0}


def options(project: Project) -> None:
    """Three options that a connection leads to."""
    factories.connection(project, "lab", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    for name in (DEAR, CHEAP, NEW):
        price = {"input": f"{USD[name] / 1000:.9f}", "output": "0"}
        factories.supply_option(name, abilities=["tools"], max_output_tokens=400, price=price)


def policy(project: Project, name: str = "auto", **fields: Any) -> RoutingPolicy:
    """Prefers the cheap one, where shown to be as good; explores 40 % of its calls."""
    rules = {"candidates": [CHEAP], "margin": 0.02, "exploration": 0.4} | fields.pop("rules", {})
    given = {"kind": "cheapest", "default_option": DEAR, "rules": rules} | fields
    return policies.write(project, name, by=None, **given)


def predictions(*, low: float | None = None) -> list[Prediction]:
    """As the log has them: nothing known of the cheap one's quality unless a bound is given."""
    known = {} if low is None else {"quality": low + 0.01, "quality_low": low, "quality_high": low + 0.02}
    return [
        Prediction(DEAR, 0.012, 1_200.0, 0.0, 0.0, 0.0),
        Prediction(CHEAP, 0.0024, 400.0, **known),  # type: ignore[arg-type]
    ]


def logged(
    project: Project, row: RoutingPolicy, n: int = 400, *, at: datetime | None = None, low: float | None = None
) -> list[str]:
    """Decide and log `n` calls; returns the ids of their events, in the order of their record ids."""
    started_at = at or timezone.now() - timedelta(days=1)
    made = list(_events(policies.as_policy(row), n, started_at, low))
    log.write(project.pk, made)
    found = log.events(project.pk, log.EventFilter(purpose="live"), limit=5_000).rows
    return [each["event_id"] for each in found]


def _events(how: Policy, n: int, started_at: datetime, low: float | None) -> Iterator[WorkloadEvent]:
    rng = random.Random(f"{how.name}{how.version}{started_at.isoformat()[:10]}")
    demand = describe({"messages": [{"role": "user", "content": "Hello there"}]})
    for place in range(n):
        choice = choose(demand, how, predictions(low=low), draw=rng.random())
        yield _event(f"{how.name}-{how.version}-{place}", how, choice, demand, started_at, rng)


def _event(
    record_id: str, how: Policy, choice: Choice, demand: Demand, at: datetime, rng: random.Random
) -> WorkloadEvent:
    name = choice.option
    told = recording._decision(how, choice) | {"demand": recording._wanted(demand)}
    return factories.event(
        record_id,
        source="netra",
        purpose=Purpose.LIVE,
        started_at=at + timedelta(seconds=rng.random() * 3600),
        provider="lab",
        requested_model=name,
        served_model=name.removeprefix("lab/"),
        response=factories.chat_response(id=record_id),
        provider_response_id=record_id,
        tokens=Tokens(input_fresh=rng.randint(500, 1500), output_visible=0),
        duration_ms=MS[name] * rng.uniform(0.5, 1.5),
        outcome="ok" if rng.random() > 0.05 else "provider_error",
        metadata={"option": name, "decision": told},
    )


def judge(project: Project, event_ids: list[str], difference: float = -0.01, *, option: str = CHEAP) -> None:
    """An evaluation's pairs: drawn whatever was chosen."""
    rng = random.Random(7)
    JudgedPair.objects.bulk_create(
        JudgedPair(
            project=project,
            option=option,
            default_option=DEAR,
            event_id=each,
            difference=max(-1.0, min(1.0, difference + rng.uniform(-0.1, 0.1))),
            source="evaluation 1",
        )
        for each in event_ids
    )
