"""Drawing a run's sample from the project's log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from evaluation.models import EvaluationRun, SampledPrompt
from evaluation.selector import Replayable, Sample, draw
from netra.errors import Invalid
from projects import log

FILTERS = frozenset({"since", "until", "model", "kind"})
FIRST_YEAR = 1900  # the event store knows no earlier one


def wanted_events(sampling: Mapping[str, Any]) -> log.EventFilter:
    """The run's filter over the log. Raises Invalid for what is not one."""
    unknown = sorted(set(sampling) - FILTERS - {"drawn_from"})
    if unknown:
        raise Invalid(
            f"{unknown[0]!r} is no filter of a sample; there are {', '.join(sorted(FILTERS))}.", field="sampling"
        )
    return log.EventFilter(
        since=_time(sampling, "since"),
        until=_time(sampling, "until"),
        model=sampling.get("model") or None,
        kind=sampling.get("kind") or None,
    )


def _time(sampling: Mapping[str, Any], name: str) -> datetime | None:
    text = sampling.get(name)
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and text else None
        is_known = found is not None and found.tzinfo is not None and found.astimezone(UTC).year >= FIRST_YEAR
    except (ValueError, OverflowError):
        is_known = False
    if text and not is_known:
        raise Invalid(f"{name} must be a time with its zone, such as 2026-11-01T00:00:00Z.", field="sampling")
    return found


def population(project_id: int, sampling: Mapping[str, Any]) -> list[Replayable]:
    """The replayable calls a sample may be drawn from."""
    return cast(list[Replayable], log.population(project_id, wanted_events(sampling)))


def draw_sample(run: EvaluationRun, *, n: int) -> Sample:
    """Draw and keep a run's sample, with some to spare for prompts whose answers are lost to a crash."""
    spare = max(4 * run.concurrency, n // 10)
    sample = draw(population(run.project_id, run.sampling), n=n + spare, seed=run.seed)
    SampledPrompt.objects.bulk_create(
        (
            SampledPrompt(
                run=run,
                position=prompt.position,
                event_id=prompt.event_id,
                stratum=prompt.stratum,
                prompt_hash=prompt.prompt_hash,
                covariates=list(prompt.covariates),
            )
            for prompt in sample.prompts
        ),
        batch_size=500,
    )
    drawn = {"n_calls": sample.n_calls, "n_distinct": sample.population_size, "strata": sample.strata}
    run.sampling = {**run.sampling, "drawn_from": drawn}
    run.save(update_fields=["sampling"])
    return sample
