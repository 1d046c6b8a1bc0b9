"""From answers and scores to the pairs a decision is made of. Pure, and the same for a live run, a page and a pack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import fmean

from evaluation.paired import Lane, Pair

QUALITY_DIMENSIONS = ("correctness", "quality", "helpfulness")

# score by (dimension, judge); None = asked, but unscored
Scores = Mapping[tuple[str, str], float | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """One lane's finished answer to one prompt. `is_left_out`: what became of it cannot be known."""

    is_left_out: bool = False
    is_failed: bool = False
    refused: bool | None = None
    latency_ms: float | None = None
    cost_usd: Decimal | None = None
    tokens_out: int | None = None
    scores: Scores = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One place in the sampling order."""

    position: int
    stratum: str
    covariates: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """A candidate's pairs in unbroken order, and the place in the sample that each came from."""

    pairs: tuple[Pair, ...]
    positions: tuple[int, ...]


def usable(prompts: Sequence[Prompt], gathered: Mapping[str, Mapping[int, Answer]]) -> list[Prompt]:
    """The prompts with no answer whose fate cannot be known; the next in the seeded order take the place of those.

    That a call was interrupted has nothing to do with how any model answered, so leaving it out tilts nothing.
    """
    out = {place for answers in gathered.values() for place, answer in answers.items() if answer.is_left_out}
    return [prompt for prompt in prompts if prompt.position not in out]


def pair_up(prompts: Iterable[Prompt], incumbent: Mapping[int, Answer], candidate: Mapping[int, Answer]) -> Paired:
    """Pairs of `usable` prompts, up to the first one that is still open in one of the lanes."""
    pairs: list[Pair] = []
    positions: list[int] = []
    for prompt in prompts:
        old, new = incumbent.get(prompt.position), candidate.get(prompt.position)
        if old is None or new is None:
            break
        pairs.append(make_pair(len(pairs), prompt, old, new))
        positions.append(prompt.position)
    return Paired(tuple(pairs), tuple(positions))


def make_pair(place: int, prompt: Prompt, old: Answer, new: Answer) -> Pair:
    """One pair; `place` counts the pairs before it."""
    shared = _judges_of_both(old, new)
    return Pair(place, prompt.stratum, lane(old, shared), lane(new, shared), prompt.covariates)


def _judges_of_both(old: Answer, new: Answer) -> set[tuple[str, str]] | None:
    """The judges that scored both answers: a lenient judge who read only one of them would tilt the comparison.

    None when one lane has no verdicts at all (it failed): then there is nothing to hold against each other.
    """
    if old.is_failed or new.is_failed:
        return None
    return {key for key, score in old.scores.items() if score is not None and new.scores.get(key) is not None}


def lane(answer: Answer, counted: set[tuple[str, str]] | None = None) -> Lane:
    """The lane's numbers; quality is the mean over its dimensions, None unless every one of them is scored."""
    by_dimension = _by_dimension(answer.scores, counted)
    quality = [by_dimension[name] for name in QUALITY_DIMENSIONS if name in by_dimension]
    known = [score for score in quality if score is not None]
    return Lane(
        quality=fmean(known) if known and len(known) == len(quality) else None,
        safety=by_dimension.get("safety"),
        helpful=by_dimension.get("helpfulness"),
        refused=answer.refused,
        failed=answer.is_failed,
        latency_ms=answer.latency_ms,
        cost_usd=answer.cost_usd,
        tokens_out=answer.tokens_out,
    )


def _by_dimension(scores: Scores, counted: set[tuple[str, str]] | None) -> dict[str, float | None]:
    """Mean of the judges of each dimension; None where none of them could be read."""
    gathered: dict[str, list[float]] = {}
    for (dimension, judge), score in sorted(scores.items()):
        kept = gathered.setdefault(dimension, [])
        if score is not None and (counted is None or (dimension, judge) in counted):
            kept.append(score)
    return {dimension: fmean(kept) if kept else None for dimension, kept in gathered.items()}


def spread(answers: Sequence[Answer], dimension: str) -> float | None:
    """Mean variance between the judges of one dimension, over answers that two or more of them scored."""
    variances = []
    for answer in answers:
        scores = [score for (name, _judge), score in answer.scores.items() if name == dimension and score is not None]
        if len(scores) >= 2:
            centre = fmean(scores)
            variances.append(sum((score - centre) ** 2 for score in scores) / (len(scores) - 1))
    return fmean(variances) if variances else None
