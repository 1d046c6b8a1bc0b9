"""Near-duplicates of texts by MinHash: short sketches whose agreement estimates how many runs of words two texts share.

A. Broder, "On the resemblance and containment of documents" (1997); found by bands of the sketch (Leskovec, Rajaraman,
Ullman, "Mining of Massive Datasets", chapter 3), so that not every text is held against every other. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Sketch = npt.NDArray[np.uint64]
RUN = 3  # words
WIDTH = 128  # the estimate of a share s is off by √(s(1 − s) / WIDTH): 0.035 at 0.8
ROWS = 4  # of a band: two texts that share 0.8 meet in one of 32 bands but for one pair in ten million
_WORDS = re.compile(r"\w+")
# Multiply and add modulo 2⁶⁴, by odd factors: fixed, so that a text has one sketch for good.
_random = np.random.default_rng(20_261_121)
_FACTORS = _random.integers(0, 2**63, WIDTH, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_SHIFTS = _random.integers(0, 2**63, WIDTH, dtype=np.uint64)


def sketch(text: str) -> Sketch | None:
    """The least of each of WIDTH orders over the text's runs of words; None for a text without a word."""
    words = _WORDS.findall(text.lower())
    runs = {" ".join(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))} - {""}
    if not runs:
        return None
    hashed = np.array([_hash(run) for run in sorted(runs)], dtype=np.uint64)
    least: Sketch = (hashed[:, None] * _FACTORS + _SHIFTS).min(axis=0)
    return least


def share(one: Sketch, other: Sketch) -> float:
    """An estimate of the Jaccard index of two texts' runs of words, in [0, 1]."""
    return float((one == other).mean())


def first_alike(texts: Sequence[tuple[Hashable, Sketch] | None], threshold: float) -> list[int | None]:
    """Of each text, in order: the most alike one kept before it at `threshold` or above, else it is kept itself.

    A text is (scope, sketch); only texts of one scope are held against each other. None has no part in it.
    """
    kept: dict[Hashable, list[int]] = {}
    found: list[int | None] = []
    for at, text in enumerate(texts):
        bands = [] if text is None else list(_bands(*text))
        best = _best(texts, at, {other for band in bands for other in kept.get(band, ())}, threshold)
        found.append(best)
        if best is None:
            for band in bands:
                kept.setdefault(band, []).append(at)
    return found


def _bands(scope: Hashable, of: Sketch) -> Iterator[Hashable]:
    for at in range(0, WIDTH, ROWS):
        yield scope, at, of[at : at + ROWS].tobytes()


def _best(texts: Sequence[tuple[Hashable, Sketch] | None], at: int, others: set[int], threshold: float) -> int | None:
    this = texts[at]
    told = [
        (share(this[1], text[1]), -other) for other in others if this is not None and (text := texts[other]) is not None
    ]
    top, place = max(told, default=(0.0, 0))
    return -place if told and top >= threshold else None


def _hash(run: str) -> int:
    return int.from_bytes(hashlib.blake2b(run.encode("utf-8", "replace"), digest_size=8).digest(), "big")
