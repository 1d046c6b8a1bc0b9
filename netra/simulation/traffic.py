"""Thirty simulated days of an agent's calls, in Netra's own JSON lines."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from netra.simulation.personas import PERSONAS, PROVIDER, Persona, as_message, as_text, count_tokens
from netra.simulation.tasks import FAMILIES, Task, make

DAYS = 30
ERROR_SHARE = 0.012
WEEKEND = 0.45
ENDED_HOURS = 16


def calls(
    *, seed: int, n: int, incumbent: str, until: datetime, families: Sequence[str] = tuple(FAMILIES)
) -> Iterator[dict[str, Any]]:
    """`n` calls of the thirty days before `until`, oldest first; the same arguments give the same calls."""
    dice = random.Random(seed)
    persona = PERSONAS[incumbent]
    moments = sorted(_moment(dice, until) for _ in range(n))
    for number, at in enumerate(moments):
        task = make(dice.choice(families), seed * 1_000_000 + number)
        yield _call(dice, persona, task, at)


def _moment(dice: random.Random, until: datetime) -> datetime:
    """Rejection sampling over growth through the month, the working day, and quiet weekends."""
    while True:
        ago = timedelta(seconds=dice.uniform(0, DAYS * 86_400))
        at = (until - ago).astimezone(UTC)
        busy = 0.15 + 0.85 * max(0.0, math.sin((at.hour + at.minute / 60 - 5) / ENDED_HOURS * math.pi))
        busy *= WEEKEND if at.weekday() >= 5 else 1.0
        busy *= 0.7 + 0.3 * (1 - ago / timedelta(days=DAYS))
        if dice.random() < busy:
            return at


def _call(dice: random.Random, persona: Persona, task: Task, at: datetime) -> dict[str, Any]:
    user = dice.randint(1, 60)
    record: dict[str, Any] = {
        "id": f"sim-{hashlib.blake2b(f'{persona.name}:{task.reference}'.encode(), digest_size=10).hexdigest()}",
        "started_at": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "provider": PROVIDER,
        "requested_model": persona.name,
        "operation": "chat",
        "request": task.request(persona.name),
        "stream": False,
        "session_id": f"s-{user}-{at:%m%d}",
        "user_id": f"u-{user:03}",
        "tags": [task.family],
        "environment": "production",
        "metadata": {"feature": task.family},
    }
    failed = dice.random() < ERROR_SHARE + persona.fails
    return {**record, **(_failure(dice) if failed else _success(persona, task, at))}


def _failure(dice: random.Random) -> dict[str, Any]:
    status, code = dice.choice(((429, "rate_limit_exceeded"), (500, "server_error"), (503, "overloaded")))
    body = {"error": {"message": f"Simulated {code}.", "type": code, "code": code}}
    return {"http_status": status, "outcome": "provider_error", "response": body, "duration_ms": 25.0}


def _success(persona: Persona, task: Task, at: datetime) -> dict[str, Any]:
    message = as_message(task, persona.answer(task))
    sent = count_tokens(json.dumps(task.messages(), ensure_ascii=False))
    sent += count_tokens(json.dumps([dict(tool) for tool in task.tools])) if task.tools else 0
    said = count_tokens(as_text(message))
    usage = {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}
    cost = (sent * Decimal(persona.input_usd) + said * Decimal(persona.output_usd)) / 1_000_000
    first_ms, total_ms = persona.latency_ms(task, said)
    response = {
        "id": f"chatcmpl-{hashlib.blake2b(task.reference.encode(), digest_size=12).hexdigest()}",
        "object": "chat.completion",
        "created": int(at.timestamp()),
        "model": persona.name,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if message.get("tool_calls") else "stop"}
        ],
        "usage": usage,
    }
    return {
        "served_model": persona.name,
        "http_status": 200,
        "outcome": "ok",
        "duration_ms": round(total_ms, 3),
        "ttft_ms": round(first_ms, 3),
        "response": response,
        "usage": usage,
        "cost_usd": format(cost, "f"),
    }
