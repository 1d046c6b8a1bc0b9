"""What each option is expected to bring on each call: the model that doubly robust estimates correct. Pure.

A call is never expected from its own outcome: calls are dealt into five groups, each expected from the four others. An
estimate stays right where this is wrong; the better it is, the narrower the interval.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
N_GROUPS = 5
# An option's own mean counts from here on as much as that of all options.
AS_MUCH_AS_ALL = 5.0


def expected(rewards: Matrix, taken: npt.NDArray[np.intp], foreseen: Matrix, *, n_groups: int = N_GROUPS) -> Matrix:
    """Calls × options. `rewards` (calls) are of the options `taken`; `foreseen` (calls × options) was predicted
    before the call, NaN where nothing was: it counts by its ratio to what came of it.
    """
    made = np.empty_like(foreseen)
    group = np.arange(len(rewards)) % n_groups
    for each in range(n_groups):
        out, rest = group == each, group != each
        made[out] = _from(rewards[rest], taken[rest], foreseen[rest], foreseen[out])
    return made


def _from(rewards: Matrix, taken: npt.NDArray[np.intp], foreseen: Matrix, asked: Matrix) -> Matrix:
    overall = float(rewards.mean()) if len(rewards) else 0.0
    columns = [
        _option(rewards[taken == at], foreseen[taken == at, at], asked[:, at], overall) for at in range(asked.shape[1])
    ]
    return np.stack(columns, axis=1)


def _option(rewards: Matrix, foreseen: Matrix, asked: Matrix, overall: float) -> Matrix:
    """One option, from its own calls: by ratio where it was foreseen; else its mean, drawn towards that of all."""
    flat = (rewards.sum() + AS_MUCH_AS_ALL * overall) / (len(rewards) + AS_MUCH_AS_ALL)
    is_known = ~np.isnan(foreseen)
    total = float(foreseen[is_known].sum())
    ratio = float(rewards[is_known].sum()) / total if total > 0 else 1.0
    return np.where(np.isnan(asked), flat, ratio * asked)
