"""A shelf: bytes by name, kept for a while and up to a number. In Redis where there is one, else in this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger("netra.shelf")
# What one process keeps at most, of all shelves.
MOST_BYTES = 64 << 20
# A Redis that answers later than this, or not at all, is left alone for a moment: a shelf must not slow anybody down.
PATIENCE_S = 0.25
LEFT_ALONE_S = 5.0


class Shelf(Protocol):
    async def get(self, place: str, name: str) -> bytes | None:
        """What lies there; None when nothing does, or when the store cannot be reached."""

    async def put(self, place: str, name: str, value: bytes, *, ttl_s: int, most: int) -> None:
        """Keep it for `ttl_s` seconds at most; past `most` of a place the oldest go first."""


class OwnShelf:
    """In the memory of this process, for one event loop at a time."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._size = most_bytes, 0
        self._places: OrderedDict[str, OrderedDict[str, tuple[float, bytes]]] = OrderedDict()

    async def get(self, place: str, name: str) -> bytes | None:
        shelf = self._places.get(place, OrderedDict())
        until, value = shelf.get(name, (0.0, b""))
        if until > time.monotonic():
            return value
        if name in shelf:
            self._drop(place, name)
        return None

    async def put(self, place: str, name: str, value: bytes, *, ttl_s: int, most: int) -> None:
        shelf = self._places.setdefault(place, OrderedDict())
        self._places.move_to_end(place)
        if name in shelf:
            self._size -= len(shelf.pop(name)[1])
        shelf[name] = (time.monotonic() + ttl_s, value)
        self._size += len(value)
        while len(shelf) > most:
            self._drop(place, next(iter(shelf)))
        while self._size > self._most_bytes:  # of the place that was longest not written to
            oldest = next(iter(self._places))
            self._drop(oldest, next(iter(self._places[oldest])))

    def _drop(self, place: str, name: str) -> None:
        shelf = self._places[place]
        self._size -= len(shelf.pop(name)[1])
        if not shelf:
            del self._places[place]

    def clear(self) -> None:
        self._places.clear()
        self._size = 0


class SharedShelf:
    """In Redis, for all processes. What goes wrong there is a miss, told in the log."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()
        self._left_alone_until = 0.0

    async def get(self, place: str, name: str) -> bytes | None:
        found: bytes | None = await self._tried(lambda to: to.get(_name(place, name)))
        return found

    async def put(self, place: str, name: str, value: bytes, *, ttl_s: int, most: int) -> None:
        await self._tried(lambda to: _kept(to, place, name, value, ttl_s, most))

    async def _tried(self, act: Any) -> Any:
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            return await asyncio.wait_for(act(self._client()), PATIENCE_S)
        except (RedisError, OSError, TimeoutError) as problem:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_S
            log.warning("Redis keeps no answers for %g s: %s", LEFT_ALONE_S, type(problem).__name__)
            return None

    def _client(self) -> Redis:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = Redis.from_url(self._url)
        return client


async def _kept(to: Any, place: str, name: str, value: bytes, ttl_s: int, most: int) -> None:
    order = _name(place, "order")
    async with to.pipeline(transaction=False) as steps:
        steps.set(_name(place, name), value, ex=ttl_s)
        steps.zadd(order, {name: time.time()})
        steps.expire(order, ttl_s)
        steps.zcard(order)
        n_kept = (await steps.execute())[-1]
    if n_kept > most:
        oldest = await to.zpopmin(order, n_kept - most)
        await to.unlink(*(_name(place, old.decode()) for old, _ in oldest))


def _name(place: str, name: str) -> str:
    return f"netra:shelf:{place}:{name}"


def shelf() -> Shelf:
    """The shelf that the settings lead to."""
    return SharedShelf(settings.REDIS_URL) if settings.REDIS_URL else OwnShelf()
