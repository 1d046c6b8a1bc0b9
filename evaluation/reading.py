"""Runs and recommendations as pages and the API show them, joined with what they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.models import EvaluationRun, Recommendation, ReplayCall
from netra.errors import NotFound
from projects import log
from projects.models import Project

N_SHOWN = 6
CALLS_A_PAGE = 100


def run_of(project: Project, pk: int) -> EvaluationRun:
    """A run of this project. Raises NotFound."""
    found = EvaluationRun.objects.filter(project=project, pk=pk).first()
    if found is None:
        raise NotFound("There is no such evaluation in this project.")
    return found


def recommendation_of(project: Project, pk: int) -> Recommendation:
    """A recommendation of this project. Raises NotFound."""
    found = Recommendation.objects.select_related("run", "acknowledged_by").filter(project=project, pk=pk).first()
    if found is None:
        raise NotFound("There is no such recommendation in this project.")
    return found


def latest(project: Project) -> Recommendation | None:
    return Recommendation.objects.filter(project=project).select_related("run").first()


def progress(run: EvaluationRun) -> dict[str, Any]:
    """How far a run is: pairs, money, calls by state."""
    states = {state: run.calls.filter(state=state).count() for state in ReplayCall.State.values}
    max_pairs = run.max_pairs
    return {
        "n_pairs": run.n_pairs,
        "max_pairs": max_pairs,
        "share_pairs": run.n_pairs / max_pairs if max_pairs else None,
        "share_spent": run.share_spent,
        "states": states,
        "n_judgements": run.judgements.count(),
        "n_unscored": run.judgements.exclude(unscored_because="").count(),
    }


def calls(run: EvaluationRun, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A page of a run's calls with their verdicts: three queries, however many calls."""
    narrowed = {name: wanted[name] for name in ("lane", "state", "option") if name in wanted}
    found = run.calls.filter(**narrowed).select_related("prompt").prefetch_related("judgements")
    start = int(wanted.get("start", 0))
    total = found.count()
    return {
        "calls": found[start : start + CALLS_A_PAGE],
        "n_calls": total,
        "next_start": start + CALLS_A_PAGE if total > start + CALLS_A_PAGE else None,
    }


def side_by_side(recommendation: Recommendation, finding: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs that moved a finding most: the prompt, both answers, and what judges said of each."""
    run = recommendation.run
    positions = list(finding.get("influential") or ())[:N_SHOWN]
    prompts = {prompt.position: prompt for prompt in run.prompts.filter(position__in=positions)}
    logged = log.requests(run.project_id, [prompt.event_id for prompt in prompts.values()])
    shown = []
    for position in positions:
        prompt = prompts.get(position)
        if prompt is None:
            continue
        calls = {call.option: call for call in prompt.calls.prefetch_related("judgements")}
        shown.append(
            {
                "position": position,
                "stratum": prompt.stratum,
                "event_id": prompt.event_id,
                "messages": ((logged.get(prompt.event_id) or {}).get("request") or {}).get("messages") or [],
                "incumbent": calls.get(run.incumbent),
                "candidate": calls.get(str(finding["candidate"])),
            }
        )
    return shown
