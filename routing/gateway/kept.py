"""What was used last, by key, and no more of it than fits."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

MAX_KEPT = 4_096


class Kept:
    """The last used of something by key; for the event loop and one thread, whose single steps do not interleave."""

    def __init__(self, size: int = MAX_KEPT) -> None:
        self._size = size
        self._held: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any) -> Any:
        found = self._held.pop(key, None)
        if found is not None:
            self._held[key] = found
        return found

    def put(self, key: Any, value: Any) -> None:
        self._held[key] = value
        while len(self._held) > self._size:
            self._held.popitem(last=False)

    def clear(self) -> None:
        self._held.clear()
