"""What a predictor knows and where it abstains, for people: by option, and by kind of prompt. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from routing.learning import Bounds, Learnt, Pairs
from routing.steadiest import steadiest
from routing.trial import Groups, kinds_of

MARGIN = 0.02  # of a policy that says nothing else


def report(learnt: Learnt | None, ids: Sequence[str], pairs: Pairs, *, n_gone: int) -> dict[str, Any]:
    """`ids` name the pairs' calls in their order; every figure is over the judged prompts, None where unknown."""
    told: dict[str, Any] = {"n_prompts": len(ids), "n_gone": n_gone, "margin": MARGIN, "options": [], "kinds": []}
    told["steadiest"] = None
    told["too_few"] = [
        {"option": option, "n": int((~np.isnan(pairs.differences[:, place])).sum())}
        for place, option in enumerate(pairs.options)
        if learnt is None or option not in learnt.options
    ]
    if learnt is None:
        return told
    bounds = learnt.expect_all(pairs.embeddings, pairs.surfaces)
    told["options"] = list(_options(learnt, bounds))
    kinds = kinds_of(pairs.embeddings, seed=0)
    told["kinds"] = list(_kinds(ids, pairs, bounds, kinds))
    told["steadiest"] = _steadiest(learnt, pairs, kinds)
    return told


def _options(learnt: Learnt, bounds: dict[str, Bounds]) -> Iterator[dict[str, Any]]:
    """Shares of the judged prompts on which the option is shown to be as good, shown to be worse, or neither."""
    for part in learnt.parts:
        for place, option in enumerate(part.options):
            seen = bounds[option]
            is_good, is_bad = seen.is_known & (seen.low >= -MARGIN), seen.is_known & (seen.high < -MARGIN)
            yield {
                "option": option,
                "n": part.n,
                "mean": round(float(part.process.mean[place]), 4),
                "skill": round(float(part.skill[place]), 4),
                "caution": round(part.caution, 3),
                "as_good": round(float(is_good.mean()), 4),
                "worse": round(float(is_bad.mean()), 4),
                "abstains": round(float(1 - (is_good | is_bad).mean()), 4),
            }


def _steadiest(learnt: Learnt, pairs: Pairs, kinds: Groups) -> str | None:
    """The default or a learnt option, whichever loses least where kinds shift; None where no kind compares them all."""
    places = [place for place, option in enumerate(pairs.options) if option in learnt.options]
    names = (learnt.default, *(pairs.options[place] for place in places))
    quality = np.column_stack([np.zeros(len(kinds)), pairs.differences[:, places]])
    try:
        return names[steadiest(quality, kinds)]
    except ValueError:
        return None


def _kinds(ids: Sequence[str], pairs: Pairs, bounds: dict[str, Bounds], kinds: Groups) -> Iterator[dict[str, Any]]:
    """Largest first; the example is the call nearest to the middle of its kind."""
    for kind in sorted(np.unique(kinds), key=lambda each: (-(kinds == each).sum(), each)):
        rows = np.flatnonzero(kinds == kind)
        middle = pairs.embeddings[rows].mean(0)
        example = ids[rows[int(np.argmax(pairs.embeddings[rows] @ middle))]]
        among = {name: _among(seen, rows) for name, seen in bounds.items()}
        yield {
            "n": len(rows),
            "example": example,
            "options": [{"option": name, **told} for name, told in among.items()],
        }


def _among(seen: Bounds, rows: Any) -> dict[str, Any]:
    known = rows[seen.is_known[rows]]
    share = round(float((seen.low[known] >= -MARGIN).sum() / len(rows)), 4)
    if not len(known):
        return {"mean": None, "low": None, "as_good": share}
    return {
        "mean": round(float(seen.mean[known].mean()), 4),
        "low": round(float(seen.low[known].mean()), 4),
        "as_good": share,
    }
