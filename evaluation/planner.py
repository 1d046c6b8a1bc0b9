"""A forecast for a project: prices of the options it names, on prompts drawn from its own log. Calls nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from evaluation.asking import MAX_ATTEMPTS, answer_text
from evaluation.planning import Forecast, PairPrice, forecast, mean_price
from evaluation.rubrics import PAIRWISE, RUBRICS, ask_preference, ask_score
from evaluation.runs import Wish, check
from evaluation.sampling import population
from evaluation.selector import draw
from netra.prices import cost_usd
from netra.tokens import Tokens
from projects import log
from projects.models import Project
from routing.calls import OptionTarget, worst_case_usd

N_PRICED = 40
CHARS_A_TOKEN = 4
VERDICT_TOKENS = 80
UNKNOWN_ANSWER_TOKENS = 300


def plan(project: Project, wish: Wish) -> Forecast:
    """What the run asked for costs and can show. Raises Invalid, NotFound or Conflict as starting it would."""
    targets = check(project, wish)
    sample = draw(population(project.pk, wish.sampling), n=N_PRICED, seed=wish.seed)
    logged = log.requests(project.pk, [prompt.event_id for prompt in sample.prompts])
    thresholds = wish.thresholds
    return forecast(
        mean_price([_price(wish, targets, event) for event in logged.values()]),
        budget_usd=wish.budget_usd,
        max_pairs=wish.max_pairs,
        population_size=sample.population_size,
        margin=float(thresholds.get("margin_quality", 0.02)),
        alpha=float(thresholds.get("alpha", 0.05)),
        n_candidates=len(wish.candidates),
    )


def _price(wish: Wish, targets: Mapping[str, OptionTarget], event: Mapping[str, Any]) -> PairPrice:
    """One prompt over every lane, and each answer over every judge."""
    request, answer = event["request"], answer_text(event["response"])
    lanes = [targets[name] for name in (wish.incumbent, *wish.candidates)]
    tokens = Tokens(input_fresh=_input_tokens(event, request), output_visible=_output_tokens(event))
    likely: list[Decimal | None] = [cost_usd(tokens, lane.rates) for lane in lanes]
    worst = [_at_worst(request, lane, asked=1) for lane in lanes]
    for dimension, judges in wish.judges.items():
        body = ask_score(RUBRICS[dimension], request, answer)
        read = Tokens(input_fresh=_length(body["messages"]), output_visible=VERDICT_TOKENS)
        for judge in judges:
            likely += [cost_usd(read, targets[judge].rates)] * len(lanes)
            worst += [_at_worst(body, targets[judge], asked=2)] * len(lanes)
    if wish.pairwise:
        body = ask_preference(RUBRICS[PAIRWISE], request, (answer, answer))
        read = Tokens(input_fresh=_length(body["messages"]), output_visible=VERDICT_TOKENS)
        likely += [cost_usd(read, targets[wish.pairwise].rates)] * (2 * len(wish.candidates))
        worst += [_at_worst(body, targets[wish.pairwise], asked=2)] * (2 * len(wish.candidates))
    return PairPrice(_sum(likely), _sum(worst))


def _at_worst(request: Mapping[str, Any], target: OptionTarget, *, asked: int) -> Decimal | None:
    """Every attempt paid in full; a judge is asked twice when its verdict cannot be read."""
    once = worst_case_usd(request, target)
    return None if once is None else once * MAX_ATTEMPTS * asked


def _input_tokens(event: Mapping[str, Any], request: Mapping[str, Any]) -> int:
    counted = [event[f"tok_{name}"] for name in ("input_fresh", "cache_read", "cache_write_5m", "cache_write_1h")]
    known = [count for count in counted if count is not None]
    return sum(known) if known else _length(request.get("messages"))


def _output_tokens(event: Mapping[str, Any]) -> int:
    """Hidden reasoning is paid like the visible answer; a reported 0 is no unknown."""
    if event["tok_output_visible"] is None:
        return UNKNOWN_ANSWER_TOKENS
    return int(event["tok_output_visible"]) + (event["tok_reasoning"] or 0)


def _length(messages: Any) -> int:
    return len(str(messages)) // CHARS_A_TOKEN


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if len(known) == len(values) else None
