"""Percentiles out of counts in buckets that grow by 4 %. Pure.

Bucket b holds (1.04^(b−1), 1.04^b] ms and answers 2·1.04^b / 2.04, which is off by at most 0.04 / 2.04 < 2 % from
every value in it (Masson, Rim and Lee: DDSketch, VLDB 2019). Between two neighbouring values the percentile is linear
(type 7), so it keeps that bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

GROWTH = 1.04
SQL = "toInt16(ceil(log(greatest(assumeNotNull({0}), 0.001)) / log(1.04) - 0.000000001))"


def percentiles(counts: Iterable[tuple[int, int]], levels: Sequence[float]) -> list[float | None]:
    """`counts`: (bucket, how many). None for each level when there is nothing."""
    held = sorted(counts)
    if not held:
        return [None] * len(levels)
    values = [2 * GROWTH**bucket / (GROWTH + 1) for bucket, _ in held]
    upto = np.cumsum([n for _, n in held])
    return [_at(values, upto, level) for level in levels]


def _at(values: Sequence[float], upto: np.ndarray, level: float) -> float:
    place = (int(upto[-1]) - 1) * level
    low, high = (values[int(np.searchsorted(upto, rank, side="right"))] for rank in (int(place), -(-place // 1)))
    return float(low + (high - low) * (place - int(place)))
