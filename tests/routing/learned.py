"""Judged pairs of a made-up world: two kinds of prompts, far apart, on which options do differently."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from routing.features import surface
from routing.learning import Learnt, Pairs, learn_pairs

SIZE = 32
HOME, AWAY, ELSEWHERE = 0, 1, 2


def around(axis: int, n: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """`n` unit vectors about an axis: prompts of one kind."""
    made = np.random.default_rng((axis, seed)).normal(scale=0.12, size=(n, SIZE))
    made[:, axis] += 1.0
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def surfaces(n: int) -> npt.NDArray[np.float64]:
    return np.array([surface(f"Prompt number {place}, what now?") for place in range(n)])


def pairs(n: int = 150, *, seed: int = 0) -> Pairs:
    """`good` is as good at home and much worse away; `bad` is much worse everywhere."""
    rng = np.random.default_rng(seed)
    good = np.concatenate([rng.normal(0.3, 0.1, n), rng.normal(-0.6, 0.1, n)])
    bad = rng.normal(-0.5, 0.1, 2 * n)
    embeddings = np.concatenate([around(HOME, n), around(AWAY, n)])
    told = np.tile(surfaces(n), (2, 1))  # the surface must not give the kind away
    return Pairs(("bad", "good"), embeddings, told, np.clip(np.stack([bad, good], axis=1), -1, 1))


def learnt(n: int = 150) -> Learnt:
    found = learn_pairs("default", pairs(n))
    assert found is not None
    return found
