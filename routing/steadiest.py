"""Which option to name as the default: the one that loses least where kinds of prompts shift. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def steadiest(quality: npt.NDArray[np.floating], kinds: npt.NDArray[np.generic]) -> int:
    """The column of the least upper bound on regret over kinds; of equal ones the first.

    `quality` is prompts × options, NaN where not judged; `kinds` names each prompt's. A kind counts once, however many
    prompts it has: the next kind of prompt is drawn from kinds, not from these prompts. The bound is the mean regret
    (to the best option of the kind) plus one standard error over kinds. A kind on which any option is unjudged is left
    out. Raises ValueError where no kind is left.
    """
    means = _means(quality, [kinds == kind for kind in np.unique(kinds)])
    if not len(means):
        raise ValueError("no kind of prompts has every option judged")
    regret = means.max(1, keepdims=True) - means
    spread = regret.std(0, ddof=1) if len(regret) > 1 else np.zeros(regret.shape[1])
    return int(np.argmin(regret.mean(0) + spread / np.sqrt(len(regret))))


def _means(quality: npt.NDArray[np.floating], parts: Sequence[npt.NDArray[np.bool_]]) -> npt.NDArray[np.float64]:
    judged = [quality[part] for part in parts if not np.isnan(quality[part]).all(0).any()]
    found = [np.nanmean(each, axis=0) for each in judged]
    return np.array(found, dtype=np.float64).reshape(len(found), quality.shape[1])
