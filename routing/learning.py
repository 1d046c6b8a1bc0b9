"""From judged pairs to what is expected of each option on a prompt, with bounds tried on held-out kinds. Pure.

Three things are chosen inside the pairs themselves, by leaving some out:

1. the kernel of the process, then the share of the trees in the mean, by the error on random fifths; past their reach,
   which is as much as the process has left to know of all but FARTHEST of a fifth, the trees are silent;
2. how near the judged prompts another must be to say anything: nearer than all but FARTHEST of them are to the others;
3. the caution: how many deviations the bounds lie from the mean. A bound is on the average over prompts of a kind. So
   the pairs are parted into kinds, each is predicted from all others and, by fifths, from its own as well, and the
   caution is such that in COVERED of the kinds (also of those parts of them that look better, and that look worse than
   the default) the average outcome lies above the average bound, predicted in either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from routing.forest import N_TREES, Forest
from routing.regression import Kernel, Matrix, Process, Scale, fit
from routing.trial import FARTHEST, MIN_OF_KIND, Groups, LeftOut, Trial, blended, nearness, reach_of

MIN_PAIRS = 60
KERNELS = (Kernel(0.1, 0.6, 0.03), Kernel(0.3, 0.6, 0.1), Kernel(1.0, 1.5, 0.1))
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
COVERED = 0.95
LEAST_CAUTION = 0.25

Known = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Judged pairs against one default: a row a prompt, a column an option, NaN where it was not judged.

    `differences` are option − default in [-1, 1]; `embeddings` have unit length; `default_quality`, shape (n,), is how
    well the default did by itself, in [0, 1], NaN where only the difference is known.
    """

    options: tuple[str, ...]
    embeddings: npt.NDArray[np.float32]
    surfaces: Matrix
    differences: Matrix
    default_quality: Matrix | None = None

    def beside(self, rows: npt.NDArray[np.intp], places: Sequence[int]) -> Matrix:
        """How well the default and each option did, shape (n, 1 + options); (n, 0) where it is not known of any pair.

        Of pairs of which it is not known, the default did as it did on average.
        """
        if self.default_quality is None or np.isnan(self.default_quality[rows]).all():
            return np.empty((len(rows), 0))
        known = self.default_quality[rows]
        default = np.where(np.isnan(known), np.nanmean(known), known)[:, None]
        return np.concatenate([default, default + self.differences[rows][:, list(places)]], axis=1)


@dataclass(frozen=True, slots=True)
class Expected:
    """The difference to the default expected on a prompt, with bounds."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Part:
    """What was learnt of options judged on the same prompts."""

    options: tuple[str, ...]
    process: Process
    forest: Forest
    share: float  # of the trees in the mean, up to `reach`
    reach: float
    noise: Matrix
    skill: Matrix  # share of the differences' variance that is told of pairs left out, an option
    caution: float
    familiar: float
    n: int

    def predict(self, points: Matrix) -> tuple[Matrix, Matrix]:
        """As `Process.predict`; the variance is the process's, which knows how far a prompt is from the judged ones."""
        means, left = self.process.predict(points)
        if self.share == 0 or not (left <= self.reach).any():
            return means, left
        return blended(means, self.forest.predict(points), left, self.share, self.reach), left

    def nearness(self, embeddings: npt.NDArray[np.floating]) -> Matrix:
        """Cosine to the fifth nearest of the anchors."""
        return nearness(embeddings, self.process.anchors[:, : embeddings.shape[1]])


