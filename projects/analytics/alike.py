"""Calls alike in their measures: k-means over a seeded sample, so that a window has the same groups every time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from projects.analytics import compiler
from projects.analytics.answers import Answer, Column
from projects.analytics.compiler import Ground
from projects.analytics.draws import drawn
from projects.analytics.questions import Clusters
from projects.analytics.vocabulary import MEASURES

RESTARTS = 4
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Parted:
    """`labels` of the points, and the share of their variance that the groups explain."""

    labels: np.ndarray
    explained: float


def clusters(ground: Ground, question: Clusters) -> Answer:
    """Groups, largest first: how many of the sample, and the median of each measure."""
    expressions = tuple(compiler.number(name) for name in question.measures)
    names = {f"m{at}": text for at, text in enumerate(expressions)}
    rows = drawn(ground, question, names, question.sample, question.seed, known=expressions)
    values = np.array([[row[name] for name in names] for row in rows], float).reshape(len(rows), len(names))
    parted = k_means(_scaled(values, question.scale), question.k, question.seed) if len(rows) >= question.k else None
    notes = [f"Of {len(rows):,} calls drawn with seed {question.seed}, of those where all these measures are known."]
    if parted is None:
        notes.append("Too few calls to part.")
    found = [] if parted is None else _rows(values, parted.labels, [row["event_id"] for row in rows])
    return Answer(
        "clusters",
        *question.span,
        columns=(
            Column("group", "Group", "text", "dimension"),
            Column("calls", "Calls in the sample", "calls"),
            Column("share", "Share", "share"),
            *(Column(name, f"{MEASURES[name].title}, median", MEASURES[name].unit) for name in question.measures),
            Column("example", "Nearest to its middle", "text"),
        ),
        rows=tuple(found),
        links=tuple({"record_id": str(row[-1])} for row in found),
        notes=tuple(notes),
        more={} if parted is None else {"explained": parted.explained},
    )


def _rows(values: np.ndarray, labels: np.ndarray, ids: list[str]) -> list[tuple[object, ...]]:
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda members: (-len(members), int(members[0])))
    found = []
    for at, members in enumerate(groups, 1):
        middle = np.median(values[members], axis=0)
        spread = values.std(axis=0) + (values.std(axis=0) == 0)
        near = members[int(np.argmin((((values[members] - middle) / spread) ** 2).sum(axis=1)))]
        found.append((f"{at}", len(members), len(members) / len(labels), *map(float, middle), ids[near]))
    return found


def _scaled(values: np.ndarray, scale: str) -> np.ndarray:
    """Each measure with mean 0 and spread 1, of its logarithm where asked: latency and length are skewed."""
    shaped = np.sign(values) * np.log1p(np.abs(values)) if scale == "log" else values
    spread = shaped.std(axis=0)
    scaled: np.ndarray = (shaped - shaped.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def k_means(points: np.ndarray, k: int, seed: int) -> Parted:
    """Lloyd's rounds from k-means++ starts (Arthur and Vassilvitskii, 2007), the best of four."""
    dice = np.random.default_rng(seed)
    tries = [_lloyd(points, _starts(points, k, dice)) for _ in range(RESTARTS)]
    within, labels = min(tries, key=lambda each: each[0])
    whole = float(((points - points.mean(axis=0)) ** 2).sum())
    return Parted(labels, 1 - within / whole if whole else 1.0)


def _starts(points: np.ndarray, k: int, dice: np.random.Generator) -> np.ndarray:
    chosen = [points[int(dice.integers(len(points)))]]
    for _ in range(1, k):
        far = np.min([((points - centre) ** 2).sum(axis=1) for centre in chosen], axis=0)
        total = float(far.sum())
        at = int(dice.choice(len(points), p=far / total)) if total else int(dice.integers(len(points)))
        chosen.append(points[at])
    return np.array(chosen)


def _lloyd(points: np.ndarray, centres: np.ndarray) -> tuple[float, np.ndarray]:
    labels = np.full(len(points), -1)
    for _ in range(ROUNDS):
        distances = np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
        fresh = distances.argmin(axis=1)
        if (fresh == labels).all():
            break
        labels = fresh
        held = [points[labels == at] for at in range(len(centres))]
        centres = np.array([each.mean(axis=0) if len(each) else centres[at] for at, each in enumerate(held)])
    return float(distances.min(axis=1).sum()), labels
