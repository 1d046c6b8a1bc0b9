"""How many calls at once, and how many a minute, to one connection: fair, and shared by all event loops here."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque

BURST_S = 1.0


class Gate:
    """Lets `width` callers in at a time, first come first served, from any thread or loop."""

    def __init__(self, width: int) -> None:
        self._lock = threading.Lock()
        self._width = width
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def widen(self, width: int) -> None:
        """Take over a changed limit."""
        with self._lock:
            self._width = width
            self._admit()

    async def enter(self) -> None:
        """Wait for a place. A caller that is cancelled while waiting gives back a place it was just given."""
        with self._lock:
            if self._inside < self._width and not self._waiting:
                self._inside += 1
                return
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
                else:  # admitted, but gone before it noticed
                    self._inside -= 1
                    self._admit()
            raise

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self._width:
            place = self._waiting.popleft()
            try:
                place.get_loop().call_soon_threadsafe(_grant, place)
            except RuntimeError:  # its loop has ended: nobody waits there any more
                continue
            self._inside += 1


def _grant(place: asyncio.Future[None]) -> None:
    # When it was cancelled meanwhile, the waiting side gives the place back.
    if not place.done():
        place.set_result(None)


class Pace:
    """At most so many starts a minute, evenly, with a second's worth allowed in a burst."""

    def __init__(self, per_minute: int) -> None:
        self._lock = threading.Lock()
        self.per_minute = per_minute
        self._next = 0.0

    async def wait(self) -> None:
        """Wait for one's turn. A turn that is cancelled is lost, which errs on the side of the limit."""
        delay = self.reserve(time.monotonic())
        if delay > 0:
            await asyncio.sleep(delay)

    def reserve(self, now: float) -> float:
        """Take the next turn; the seconds until it comes."""
        interval = 60.0 / self.per_minute
        with self._lock:
            turn = max(self._next, now - BURST_S)
            self._next = turn + interval
        return max(0.0, turn - now)


_lock = threading.Lock()
_gates: dict[str, Gate] = {}
_paces: dict[str, Pace] = {}


class admitted:  # noqa: N801 (used as a function)
    """Hold one of a connection's places, and start no sooner than its pace allows: `async with admitted(…)`."""

    __slots__ = ("_gate", "_pace")

    def __init__(self, key: str, *, max_concurrency: int, requests_per_minute: int | None) -> None:
        self._gate, self._pace = _limits(key, max_concurrency, requests_per_minute)

    async def __aenter__(self) -> None:
        await self._gate.enter()
        if self._pace is None:
            return
        try:
            await self._pace.wait()
        except BaseException:
            self._gate.leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._gate.leave()


def _limits(key: str, width: int, per_minute: int | None) -> tuple[Gate, Pace | None]:
    with _lock:
        gate = _gates.setdefault(key, Gate(width))
        gate.widen(width)
        if per_minute is None:
            _paces.pop(key, None)
            return gate, None
        pace = _paces.setdefault(key, Pace(per_minute))
        pace.per_minute = per_minute
        return gate, pace
