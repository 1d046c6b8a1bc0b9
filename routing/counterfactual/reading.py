"""Logged decisions with what came of them, and the judged pairs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from netra import clickhouse
from projects import log
from projects.models import Project
from projects.workloads import Outcome
from routing.counterfactual.measures import Judged
from routing.counterfactual.redeciding import Decision, as_decision
from routing.decisions import DECIDED
from routing.models import JudgedPair

MAX_DECISIONS = 10_000
_FAILED = {Outcome.PROVIDER_ERROR: True, Outcome.GATEWAY_ERROR: True, Outcome.OK: False, Outcome.CACHED: False}
_COLUMNS = (
    "event_id, started_at, outcome, cost_usd, duration_ms, is_simulated, "
    "JSONExtractRaw(metadata, 'decision') AS decision"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which decisions: from `since` until before `until`; of one policy, or one version of it."""

    since: datetime
    until: datetime
    policy: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A fair sample of the window's decisions. `n_unreadable` of it do not say enough to be decided again."""

    decisions: list[Decision]
    n_logged: int
    n_unreadable: int
    is_simulated: bool


def read(project: Project, window: Window) -> Read:
    """At most MAX_DECISIONS, drawn by their ids' hashes; the same window gives the same ones in the same order."""
    condition, parameters = _where(project, window)
    sampled = f"SELECT {_COLUMNS} FROM workload_events WHERE {condition} "  # noqa: S608
    rows = clickhouse.rows(f"{sampled} ORDER BY cityHash64(event_id), event_id LIMIT {MAX_DECISIONS}", parameters)
    total = clickhouse.scalar(f"SELECT count() FROM workload_events WHERE {condition}", parameters)  # noqa: S608
    found = [_decision(row) for row in rows]
    decisions = [each for each in found if each is not None]
    return Read(decisions, total or 0, len(found) - len(decisions), any(row["is_simulated"] for row in rows))


def _where(project: Project, window: Window) -> tuple[str, dict[str, Any]]:
    wanted = [log.CURRENT, "purpose = 'live'", DECIDED]
    wanted += ["started_at >= {since:DateTime64(6, 'UTC')}", "started_at < {until:DateTime64(6, 'UTC')}"]
    if window.policy:
        wanted.append("JSONExtractString(metadata, 'decision', 'policy') = {policy:String}")
    if window.version is not None:
        wanted.append("JSONExtractInt(metadata, 'decision', 'version') = {version:UInt32}")
    given = {"since": window.since, "until": window.until, "policy": window.policy, "version": window.version or 0}
    return " AND ".join(wanted), {"project_id": project.pk, **given}


def _decision(row: Mapping[str, Any]) -> Decision | None:
    cost = row["cost_usd"]
    return as_decision(
        orjson.loads(row["decision"]),
        row["event_id"],
        row["started_at"],
        cost_usd=None if cost is None else float(cost),
        latency_ms=row["duration_ms"],
        is_error=_FAILED.get(row["outcome"]),
    )


def judged(project: Project, decisions: Sequence[Decision], options: Sequence[str], default: str) -> list[Judged]:
    """The judged pairs against a default on these calls. An evaluation's calls were drawn whatever was chosen."""
    place, column = (
        {each.event_id: at for at, each in enumerate(decisions)},
        {name: at for at, name in enumerate(options)},
    )
    pairs = JudgedPair.objects.filter(project=project, default_option=default, option__in=options).order_by("pk")
    return [
        Judged(place[event_id], column[option], difference, _weight(decisions[place[event_id]], option, source))
        for event_id, option, difference, source in pairs.values_list("event_id", "option", "difference", "source")
        if event_id in place
    ]


def _weight(decision: Decision, option: str, source: str) -> float:
    is_of_answer = option == decision.chosen and not source.startswith("evaluation")
    return 1 / decision.probability if is_of_answer else 1.0
