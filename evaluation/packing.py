"""Filling an evidence pack from a run's rows."""

from __future__ import annotations

from typing import Any

from evaluation.asking import answer_text
from evaluation.comparisons import answer_of
from evaluation.evidence import FORMAT, sha256
from evaluation.models import EvaluationRun, HumanLabel, Judgement, PaidCall, PairwiseJudgement, ReplayCall
from evaluation.rubrics import RUBRICS


def content(run: EvaluationRun) -> dict[str, Any]:
    """Everything but pairs and decision, which `evidence` computes from it. Answers' texts are named by their hash."""
    calls = {call.pk: call for call in _calls(run)}
    verdicts, preferences = _verdicts(run), _preferences(run)
    return _without_words(verdicts + preferences) | {
        "format": FORMAT,
        "project": run.project.slug,
        "run": _run(run),
        "plan": run.plan,
        "prices": run.prices,
        "circumstances": {
            "charged_at_most_usd": _money(run.charged_at_most_usd),
            "budget_usd": _money(run.budget_usd),
        },
        "rubrics": {rubric.identity: {"text": rubric.text, "version": rubric.version} for rubric in RUBRICS.values()},
        "prompts": _prompts(run),
        "answers": [_answer(call, calls) for call in calls.values()],
        "verdicts": verdicts,
        "preferences": preferences,
        "labels": _labels(run),
    }


def _without_words(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Verdicts that were given, but whose words were deleted with the calls they judged."""
    emptied = [row for row in rows if row["raw"] is None and (row.get("score") is not None or row.get("winner"))]
    return {"words_deleted": sorted(row["call_key"] for row in emptied)} if emptied else {}


def _run(run: EvaluationRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "name": run.name,
        "incumbent": run.incumbent,
        "seed": run.seed,
        "judging": run.judging,
        "sampling": run.sampling,
        "policy": run.policy,
        "created_at": run.created_at.isoformat(),
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "is_simulated": run.project.is_simulated,
    }


def _calls(run: EvaluationRun) -> list[ReplayCall]:
    """Finished calls of the lanes compared, in the order of the sample."""
    found = ReplayCall.objects.filter(run=run).exclude(lane=ReplayCall.LaneName.RECORDED)
    found = found.exclude(state=PaidCall.State.IN_FLIGHT).defer("response")
    return list(found.select_related("prompt").order_by("prompt__position", "call_key"))


def _prompts(run: EvaluationRun) -> list[dict[str, Any]]:
    names = ("position", "event_id", "stratum", "prompt_hash", "content_hash", "covariates")
    return list(run.prompts.order_by("position").values(*names))


def _answer(call: ReplayCall, calls: dict[int, ReplayCall]) -> dict[str, Any]:
    seen = answer_of(call, {})
    same = calls.get(call.same_answer_as_id) if call.same_answer_as_id else None
    return {
        "call_key": call.call_key,
        "position": call.prompt.position,
        "option": call.option,
        "lane": call.lane,
        "served_model": call.served_model,
        "event_id": call.event_id,
        "text_sha256": sha256(call.text),
        "same_answer_as": same.call_key if same else None,
        "is_left_out": seen.is_left_out,
        "is_failed": seen.is_failed,
        "error_code": call.error_code,
        "refused": seen.refused,
        "latency_ms": seen.latency_ms,
        "cost_usd": _money(seen.cost_usd),
        "tokens_out": seen.tokens_out,
    }


def _verdicts(run: EvaluationRun) -> list[dict[str, Any]]:
    rows = Judgement.objects.filter(run=run).exclude(state=PaidCall.State.IN_FLIGHT).select_related("call")
    return [
        {
            "call_key": row.call_key,
            "answer": row.call.call_key,
            "dimension": row.dimension,
            "judge": row.judge,
            "rubric": row.rubric,
            "score": row.score,
            "unscored_because": row.unscored_because,
            "attempts": row.attempts,
            "raw": _raw(row),
        }
        for row in rows.order_by("call__prompt__position", "call_key")
    ]


def _preferences(run: EvaluationRun) -> list[dict[str, Any]]:
    rows = PairwiseJudgement.objects.filter(run=run).exclude(state=PaidCall.State.IN_FLIGHT)
    return [
        {
            "call_key": row.call_key,
            "answer": row.candidate_call.call_key,
            "judge": row.judge,
            "rubric": row.rubric,
            "is_incumbent_first": row.is_incumbent_first,
            "winner": row.winner,
            "winner_place": _place(row),
            "unscored_because": row.unscored_because,
            "raw": _raw(row),
        }
        for row in rows.select_related("candidate_call").order_by("call_key")
    ]


def _place(row: PairwiseJudgement) -> str | None:
    if row.winner in ("", PairwiseJudgement.Winner.TIE):
        return row.winner or None
    is_first = (row.winner == PairwiseJudgement.Winner.INCUMBENT) == row.is_incumbent_first
    return "A" if is_first else "B"


def _raw(row: PaidCall) -> str | None:
    """What the judge wrote; None when it gave no answer, or its words were deleted with the call it judged."""
    return answer_text(row.response) if row.state == PaidCall.State.DONE and not _is_emptied(row) else None


def _is_emptied(row: PaidCall) -> bool:
    """It was read once, so there were words."""
    is_scored = getattr(row, "score", None) is not None or bool(getattr(row, "winner", ""))
    return is_scored and row.response is None


def _labels(run: EvaluationRun) -> list[dict[str, Any]]:
    rows = HumanLabel.objects.filter(call__run=run).select_related("call__prompt").order_by("call__call_key", "pk")
    return [
        {
            "option": row.call.option,
            "position": row.call.prompt.position,
            "dimension": row.dimension,
            "score": row.score,
        }
        for row in rows
    ]


def _money(value: Any) -> str | None:
    return None if value is None else format(value.normalize(), "f")
