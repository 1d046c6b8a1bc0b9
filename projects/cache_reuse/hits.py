"""How much of each call a prefix cache would have answered: without limit, as exact LRU of any size, with a lifetime.

A cache is asked for a call's blocks in order and answers until the first one it does not hold, since keys and values of
a block are of use only after those of everything before it. All functions take the whole trace and are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Trace:
    """Calls in the order they came. `blocks` are the ids of all calls one after the other; `starts` has n_calls + 1."""

    blocks: Ints
    starts: Ints
    at_s: NDArray[np.float64]

    @classmethod
    def of(cls, calls: Iterable[tuple[float, Sequence[int]]]) -> Trace:
        """From (seconds, block ids) a call, oldest first."""
        listed = list(calls)
        sizes = [len(ids) for _, ids in listed]
        flat = np.fromiter((block for _, ids in listed for block in ids), np.int64, sum(sizes))
        times = np.array([at for at, _ in listed], dtype=np.float64)
        return cls(flat, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), times)

    def shared_within(self, groups: Sequence[object]) -> Trace:
        """The same calls where blocks are shared only inside a group (a session, a server); `groups` one a call."""
        numbers = {group: at for at, group in enumerate(dict.fromkeys(groups))}
        of_call = np.fromiter((numbers[group] for group in groups), np.int64, len(groups))
        dense = np.unique(self.blocks, return_inverse=True)[1].astype(np.int64)
        return Trace(dense * max(len(numbers), 1) + of_call[self.call_of], self.starts, self.at_s)

    @property
    def n_calls(self) -> int:
        return len(self.starts) - 1

    @property
    def n_blocks(self) -> int:
        return len(self.blocks)

    @cached_property
    def sizes(self) -> Ints:
        """Blocks a call."""
        return np.diff(self.starts)

    @cached_property
    def call_of(self) -> Ints:
        """The call of each use of a block."""
        return np.repeat(np.arange(self.n_calls, dtype=np.int64), self.sizes)

    @cached_property
    def previous(self) -> Ints:
        """Where the same block was used last; −1 for its first use."""
        order = np.argsort(self.blocks, kind="stable")
        same = self.blocks[order[1:]] == self.blocks[order[:-1]]
        found = np.full(self.n_blocks, -1, dtype=np.int64)
        found[order[1:][same]] = order[:-1][same]
        return found

    @cached_property
    def distances(self) -> Ints:
        """Different blocks used since the same block's last use (LRU stack distance); n_blocks for a first use.

        Of the uses between, those count whose own last use was before ours: Mattson et al. 1970, with the count of
        later-used ones found for all at once.
        """
        warm = np.flatnonzero(self.previous >= 0)
        last = self.previous[warm]
        found = np.full(self.n_blocks, self.n_blocks, dtype=np.int64)
        found[warm] = warm - last - 1 - larger_before(last)
        return found

    @cached_property
    def depths(self) -> Ints:
        """The smallest LRU cache that answers each block and all before it in its call: larger ones answer too."""
        stride = self.n_blocks + 1
        running = np.maximum.accumulate(self.call_of * stride + self.distances)
        return running - self.call_of * stride + 1


def larger_before(values: Ints) -> Ints:
    """For each of different values, how many before it are larger. O(n log n): one stable partition a bit of rank."""
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    found = np.zeros(len(values), dtype=np.int64)
    order = np.arange(len(values))
    for bit in reversed(range(max(len(values) - 1, 0).bit_length())):
        # Ranks are 0 … n-1, so that those sharing their higher bits lie side by side, in the order they came.
        upper = (rank[order] >> bit) & 1
        begins = (rank[order] >> (bit + 1)) << (bit + 1)
        ones = np.concatenate([[0], np.cumsum(upper)])
        before = ones[:-1] - ones[begins]
        found[order[upper == 0]] += before[upper == 0]
        place = np.where(upper == 0, np.arange(len(order)) - before, 0)
        zeros = np.concatenate([[0], np.cumsum(1 - upper)])
        ends = np.minimum(begins + (1 << (bit + 1)), len(order))
        place = np.where(upper == 1, begins + (zeros[ends] - zeros[begins]) + before, place)
        moved = np.empty_like(order)
        moved[place] = order
        order = moved
    return found


def unlimited(trace: Trace) -> Ints:
    """Leading blocks of each call that any call before it had."""
    return leading(trace, trace.previous >= 0)


def lru(trace: Trace, n_blocks: int) -> Ints:
    """Leading blocks of each call in a cache of `n_blocks` that drops what was used longest ago."""
    return leading(trace, trace.depths <= min(n_blocks, trace.n_blocks))


def with_lifetime(trace: Trace, lifetime_s: float) -> Ints:
    """Leading blocks of each call used not longer ago than the lifetime; each use starts it anew, as providers do."""
    last = trace.previous
    age_s = trace.at_s[trace.call_of] - trace.at_s[trace.call_of[np.maximum(last, 0)]]
    return leading(trace, (last >= 0) & (age_s <= lifetime_s))


def leading(trace: Trace, held: Flags) -> Ints:
    """How many blocks of each call come before the first that is not held."""
    ends = trace.starts[1:]
    missing = np.where(held, trace.n_blocks, np.arange(trace.n_blocks))
    first = np.append(missing, trace.n_blocks)  # so that a call without blocks has somewhere to begin
    nearest = np.minimum.accumulate(first[::-1])[::-1]
    return np.minimum(nearest[trace.starts[:-1]], ends) - trace.starts[:-1]


def rate(trace: Trace, found: Ints) -> float | None:
    """Share of all blocks; None when there are none."""
    return float(found.sum() / trace.n_blocks) if trace.n_blocks else None


def lru_rates(trace: Trace, sizes: Sequence[int]) -> list[float | None]:
    """The share of blocks answered at each size, all from one pass."""
    counts = lru_sums(trace, sizes, np.ones(trace.n_calls))
    return [count / trace.n_blocks if trace.n_blocks else None for count in counts]


def lru_sums(trace: Trace, sizes: Sequence[int], weights: NDArray[np.float64]) -> list[float]:
    """The blocks answered at each size, a call's blocks weighing as `weights` say."""
    order = np.argsort(trace.depths, kind="stable")
    counts = np.searchsorted(trace.depths[order], np.minimum(sizes, trace.n_blocks), side="right")
    sums = np.concatenate([[0.0], np.cumsum(weights[trace.call_of[order]])])
    return [float(sums[count]) for count in counts]


def most_alive(trace: Trace, lifetime_s: float) -> int:
    """The most different blocks that are within their lifetime at one moment: what such a cache must hold."""
    if not trace.n_blocks:
        return 0
    used_s = trace.at_s[trace.call_of]
    again_s = np.full(trace.n_blocks, np.inf)
    warm = np.flatnonzero(trace.previous >= 0)
    again_s[trace.previous[warm]] = used_s[warm]
    is_last = again_s - used_s > lifetime_s
    is_new = np.ones(trace.n_blocks, dtype=bool)
    is_new[warm] = is_last[trace.previous[warm]]
    begun, ended = np.sort(used_s[is_new]), np.sort(used_s[is_last] + lifetime_s)
    alive = np.searchsorted(begun, begun, side="right") - np.searchsorted(ended, begun, side="left")
    return int(alive.max())
