"""What was asked, by meaning: embeddings of last user turns, apart by everything else that was sent with them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from routing.controls import Controls
from routing.gateway.foresight import FORESIGHT

Vector = npt.NDArray[np.float32]
# Of questions in one and the same surrounding; past it the oldest goes.
MOST_AROUND = 1_000
ADDING_S = 30.0


class Around:
    """Questions that differ in nothing but the last user turn."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._vectors: Vector = np.empty((0, 0), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._names)

    def nearest(self, vector: Vector) -> tuple[str, float]:
        """The name of the most alike, and its cosine; of equals the first."""
        cosines = self._vectors[: len(self)] @ vector
        best = int(cosines.argmax())
        return self._names[best], float(cosines[best])

    def add(self, name: str, vector: Vector) -> None:
        if len(self) == MOST_AROUND:
            self.drop(self._names[0])
        if len(self) == len(self._vectors):
            room = np.zeros((max(4, 2 * len(self)), len(vector)), dtype=np.float32)
            room[: len(self)] = self._vectors if len(self) else room[:0]
            self._vectors = room
        self._vectors[len(self)] = vector
        self._names.append(name)

    def drop(self, name: str) -> None:
        if name in self._names:
            at = self._names.index(name)
            del self._names[at]
            self._vectors = np.delete(self._vectors, at, axis=0)

    def __contains__(self, name: str) -> bool:
        return name in self._names


class Meanings:
    """The index of one process, by project and surrounding; each project keeps as many as its cache has entries."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, OrderedDict[str, Around]] = OrderedDict()
        self._counts: dict[str, int] = {}

    async def nearest(self, controls: Controls, around: str, text: str, *, wait_s: float) -> tuple[str, float] | None:
        """The most alike question, if near enough, and how alike it is; None also where its embedding comes late."""
        known = self._places.get(controls.namespace, OrderedDict()).get(around)
        if known is None or not len(known):
            return None
        vector = await FORESIGHT.vector(text, wait_s=wait_s)
        if vector is None or not len(known):
            return None
        name, cosine = known.nearest(vector)
        return (name, cosine) if cosine >= controls.similarity else None

    async def add(self, controls: Controls, around: str, text: str, name: str) -> None:
        """Note a question, once its embedding is there."""
        vector = await FORESIGHT.vector(text, wait_s=ADDING_S)
        if vector is None:
            return
        place = self._places.setdefault(controls.namespace, OrderedDict())
        known = place.setdefault(around, Around())
        place.move_to_end(around)
        if name not in known:
            before = len(known)
            known.add(name, vector)
            self._counts[controls.namespace] = self._counts.get(controls.namespace, 0) + len(known) - before
        self._make_room(controls)

    def forget(self, controls: Controls, around: str, name: str) -> None:
        """The answer is gone, so the question is of no use."""
        known = self._places.get(controls.namespace, OrderedDict()).get(around)
        if known is not None and name in known:
            known.drop(name)
            self._counts[controls.namespace] -= 1

    def clear(self) -> None:
        self._places.clear()
        self._counts.clear()

    def _make_room(self, controls: Controls) -> None:
        """Whole surroundings go, the longest unused first; and places of projects that began anew."""
        place = self._places[controls.namespace]
        while self._counts[controls.namespace] > controls.max_entries and len(place) > 1:
            _, gone = place.popitem(last=False)
            self._counts[controls.namespace] -= len(gone)
        mine = controls.namespace.split(".")[0] + "."
        for old in [name for name in self._places if name.startswith(mine) and name != controls.namespace]:
            del self._places[old], self._counts[old]


MEANINGS = Meanings()
