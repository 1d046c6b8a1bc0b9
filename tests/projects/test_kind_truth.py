"""The embedding model itself on the simulated world: the true families are found, and found again."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from netra import embeddings
from netra.simulation import tasks, traffic
from projects.clusters import grouping, matching, texts
from projects.clusters.grouping import Groups, Labels, Vectors

N = 180


@pytest.fixture(scope="module")
def samples() -> list[tuple[Vectors, list[str]]]:
    """Two samples of the same traffic, embedded; without the reference that names the family."""
    made = list(traffic.calls(seed=3, n=2 * N, incumbent="sim-large", until=datetime(2026, 11, 1, tzinfo=UTC)))
    asked = [tasks.REFERENCE.sub("", texts.prompt(call["request"]).asked) for call in made]
    said = [texts.spoken(texts.without_values(text)) for text in asked]
    different = list(dict.fromkeys(said))
    vectors = dict(zip(different, embeddings.encode(different), strict=True))
    return [(np.stack([vectors[t] for t in said[at::2]]), [c["tags"][0] for c in made[at::2]]) for at in (0, 1)]


def _fit(vectors: Vectors) -> Groups:
    unique, counts = np.unique(vectors, axis=0, return_counts=True)
    return grouping.find(unique, counts.tolist(), seed=1)


@pytest.fixture(scope="module")
def fits(samples: list[tuple[Vectors, list[str]]]) -> list[Groups]:
    return [_fit(vectors) for vectors, _ in samples]


def test_kinds_are_the_true_families(samples: list[tuple[Vectors, list[str]]], fits: list[Groups]) -> None:
    for (vectors, families), groups in zip(samples, fits, strict=True):
        assert adjusted_rand_score(families, groups.nearest(vectors)[0]) >= 0.8


def test_a_refit_on_the_other_sample_keeps_assignments(
    samples: list[tuple[Vectors, list[str]]], fits: list[Groups]
) -> None:
    vectors, weights = samples[1][0], np.ones(N)
    old, new = (groups.nearest(vectors)[0] for groups in fits)
    assert (_kept(old, new, weights, fits) or 0) >= 0.9


def _kept(old: Labels, new: Labels, weights: np.ndarray, fits: list[Groups]) -> float | None:
    same = matching.matched(old, new, weights, fits[0].centres, fits[1].centres)
    return matching.kept_share(old, new, weights, same)
