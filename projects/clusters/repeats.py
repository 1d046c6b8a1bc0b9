"""What a response cache would have answered: the same question asked again, word for word or nearly."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from projects.clusters import sketches
from projects.clusters.grouping import Vectors

THRESHOLDS = (0.99, 0.97, 0.95, 0.90)
SHARED_WORDS = (0.9, 0.8)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as a response cache sees it. `same` equal: the same prompt to the same model; None: no cache keeps it.

    `alike` equal means that only numbers, times and ids differ; `scope` is what must be equal for a semantic answer
    (model, instructions, tools). `sketch` is of the words of what was asked. `answer` is what was said, None when not
    logged.
    """

    same: Hashable | None
    alike: Hashable | None = None
    scope: Hashable | None = None
    sketch: sketches.Sketch | None = None
    answer: str | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """Of `n_calls`: answered from a cache, what these had cost, and how many would have got another answer.

    `n_false` of the `n_compared` hits whose logged answer differs from the one the cache would have given: wording
    counts as a difference, so this is the most that can be wrong, not the least. None where nothing can be compared.
    """

    n_calls: int
    n_hits: int
    n_priced: int
    saved_usd: Decimal | None
    n_compared: int
    n_false: int | None

    @property
    def share(self) -> float | None:
        return self.n_hits / self.n_calls if self.n_calls else None

    @property
    def false_share(self) -> float | None:
        return None if self.n_false is None else self.n_false / self.n_compared


def exact(calls: Sequence[Asked]) -> Hits:
    """Oldest first: each call whose prompt came before, answered with what was said then."""
    return _hits(calls, _first([call.same for call in calls]))


def near(calls: Sequence[Asked]) -> Hits:
    """The same without regard to numbers, times and ids: near-duplicates, which no cache should answer unseen."""
    return _hits(calls, _first([call.alike for call in calls]))


def worded(calls: Sequence[Asked], threshold: float) -> Hits:
    """Near-duplicates by their words: `threshold` of the runs of words of what was asked are those of one before."""
    told = [None if call.sketch is None else (call.scope, call.sketch) for call in calls]
    return _hits(calls, sketches.first_alike(told, threshold))


def semantic(calls: Sequence[Asked], vectors: Vectors, threshold: float) -> Hits:
    """Each call is answered by the most alike one kept, of the same scope, at or above `threshold`; else it is kept."""
    return _hits(calls, _nearest(calls, vectors, threshold))


def _first(keys: Sequence[Hashable | None]) -> list[int | None]:
    """Which earlier call answers each, None where none does."""
    kept: dict[Hashable, int] = {}
    found: list[int | None] = []
    for at, key in enumerate(keys):
        found.append(None if key is None else kept.get(key))
        if key is not None:
            kept.setdefault(key, at)
    return found


def _nearest(calls: Sequence[Asked], vectors: Vectors, threshold: float) -> list[int | None]:
    kept: dict[Hashable | None, list[int]] = {}
    found: list[int | None] = []
    for at, call in enumerate(calls):
        home = kept.setdefault(call.scope, [])
        best = _best(vectors, home, at, threshold) if call.same is not None else None
        found.append(best)
        if best is None and call.same is not None:
            home.append(at)
    return found


def _best(vectors: Vectors, home: list[int], at: int, threshold: float) -> int | None:
    if not home:
        return None
    similarity: npt.NDArray[np.float32] = vectors[home] @ vectors[at]
    best = int(similarity.argmax())
    return home[best] if similarity[best] >= threshold else None


def _hits(calls: Sequence[Asked], sources: Sequence[int | None]) -> Hits:
    hits = [(call, calls[source]) for call, source in zip(calls, sources, strict=True) if source is not None]
    costs = [call.cost_usd for call, _ in hits if call.cost_usd is not None]
    compared = [(a.answer, b.answer) for a, b in hits if a.answer is not None and b.answer is not None]
    return Hits(
        n_calls=len(calls),
        n_hits=len(hits),
        n_priced=len(costs),
        saved_usd=sum(costs, Decimal(0)) if costs else None if hits else Decimal(0),
        n_compared=len(compared),
        n_false=sum(_plain(a) != _plain(b) for a, b in compared) if compared else None,
    )


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")
