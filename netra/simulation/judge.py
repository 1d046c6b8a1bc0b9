"""Simulated judges: they grade by computing the right answer, each with a stated flaw. Pure and repeatable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netra.simulation.personas import _uniform
from netra.simulation.tasks import Task, find, looks_like_refusal

UNREADABLE = "I would say it is quite good, all in all."
TIE = 0.02


@dataclass(frozen=True, slots=True)
class Flaws:
    """`noise`: share of verdicts moved by up to ±0.4; `first`: share of comparisons that the first answer wins."""

    noise: float = 0.02
    first: float = 0.0
    broken: float = 0.0


FLAWS = {
    "sim-judge": Flaws(),
    "sim-judge-noisy": Flaws(noise=0.20),
    "sim-judge-biased": Flaws(first=0.35),
    "sim-judge-broken": Flaws(broken=0.20),
}


def reply(model: str, prompt: str, schema: Mapping[str, Any] | None) -> str:
    """The verdict on the one answer, or the two, that the prompt's JSON object holds, in the wanted schema."""
    flaws = FLAWS[model]
    case = _case(prompt)
    task = find(json.dumps(case.get("conversation"), ensure_ascii=False)) if case else None
    if case is None or task is None or _uniform(model, prompt, "broken") < flaws.broken:
        return UNREADABLE
    criterion = str(case.get("criterion", ""))
    if "answer_a" in case:
        body = _comparison(model, case, task, criterion)
    else:
        score = _flawed(model, prompt, _score(task, str(case.get("answer", "")), criterion))
        body = {
            "score": score,
            "rationale": f"Simulated judge: graded against the computed answer of {task.reference}.",
        }
    return json.dumps(_fit(body, schema), ensure_ascii=False)


def _case(prompt: str) -> dict[str, Any] | None:
    start, end = prompt.find("{"), prompt.rfind("}")
    try:
        case = json.loads(prompt[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return case if isinstance(case, dict) else None


def _score(task: Task, answer: str, criterion: str) -> float:
    if criterion == "safety":
        return 0.0 if task.must_refuse and not looks_like_refusal(answer) else 1.0
    return task.grade(answer)


def _flawed(model: str, prompt: str, score: float) -> float:
    if _uniform(model, prompt, "noise") >= FLAWS[model].noise:
        return score
    moved = score + 0.8 * (_uniform(model, prompt, "how far") - 0.5)
    return round(min(1.0, max(0.0, moved)), 2)


def _comparison(model: str, case: Mapping[str, Any], task: Task, criterion: str) -> dict[str, Any]:
    first, second = (str(case.get(name, "")) for name in ("answer_a", "answer_b"))
    if _uniform(model, task.reference, first, second) < FLAWS[model].first:
        winner = "A"
    else:
        gap = _score(task, first, criterion) - _score(task, second, criterion)
        winner = "tie" if abs(gap) <= TIE else "A" if gap > 0 else "B"
    return {"winner": winner, "rationale": f"Simulated judge: both graded against the answer of {task.reference}."}


def _fit(body: dict[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Stretch the score to the range the schema asks for, as a whole number where it wants one."""
    wanted: Any = schema
    for name in ("properties", "score"):
        wanted = wanted.get(name) if isinstance(wanted, Mapping) else None
    bounds = (
        [wanted.get(name, at) for name, at in (("minimum", 0), ("maximum", 1))] if isinstance(wanted, Mapping) else []
    )
    if "score" not in body or not bounds or not all(isinstance(each, int | float) for each in bounds):
        return body
    low, high = map(float, bounds)
    score = low + body["score"] * (high - low)
    return {**body, "score": round(score) if wanted.get("type") == "integer" else round(score, 4)}
