"""What the controller decided lately, read from the log; and what it would decide, without doing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from netra import clickhouse
from projects import log
from projects.models import Project
from routing import option_log
from routing.controller import Choice, Policy
from routing.demand import Demand, describe
from routing.gateway import recalling
from routing.gateway.planning import decide, followed, lately
from routing.gateway.tenants import unkeyed
from routing.health import Health

# Nobody waits for an answer here, so a prediction that the gateway would not wait for is shown.
EXPLAINING_S = 5.0
DECIDED = "metadata LIKE '%\"decision\"%' AND JSONHas(metadata, 'decision')"
_COLUMNS = (
    "event_id, started_at, outcome, cost_usd, duration_ms, session_id, is_simulated, "
    "JSONExtractString(metadata, 'decision', 'policy') AS policy, "
    "JSONExtractInt(metadata, 'decision', 'version') AS version, "
    "JSONExtractString(metadata, 'decision', 'chosen') AS chosen, "
    "JSONExtractString(metadata, 'option') AS served, "
    "JSONExtractFloat(metadata, 'decision', 'probability') AS probability, "
    "JSONExtractBool(metadata, 'decision', 'is_exploration') AS is_exploration, "
    "JSONExtractString(metadata, 'decision', 'reason') AS reason"
)


def latest(project: Project, *, policy: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Live requests that a policy decided, newest first."""
    named = " AND JSONExtractString(metadata, 'decision', 'policy') = {policy:String}" if policy else ""
    return clickhouse.rows(
        f"SELECT {_COLUMNS} FROM workload_events WHERE {log.CURRENT} AND purpose = 'live' AND {DECIDED}{named} "  # noqa: S608
        "ORDER BY started_at DESC, event_id DESC LIMIT {limit:UInt32}",
        {"project_id": project.pk, "policy": policy, "limit": limit},
    )


def explained(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The decision of one event, with every option it weighed; None when no policy decided it."""
    told = (event.get("metadata") or {}).get("decision")
    return told if isinstance(told, dict) else None


def explain(
    project: Project, policy: Policy, request: Mapping[str, Any], *, draw: float = 1.0 - 1e-12
) -> dict[str, Any]:
    """What a policy would choose for a request now, and why. Nothing is sent; exploration is left out by default."""
    tenant = unkeyed(project)
    demand = describe(request, calibration=tenant.calibration)
    talk = followed(project.pk, policy, request, demand)
    choice, _ = asyncio.run(decide(tenant, policy, demand, talk=talk, draw=draw, wait_s=EXPLAINING_S))
    return {"demand": _demand(demand), **_choice(choice), "policy": policy.name, "version": policy.version}


def _demand(demand: Demand) -> dict[str, Any]:
    told = asdict(demand)
    del told["text"]
    return {**told, "needs": sorted(demand.needs), "risks": sorted(demand.risks)}


def _choice(choice: Choice) -> dict[str, Any]:
    told = {"option": choice.option, "probability": choice.probability, "reason": choice.reason}
    return told | {"fallbacks": list(choice.fallbacks), "considered": list(choice.considered)}


def health(project: Project) -> list[dict[str, Any]]:
    """How the options did lately: breaker and latencies as this process saw them, shares of the last hour's log."""
    recalling.recall(project.pk)
    seen, done = lately(project.pk), option_log.done(project.pk, within=recalling.WITHIN)
    return [
        _health(option, seen.get(option, Health()), done.get(option, option_log.Done()))
        for option in sorted({*seen, *done})
    ]


def _health(option: str, seen: Health, done: option_log.Done) -> dict[str, Any]:
    p50_ms, p95_ms = seen.latency_ms(0.5), seen.latency_ms(0.95)
    return {
        "option": option,
        "state": seen.breaker.state,
        "p50_ms": done.p50_ms if p50_ms is None else p50_ms,
        "p95_ms": done.p95_ms if p95_ms is None else p95_ms,
        "failing_share": done.failed_share if seen.failing_share is None else seen.failing_share,
        "refused_share": done.refused_share,
        "n": done.n,
    }
