"""How far the judges of a run can be trusted: do they hold to their view in the other order, do they agree. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from evaluation.answers import QUALITY_DIMENSIONS, Answer, Paired
from evaluation.calibration import JudgeTrust, flips, lowest_agreement, prediction_powered
from evaluation.gates import quality_gain
from evaluation.statistics import Estimate

Gathered = Mapping[str, Mapping[int, Answer]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judge's two views of the same two answers: who won with the incumbent first, and with the candidate first."""

    incumbent_first: str
    candidate_first: str


@dataclass(frozen=True, slots=True)
class Label:
    """A person's score of one option's answer to one prompt."""

    option: str
    position: int
    dimension: str
    score: float


def trust(
    gathered: Gathered,
    paired: Mapping[str, Paired],
    incumbent: str,
    comparisons: Sequence[Comparison],
    labels: Sequence[Label],
) -> JudgeTrust:
    """Everything known of the judges. Labels count where a person scored both answers to a prompt."""
    by_people = _by_people(labels)
    corrected, n_labels = {}, 0
    for option, found in paired.items():
        estimate = _corrected(found, by_people.get(incumbent, {}), by_people.get(option, {}))
        if estimate is not None:
            corrected[option] = estimate
            n_labels = max(n_labels, estimate.n)
    n_flipped = sum(1 for each in comparisons if each.incumbent_first != each.candidate_first)
    return JudgeTrust(
        flips=flips(n_flipped, len(comparisons)) if comparisons else None,
        agreement=lowest_agreement(_scores(gathered)),
        n_labels=n_labels,
        corrected=corrected,
    )


def _by_people(labels: Sequence[Label]) -> dict[str, dict[int, float]]:
    """Mean quality by option and prompt; several people, and several dimensions, are averaged."""
    said: dict[tuple[str, int], list[float]] = defaultdict(list)
    for label in labels:
        if label.dimension in QUALITY_DIMENSIONS:
            said[label.option, label.position].append(label.score)
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for (option, position), scores in said.items():
        found[option][position] = fmean(scores)
    return found


def _corrected(found: Paired, incumbent: Mapping[int, float], candidate: Mapping[int, float]) -> Estimate | None:
    judged: dict[int, float] = {}
    for pair, position in zip(found.pairs, found.positions, strict=True):
        gain = quality_gain(pair)
        if gain is not None:
            judged[position] = gain
    both = sorted(set(judged) & set(incumbent) & set(candidate))
    return prediction_powered(
        np.array(list(judged.values())),
        np.array([judged[place] for place in both]),
        np.array([candidate[place] - incumbent[place] for place in both]),
    )


def _scores(gathered: Gathered) -> dict[tuple[str, str], dict[int, float]]:
    """Scores by judge, then by answer; answers are numbered through all lanes."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    answers = [answer for _, lane in sorted(gathered.items()) for _, answer in sorted(lane.items())]
    for number, answer in enumerate(answers):
        for seat, score in answer.scores.items():
            if score is not None:
                found[seat][number] = score
    return found
