"""Calls for the tests of overviews: two days of two models, with prices, failures, tries and a dear user."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from netra.tokens import Tokens
from projects import log
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories

NOON, DAY = factories.NOON, timedelta(days=1)
FAILED: dict[str, Any] = {
    "outcome": "provider_error",
    "error_type": "timeout",
    "response": None,
    "finish_reason": None,
    "duration_ms": 50.0,
}


def call(name: str, *, input_: int = 1_000, output: int = 500, **fields: Any) -> WorkloadEvent:
    """At 2 and 8 USD a million tokens, 1,000 in and 500 out cost 0.006 USD."""
    given = {"tokens": Tokens(input_fresh=input_, output_visible=output), "trace_id": name, "span_id": name}
    return factories.event(name, **given | fields)


def priced(project: Project, calls: list[WorkloadEvent]) -> list[str]:
    factories.supply_option("openai/gpt-4o-mini")
    return list(log.write(project.pk, calls).ids)


def two_days() -> list[WorkloadEvent]:
    """Yesterday four calls; today six, of which one failed and was tried again."""
    before = [call(f"b-{at}", started_at=NOON - DAY + timedelta(minutes=at), user_id="u-1") for at in range(4)]
    now = [
        call(f"n-{at}", started_at=NOON - timedelta(minutes=at), user_id=f"u-{at % 2}", tags=("x", "y"))
        for at in range(5)
    ]
    failed = call("n-4f", started_at=NOON - timedelta(minutes=9), **FAILED | {"trace_id": "n-4", "output": 0})
    return [*before, *now, failed]
