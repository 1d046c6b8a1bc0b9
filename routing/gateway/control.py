"""What one request carries of its project's controls, and what they did to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from routing.gateway.guarding import Guard

MISS, OFF = "miss", "off"


@dataclass(slots=True)
class Control:
    """`cache_state` is told in a header: exact, semantic, miss or off; empty where the project has no cache."""

    guard: Guard
    cache_state: str = ""
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> dict[str, Any]:
        """For the event's metadata: no word of the request or of an answer."""
        told = self.guard.told
        return {**self.cache, "guardrails": told} if told else self.cache
