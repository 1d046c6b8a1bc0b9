"""What a prefix cache answers: by hand, and against a simulator that is plainly right."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.cache_reuse import hits
from projects.cache_reuse.hits import Trace

# Prefix chains: a call's blocks are named by all before them, as the hash chain does.
_prompts = st.lists(st.lists(st.integers(0, 2), max_size=5), max_size=25)
_gaps = st.lists(st.sampled_from([0.0, 1.0, 5.0, 60.0]), min_size=25, max_size=25)


def _chained(prompt: list[int]) -> list[int]:
    names, name = [], 1
    for letter in prompt:
        name = name * 4 + letter
        names.append(name)
    return names


def _trace(prompts: list[list[int]], gaps: list[float] | None = None) -> Trace:
    times = np.cumsum(gaps[: len(prompts)]) if gaps else np.arange(len(prompts), dtype=float)
    return Trace.of((float(at), _chained(prompt)) for at, prompt in zip(times, prompts, strict=True))


def _simulated_lru(trace: Trace, size: int) -> list[int]:
    """A cache that is one ordered dictionary: asked block by block, each use makes a block the newest."""
    kept: OrderedDict[int, None] = OrderedDict()
    found = []
    for at in range(trace.n_calls):
        n, is_running = 0, True
        for block in trace.blocks[trace.starts[at] : trace.starts[at + 1]].tolist():
            is_running = is_running and block in kept
            n += is_running
            kept[block] = None
            kept.move_to_end(block)
            if len(kept) > size:
                kept.popitem(last=False)
        found.append(n)
    return found


def _simulated_lifetime(trace: Trace, lifetime_s: float) -> list[int]:
    used: dict[int, float] = {}
    found = []
    for at in range(trace.n_calls):
        now, n, is_running = float(trace.at_s[at]), 0, True
        for block in trace.blocks[trace.starts[at] : trace.starts[at + 1]].tolist():
            is_running = is_running and block in used and now - used[block] <= lifetime_s
            n += is_running
            used[block] = now
        found.append(n)
    return found


# a b c | a b d | a b c: the second call finds "a b", the third all three blocks.
BY_HAND = [[0, 1, 2], [0, 1, 0], [0, 1, 2]]


def test_without_limit_all_that_was_sent_before_is_answered() -> None:
    trace = _trace(BY_HAND)
    assert hits.unlimited(trace).tolist() == [0, 2, 3]
    assert hits.rate(trace, hits.unlimited(trace)) == pytest.approx(5 / 9)


def test_a_small_cache_forgets_what_was_used_longest_ago() -> None:
    # With room for three: after call 2 it holds a, ab, abd; abc was dropped, so the third call finds two blocks.
    assert hits.lru(_trace(BY_HAND), 3).tolist() == [0, 2, 2]
    assert hits.lru(_trace(BY_HAND), 4).tolist() == [0, 2, 3]


def test_a_block_behind_a_missing_one_is_of_no_use() -> None:
    # x y | a b | x y with room for three: y is still there, x is not, and y without x cannot be used.
    trace = Trace.of([(0, [1, 2]), (1, [3, 4]), (2, [1, 2])])
    assert hits.lru(trace, 3).tolist() == [0, 0, 0]
    assert hits.lru(trace, 4).tolist() == [0, 0, 2]


def test_each_use_starts_the_lifetime_anew() -> None:
    # Asked at 0, 200, 400 and 701 s: every gap of the first three is within 300 s, the last is not.
    trace = Trace.of([(at, [1]) for at in (0.0, 200.0, 400.0, 701.0)])
    assert hits.with_lifetime(trace, 300.0).tolist() == [0, 1, 1, 0]


def test_the_most_that_is_alive_at_once() -> None:
    # Block 1 lives 0 … 10, block 2 5 … 15, block 3 12 … 22: two at a time, three never.
    trace = Trace.of([(0.0, [1]), (5.0, [2]), (12.0, [3])])
    assert hits.most_alive(trace, 10.0) == 2
    assert hits.most_alive(trace, 100.0) == 3


@pytest.mark.parametrize("calls", [[], [(0.0, [])], [(0.0, []), (1.0, [])]])
def test_nothing_sent_has_no_rate(calls: list[tuple[float, list[int]]]) -> None:
    trace = Trace.of(calls)
    assert hits.rate(trace, hits.unlimited(trace)) is None
    assert hits.lru_rates(trace, [10]) == [None]
    assert hits.most_alive(trace, 300.0) == 0


def test_groups_share_nothing() -> None:
    trace = _trace([[0, 1], [0, 1], [0, 1]]).shared_within(["s", "t", "s"])
    assert hits.unlimited(trace).tolist() == [0, 0, 2]


@settings(deadline=None)
@given(_prompts, st.integers(1, 12))
def test_lru_is_that_of_a_simulator(prompts: list[list[int]], size: int) -> None:
    trace = _trace(prompts)
    assert hits.lru(trace, size).tolist() == _simulated_lru(trace, size)


@settings(deadline=None)
@given(_prompts, _gaps, st.sampled_from([0.0, 1.0, 5.0, 61.0]))
def test_lifetimes_are_those_of_a_simulator(prompts: list[list[int]], gaps: list[float], lifetime_s: float) -> None:
    trace = _trace(prompts, gaps)
    assert hits.with_lifetime(trace, lifetime_s).tolist() == _simulated_lifetime(trace, lifetime_s)


@settings(deadline=None)
@given(_prompts)
def test_a_larger_cache_answers_no_less_and_never_more_than_one_without_limit(prompts: list[list[int]]) -> None:
    trace = _trace(prompts)
    counts = [int(hits.lru(trace, size).sum()) for size in range(1, 40)]
    assert counts == sorted(counts)
    assert counts[-1] <= int(hits.unlimited(trace).sum())
    assert hits.lru(trace, 10**9).tolist() == hits.unlimited(trace).tolist()


@settings(deadline=None)
@given(_prompts, _gaps)
def test_an_endless_lifetime_is_no_limit(prompts: list[list[int]], gaps: list[float]) -> None:
    trace = _trace(prompts, gaps)
    assert hits.with_lifetime(trace, math.inf).tolist() == hits.unlimited(trace).tolist()


@settings(deadline=None)
@given(_prompts, _gaps)
def test_a_longer_lifetime_answers_no_less(prompts: list[list[int]], gaps: list[float]) -> None:
    trace = _trace(prompts, gaps)
    counts = [int(hits.with_lifetime(trace, lifetime).sum()) for lifetime in (0.0, 1.0, 5.0, 60.0, 3_600.0)]
    assert counts == sorted(counts)


@settings(deadline=None)
@given(_prompts)
def test_the_whole_curve_is_its_single_sizes(prompts: list[list[int]]) -> None:
    trace = _trace(prompts)
    sums = hits.lru_sums(trace, [1, 3, 7, 10**9], np.ones(trace.n_calls))
    assert sums == [float(hits.lru(trace, size).sum()) for size in (1, 3, 7, 10**9)]


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000), unique=True, max_size=60))
def test_larger_values_before_are_counted(values: list[int]) -> None:
    counted = hits.larger_before(np.array(values, dtype=np.int64)).tolist()
    assert counted == [sum(other > value for other in values[:at]) for at, value in enumerate(values)]


@settings(deadline=None)
@given(_prompts, _gaps, st.sampled_from([1.0, 5.0, 61.0]))
def test_what_is_alive_is_counted_at_every_call(prompts: list[list[int]], gaps: list[float], lifetime_s: float) -> None:
    trace = _trace(prompts, gaps)
    used: dict[int, float] = {}
    most = 0
    for block, at in zip(trace.blocks.tolist(), trace.at_s[trace.call_of].tolist(), strict=True):
        used[block] = at
        most = max(most, sum(at - last <= lifetime_s for last in used.values()))
    assert hits.most_alive(trace, lifetime_s) == most
