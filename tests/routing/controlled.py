"""A gateway whose project has caches or guardrails, and questions whose meaning the test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from projects.models import Project
from routing import controls
from routing.gateway import controlled
from routing.gateway.tenants import TENANTS
from tests.routing.gatewayed import Gateway, Reply, chat

REGEX = {"name": "no codes", "kind": "regex", "pattern": r"\bX-\d{4}\b"}


def set_up(project: Project, **given: Any) -> None:
    """Write settings, and let the next request see them."""
    controls.write(project, given)
    TENANTS.forget()


def several(gateway: Gateway, *bodies: Any, headers: Sequence[tuple[bytes, bytes]] = (), **options: Any) -> list[Reply]:
    """Requests one after the other in one event loop, each after what the one before left in the cache."""

    async def all_of_them() -> list[Reply]:
        found = []
        for body in bodies:
            found.append(await gateway.asked(body, headers=headers, **options))
            await asyncio.gather(*controlled._keeping)
        return found

    return asyncio.run(all_of_them())


def states(replies: Sequence[Reply]) -> list[str | None]:
    return [reply.headers.get("x-netra-cache") for reply in replies]


def turned(text: str) -> np.ndarray:
    """A unit vector whose angle is the number of dots a text ends with, in steps of 5 degrees (cosines 1, 0.996 …)."""
    angle = np.radians(5.0 * (len(text) - len(text.rstrip("."))))
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def embedded(texts: Sequence[str]) -> np.ndarray:
    """In place of the model: alike are texts that end with nearly as many dots."""
    return np.stack([turned(text) for text in texts])


__all__ = ["REGEX", "Reply", "chat", "embedded", "set_up", "several", "states"]
