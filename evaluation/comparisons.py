"""What a run has gathered, read from its rows: answers, pairs, money spent on each side, trust in its judges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.answers import Answer, Paired, Prompt, pair_up, usable
from evaluation.judges import Panel
from evaluation.models import EvaluationRun, Judgement, PaidCall, ReplayCall, SampledPrompt

LEFT_OUT = frozenset({"budget_exhausted"})
LaneName = ReplayCall.LaneName


def prompts(run: EvaluationRun) -> list[Prompt]:
    """The sample in its order."""
    rows = SampledPrompt.objects.filter(run=run).order_by("position").values_list("position", "stratum", "covariates")
    return [Prompt(position, stratum, tuple(covariates) or None) for position, stratum, covariates in rows]


def answer_of(call: ReplayCall, scores: Mapping[tuple[str, str], float | None]) -> Answer:
    """A finished call as the decision sees it; no text, so that thousands fit in memory."""
    is_left_out = call.state == PaidCall.State.INTERRUPTED or call.error_code in LEFT_OUT
    return Answer(
        is_left_out=is_left_out,
        is_failed=call.state == PaidCall.State.FAILED,
        refused=call.is_refusal,
        latency_ms=call.latency_ms,
        cost_usd=call.cost_usd,
        tokens_out=_tokens_out(call.tokens),
        scores=scores,
    )


def _tokens_out(tokens: Mapping[str, Any]) -> int | None:
    known = [tokens[name] for name in ("output_visible", "reasoning", "audio_out") if tokens.get(name) is not None]
    return sum(known) if known else None


def scores_of(judgements: Iterable[Judgement]) -> dict[tuple[str, str], float | None]:
    finished = (each for each in judgements if each.state != PaidCall.State.IN_FLIGHT)
    return {(each.dimension, each.judge): each.score for each in finished}


def answers(run: EvaluationRun) -> dict[str, dict[int, Answer]]:
    """Complete answers by option and place; one still in flight, or not judged by all, is not there yet."""
    panel = Panel.of(run)
    scores = _scores(run)
    found: dict[str, dict[int, Answer]] = defaultdict(dict)
    calls = ReplayCall.objects.filter(run=run).exclude(lane=LaneName.RECORDED)
    for call in calls.exclude(state=PaidCall.State.IN_FLIGHT).select_related("prompt").defer("response", "text"):
        verdicts = scores.get(call.same_answer_as_id or call.pk, {})
        if call.state == PaidCall.State.DONE and any(seat not in verdicts for seat in panel.seats):
            continue
        found[call.option][call.prompt.position] = answer_of(call, verdicts)
    return found


def _scores(run: EvaluationRun) -> dict[int, dict[tuple[str, str], float | None]]:
    found: dict[int, dict[tuple[str, str], float | None]] = defaultdict(dict)
    rows = Judgement.objects.filter(run=run).exclude(state=PaidCall.State.IN_FLIGHT)
    for call_id, dimension, judge, score in rows.values_list("call_id", "dimension", "judge", "score"):
        found[call_id][dimension, judge] = score
    return found


def paired(run: EvaluationRun) -> dict[str, Paired]:
    """Every candidate's pairs, as far as they go without a gap."""
    gathered = answers(run)
    order = usable(prompts(run), gathered)
    incumbent = gathered.get(run.incumbent, {})
    options = run.candidates.values_list("option", flat=True)
    return {option: pair_up(order, incumbent, gathered.get(option, {})) for option in options}


def n_left_out(run: EvaluationRun) -> int:
    """Prompts whose answers cannot be known, and which others took the place of."""
    order = prompts(run)
    return len(order) - len(usable(order, answers(run)))
