"""Stand-ins for embeddings: exact directions that say which prompts are alike, so that tests need no model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from netra.tokens import Tokens
from projects.clusters.grouping import Vectors
from projects.workloads import WorkloadEvent
from tests import factories

TOPICS = {
    "refund": "Refund order {n} to the card it was paid with.",
    "translate": "Translate this notice into Polish: parcel {n} has left the depot.",
    "weather": "Say whether rain delays truck {n} today.",
}
DIMENSIONS = 16


def directions(texts: Sequence[str]) -> Vectors:
    """A unit vector a text: the axis of the first topic whose first word it has, a little aside by its own hash."""
    return np.stack([_direction(text) for text in texts]) if texts else np.zeros((0, DIMENSIONS), dtype=np.float32)


def _direction(text: str) -> Vectors:
    words = [topic.split()[0].lower() for topic in TOPICS.values()]
    axis = next((at for at, word in enumerate(words) if word in text.lower()), len(words) + sum(map(ord, text)) % 9)
    vector = np.random.default_rng(sum(map(ord, text))).normal(0, 0.05, DIMENSIONS)
    vector[axis] += 1
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def call(at: int, topic: str, **fields: Any) -> WorkloadEvent:
    """A call of a topic, a minute after the one before."""
    text = TOPICS[topic].format(n=1_000 + at) if topic in TOPICS else topic
    given: dict[str, Any] = {
        "request": factories.chat_request(text),
        "response": factories.chat_response(f"Done {at}."),
        "started_at": factories.NOON + timedelta(minutes=at),
        "served_model": "gpt-4o-mini",
        "duration_ms": 100.0 * (1 + at % 10),
        "tokens": Tokens(input_fresh=100, output_visible=10),
        "session_id": f"s-{at}",
    }
    return factories.event(f"k-{at}", **given | fields)


def calls(n: int, *, since: int = 0) -> list[WorkloadEvent]:
    """Calls of the topics in turn."""
    return [call(at, list(TOPICS)[at % len(TOPICS)]) for at in range(since, since + n)]