@dataclass(frozen=True, slots=True)
class Learnt:
    """A predictor: options' differences to one default."""

    default: str
    scale: Scale
    parts: tuple[Part, ...]
    mark: str = ""  # tells one training from another; the artefact's checksum once it is kept

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(option for part in self.parts for option in part.options)

    def expect(self, embedding: npt.NDArray[np.float32], surface: Matrix) -> dict[str, Expected | None]:
        """By option; None where the prompt is unlike all that was judged."""
        bounds = self.expect_all(embedding[None, :], surface[None, :])
        return {option: _at(found, 0) for option, found in bounds.items()}

    def expect_all(self, embeddings: npt.NDArray[np.float32], surfaces: Matrix) -> dict[str, Bounds]:
        """Many prompts at once."""
        points = self.scale.joined(embeddings, surfaces)
        return {name: bounds for part in self.parts for name, bounds in _bounds(part, points, embeddings)}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one option on many prompts; `is_known` is False where a prompt is unlike all that was judged."""

    mean: Matrix
    low: Matrix
    high: Matrix
    is_known: npt.NDArray[np.bool_]
    n: int


def _bounds(part: Part, points: Matrix, embeddings: npt.NDArray[np.float32]) -> Iterator[tuple[str, Bounds]]:
    means, left = part.predict(points)
    is_known = part.nearness(embeddings) >= part.familiar
    for place, option in enumerate(part.options):
        mean, away = np.clip(means[:, place], -1, 1), part.caution * np.sqrt(left * part.noise[place])
        yield option, Bounds(mean, np.clip(mean - away, -1, 1), np.clip(mean + away, -1, 1), is_known, part.n)


def _at(found: Bounds, row: int) -> Expected | None:
    if not found.is_known[row]:
        return None
    return Expected(float(found.mean[row]), float(found.low[row]), float(found.high[row]), found.n)


def learn_pairs(default: str, pairs: Pairs, *, seed: int = 0) -> Learnt | None:
    """Learn; None when no option has MIN_PAIRS pairs. Same pairs in the same order and seed, same predictor."""
    together: dict[bytes, list[int]] = {}
    for place in range(len(pairs.options)):
        is_judged = ~np.isnan(pairs.differences[:, place])
        if is_judged.sum() >= MIN_PAIRS:
            together.setdefault(is_judged.tobytes(), []).append(place)
    if not together:
        return None
    scale = Scale.of(pairs.surfaces)
    points = scale.joined(pairs.embeddings, pairs.surfaces)
    parts = [_part(pairs, points, places, seed) for places in together.values()]
    return Learnt(default, scale, tuple(parts))


def _part(pairs: Pairs, points: Matrix, places: Sequence[int], seed: int) -> Part:
    rows = np.flatnonzero(~np.isnan(pairs.differences[:, places[0]]))
    targets = pairs.differences[rows][:, list(places)]
    trial = Trial(points[rows], pairs.embeddings[rows], targets, pairs.beside(rows, places), seed)
    folds = trial.folds()
    kernel, share, by_folds = _tried(trial, folds)
    near = trial.nearness(folds)
    familiar = float(np.quantile(near, FARTHEST))
    noise = np.maximum(((by_folds.means - trial.targets) ** 2).mean(0), 1e-4)
    return Part(
        options=tuple(pairs.options[place] for place in places),
        process=fit(trial.points, trial.targets, kernel, np.random.default_rng(seed)),
        forest=trial.forest(np.ones(len(rows), dtype=bool), N_TREES),
        share=share,
        reach=trial.reach(kernel),
        noise=noise,
        skill=1 - noise / np.maximum(trial.targets.var(0), 1e-4),
        caution=_caution(trial, (by_folds, near >= familiar), (kernel, share), noise, familiar),
        familiar=familiar,
        n=len(rows),
    )


def _tried(trial: Trial, folds: Groups) -> tuple[Kernel, float, LeftOut]:
    """The kernel of least error on random fifths, then the share of the trees, and what the two say of the fifths.

    The kernel by itself, since the bounds are the process's, whatever share it has in the mean.
    """
    by_kernel = [(kernel, trial.by_process(folds, kernel)) for kernel in KERNELS]
    kernel, found = min(by_kernel, key=lambda each: trial.error(each[1].means))
    trees, reach = trial.by_trees(folds), reach_of(found.left)
    blends = [(kernel, share, found.blended(trees, share, reach)) for share in SHARES]
    return min(blends, key=lambda each: trial.error(each[2].means))


def _caution(
    trial: Trial, by_folds: tuple[LeftOut, Known], chosen: tuple[Kernel, float], noise: Matrix, familiar: float
) -> float:
    """`by_folds` with which pairs it knows; `chosen` are the kernel and the share of the trees."""
    kinds, (kernel, share) = trial.kinds(), chosen
    reach = reach_of(by_folds[0].left)
    by_kinds = trial.by_process(kinds, kernel).blended(trial.by_trees(kinds), share, reach)
    tried = (by_folds, (by_kinds, trial.nearness(kinds) >= familiar))
    needed = [_needed(trial, found, is_known, kinds, noise) for found, is_known in tried]
    return max((max(LEAST_CAUTION, each) for each in needed if each is not None), default=FAR_FROM_SURE)


def _needed(trial: Trial, found: LeftOut, is_known: Known, kinds: Groups, noise: Matrix) -> float | None:
    """The caution that COVERED of the kinds need, by these predictions of them; None where too few are known."""
    shortfalls: list[float] = []
    for place in range(trial.targets.shape[1]):
        told, deviation = found.means[:, place], np.sqrt(found.left * noise[place])
        shortfalls += _shortfalls(told, trial.targets[:, place], deviation, kinds, is_known)
    return float(np.quantile(shortfalls, COVERED)) if shortfalls else None


# Too few pairs of any kind to try a bound on: one-sided 99.9 % of a normal error.
FAR_FROM_SURE = 3.09


def _shortfalls(means: Matrix, targets: Matrix, deviation: Matrix, kinds: Groups, is_known: Known) -> Iterator[float]:
    """By how many deviations the average outcome of a kind falls short of the average prediction."""
    for kind in np.unique(kinds):
        for is_meant in (means >= 0, means < 0):
            among = (kinds == kind) & is_meant & is_known
            if among.sum() >= MIN_OF_KIND:
                yield float((means[among].mean() - targets[among].mean()) / deviation[among].mean())


class Lesson(NamedTuple):
    """One judged pair: the prompt's id, the option, its difference to the default, and the default's own quality."""

    prompt: str
    option: str
    difference: float
    default_quality: float | None = None


def as_pairs(
    lessons: Sequence[Lesson], seen: Mapping[str, tuple[npt.NDArray[np.float32], Matrix]]
) -> tuple[list[str], Pairs]:
    """Lessons with each prompt's embedding and surface as a table; of several on the same, the last."""
    known = [lesson for lesson in lessons if lesson.prompt in seen]
    options = tuple(sorted({lesson.option for lesson in lessons}))
    ids = sorted({lesson.prompt for lesson in known})
    column, line = {name: i for i, name in enumerate(options)}, {name: i for i, name in enumerate(ids)}
    differences, qualities = np.full((len(ids), len(options)), np.nan), np.full(len(ids), np.nan)
    for lesson in known:
        differences[line[lesson.prompt], column[lesson.option]] = lesson.difference
        if lesson.default_quality is not None:
            qualities[line[lesson.prompt]] = lesson.default_quality
    embeddings = np.array([seen[name][0] for name in ids], dtype=np.float32)
    surfaces = np.array([seen[name][1] for name in ids], dtype=np.float64)
    return ids, Pairs(options, embeddings, surfaces, differences, qualities)
