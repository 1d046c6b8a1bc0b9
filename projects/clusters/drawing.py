"""How many calls of each stratum are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt


def allot(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """`n` draws over strata of these sizes, none beyond its size; all of them where n is enough.

    By the square root of the size, so that rare kinds of work are seen and large ones still seen most. What each call
    then stands for is its stratum's size over its draws.
    """
    left = {name: size for name, size in sizes.items() if size > 0}
    given = dict.fromkeys(left, 0)
    n_left = min(n, sum(left.values()))
    while n_left > 0:
        open_ = [name for name in left if given[name] < left[name]]
        total = sum(sqrt(left[name]) for name in open_)
        shares = {name: n_left * sqrt(left[name]) / total for name in open_}
        whole = {name: min(int(shares[name]), left[name] - given[name]) for name in open_}
        if not any(whole.values()):
            whole = dict.fromkeys(sorted(open_, key=lambda name: (-shares[name], name))[:n_left], 1)
        for name, more in whole.items():
            given[name] += more
        n_left -= sum(whole.values())
    return given
