"""Which logged prompts are replayed, and in which order. Pure: rows in, an order out.

The population is made of distinct prompts: calls that repeat one word for word count once, because asking the same
twice says little that is new and would let one frequent prompt decide. Prompts are allotted to strata (kind × size ×
model) in proportion, by systematic sampling over a random start, and then put in one uniformly random order: every
prefix is a fair sample, and the whole is closer to the population than chance alone would make it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

SIZE_EDGES = ((500, "short"), (4_000, "medium"))


class Replayable(TypedDict):
    """What the selector reads of a logged call; rows of `projects.log.population` have more."""

    event_id: str
    kind: str
    prompt_hash: str
    prompt_chars: int
    served_model: str | None
    requested_model: str | None
    tok_output_visible: int | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One prompt in its place; `covariates` are known for the whole population before anything is asked."""

    position: int
    event_id: str
    stratum: str
    prompt_hash: str
    covariates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The order, and what it was drawn from: `n_calls` logged calls that are `population_size` distinct prompts."""

    prompts: tuple[Drawn, ...]
    population_size: int
    n_calls: int
    covariate_means: tuple[float, ...] | None
    strata: dict[str, int]


def draw(calls: Sequence[Replayable], *, n: int, seed: int) -> Sample:
    """Draw up to `n` distinct prompts without replacement; the same calls and seed give the same order."""
    distinct = one_each(calls)
    strata: dict[str, list[Replayable]] = defaultdict(list)
    for call in distinct:
        strata[stratum_of(call)].append(call)
    generator = np.random.default_rng(seed)
    chosen = _allot(strata, min(n, len(distinct)), generator)
    order = generator.permutation(len(chosen))
    prompts = tuple(
        Drawn(place, call["event_id"], stratum_of(call), call["prompt_hash"], covariates_of(call))
        for place, call in enumerate(chosen[index] for index in order)
    )
    sizes = {name: len(members) for name, members in sorted(strata.items())}
    return Sample(prompts, len(distinct), len(calls), _means(distinct), sizes)


def one_each(calls: Iterable[Replayable]) -> list[Replayable]:
    """One call for each distinct prompt: that with the smallest event id, so that the order of the log is no matter.

    A prompt is its last user turn in its kind and at its length: the same "yes" after another conversation differs.
    """
    kept: dict[tuple[str, str, int], Replayable] = {}
    for call in calls:
        key = (call["kind"], call["prompt_hash"], call["prompt_chars"])
        if key not in kept or call["event_id"] < kept[key]["event_id"]:
            kept[key] = call
    return sorted(kept.values(), key=lambda call: call["event_id"])


def stratum_of(call: Replayable) -> str:
    size = next((name for edge, name in SIZE_EDGES if call["prompt_chars"] < edge), "long")
    model = call["served_model"] or call["requested_model"] or "unknown model"
    return f"{call['kind'] or 'any'} · {size} · {model}"[:200]


def covariates_of(call: Replayable) -> tuple[float, ...]:
    """Logarithms of prompt length and recorded answer length; an answer of unknown length counts as average."""
    tokens_out = call["tok_output_visible"]
    return (math.log1p(call["prompt_chars"]), math.log1p(max(0, 200 if tokens_out is None else tokens_out)))


def _means(calls: Sequence[Replayable]) -> tuple[float, ...] | None:
    if not calls:
        return None
    return tuple(float(mean) for mean in np.mean([covariates_of(call) for call in calls], axis=0))


def _allot(strata: dict[str, list[Replayable]], n: int, generator: np.random.Generator) -> list[Replayable]:
    """`n` calls, each stratum giving its share to within one: every total/n-th of the strata laid end to end."""
    lined: list[Replayable] = []
    for name in sorted(strata):
        members = strata[name]
        lined.extend(members[index] for index in generator.permutation(len(members)))
    if n >= len(lined):
        return lined
    step = len(lined) / n if n else 0.0
    start = generator.uniform(0, step)
    return [lined[min(int(start + place * step), len(lined) - 1)] for place in range(n)]
