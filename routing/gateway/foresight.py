"""What the predictor expects of a request's options: in one thread beside the event loop, within a deadline, kept.

A prompt seen before costs a look-up. One that comes too late, or when too many wait, is decided by the plain beliefs;
an embedding that was begun is finished all the same and serves the next time. One that nobody waits for any more is not
begun: under load it would only make those late that come after it. Nor is one that would likely come too late while
others wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings

from netra import embeddings
from routing.controller import WEIGHING, Policy
from routing.demand import Demand
from routing.features import surface
from routing.gateway.kept import Kept
from routing.learning import Expected, Learnt

Foreseen = Mapping[str, Expected | None]
UNSEEN: Foreseen = {}
# The model reads about 256 tokens; what is past that cannot change what it says.
READ_CHARS = 8_000
MAX_WAITING = 32
LATELY = 0.2  # weight of the newest duration in the pace


class Foresight:
    """One a process."""

    def __init__(self) -> None:
        self._vectors, self._answers = Kept(), Kept()
        self._waiting: dict[Any, Future[Any]] = {}
        self._until: dict[Any, float] = {}
        self._pace_s = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="foresight")

    async def of(
        self, learnt: Learnt | None, policy: Policy, demand: Demand, *, wait_s: float | None = None
    ) -> Foreseen:
        """By option; empty where the policy needs no prediction, none was learnt, or it did not come in time."""
        if learnt is None or not is_wanted(learnt, policy) or not demand.text.strip():
            return UNSEEN
        text = _digest(demand.text)
        key = (text, demand.needs, learnt.mark)
        known: Foreseen | None = self._answers.get(key)
        if known is None:
            known = await self._in_time(key, wait_s, self._foreseen, key, text, learnt, demand)
        return UNSEEN if known is None else known

    async def vector(self, text: str, *, wait_s: float) -> npt.NDArray[np.float32] | None:
        """A text's embedding; None when it does not come in time."""
        key = _digest(text)
        known: npt.NDArray[np.float32] | None = self._vectors.get(key)
        return known if known is not None else await self._in_time(key, wait_s, self._vector, key, text)

    async def _in_time(self, key: Any, wait_s: float | None, make: Callable[..., Any], *given: Any) -> Any:
        wait_s = settings.PREDICTOR_DEADLINE_MS / 1000 if wait_s is None else wait_s
        coming = self._coming(key, time.monotonic() + wait_s, make, *given)
        if coming is None:
            return None
        waited = asyncio.wrap_future(coming)
        # Not cancelled with a client that hangs up: others may wait for the same.
        await asyncio.wait({waited}, timeout=wait_s)
        return waited.result() if waited.done() and waited.exception() is None else None

    def _coming(self, key: Any, until: float, make: Callable[..., Any], *given: Any) -> Future[Any] | None:
        coming = self._waiting.get(key)
        if coming is None and len(self._waiting) >= MAX_WAITING:
            return None
        self._until[key] = max(until, self._until.get(key, until))
        if coming is None:
            coming = self._waiting[key] = self._thread.submit(self._begun, key, make, *given)
            coming.add_done_callback(lambda _: self._forget(key))
        return coming

    def _begun(self, key: Any, make: Callable[..., Any], *given: Any) -> Any:
        began = time.monotonic()
        left_s = self._until.get(key, 0.0) - began
        if left_s <= 0 or (left_s < self._pace_s and len(self._waiting) > 1):
            return None
        found = make(*given)
        self._pace_s += LATELY * (time.monotonic() - began - self._pace_s)
        return found

    def _forget(self, key: Any) -> None:
        self._waiting.pop(key, None)
        self._until.pop(key, None)

    def _foreseen(self, key: Any, text: bytes, learnt: Learnt, demand: Demand) -> Foreseen:
        found = learnt.expect(self._vector(text, demand.text), surface(demand.text, demand.needs))
        self._answers.put(key, found)
        return found

    def _vector(self, key: bytes, text: str) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] | None = self._vectors.get(key)
        if found is None:
            found = embeddings.encode_soon(text[:READ_CHARS])
            self._vectors.put(key, found)
        return found

    def clear(self) -> None:
        """Forget what was read."""
        self._vectors.clear()
        self._answers.clear()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


def is_wanted(learnt: Learnt, policy: Policy) -> bool:
    """Whether the policy weighs options by quality, and any of them was learnt."""
    return policy.kind in WEIGHING and any(name in learnt.options for name in policy.candidates)


FORESIGHT = Foresight()
