"""Simulated models: price, pace and skill per task family, and what each says to a task. Pure and repeatable."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import NormalDist
from typing import Any

from netra.simulation.tasks import REFUSAL, Task

PROVIDER = "simulated"
SHARED_DIFFICULTY = 0.6  # how much of a model's luck on a task is the task's own difficulty
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Persona:
    """One simulated model. `skill` is the chance to answer right, per family with a default; prices USD per million."""

    name: str
    skill: float
    input_usd: str
    output_usd: str
    ttft_ms: float
    ms_per_token: float
    skills: Mapping[str, float] = field(default_factory=dict)
    verbosity: float = 0.0
    refuses: float = 0.0
    fails: float = 0.0
    context_tokens: int = 128_000

    def skill_in(self, family: str) -> float:
        return self.skills.get(family, self.skill)

    def is_right(self, task: Task, draw: str = "") -> bool:
        """Whether it solves the task: its luck and the task's difficulty, mixed so that the chance is its skill.

        Models share the difficulty, so they tend to fail at the same tasks, as real ones do.
        """
        shared = NORMAL.inv_cdf(_uniform("difficulty", task.reference))
        own = NORMAL.inv_cdf(_uniform(self.name, task.reference, draw))
        luck = math.sqrt(SHARED_DIFFICULTY) * shared + math.sqrt(1 - SHARED_DIFFICULTY) * own
        return NORMAL.cdf(luck) < self.skill_in(task.family)

    def answer(self, task: Task, draw: str = "") -> str:
        """What it says: right, plausibly wrong, or a refusal of something harmless."""
        if not task.must_refuse and _uniform(self.name, task.reference, "refuse") < self.refuses:
            return REFUSAL
        said = task.right if self.is_right(task, draw) else task.wrong
        is_chatty = _uniform(self.name, task.reference, "chat") < self.verbosity
        return f"Certainly! Here is what you asked for: {said}" if is_chatty and not task.tools else said

    def expected_score(self, task: Task) -> float:
        """The score its answer to the task gets: the truth a judge should find."""
        return task.grade(self.answer(task))

    def latency_ms(self, task: Task, n_tokens: int) -> tuple[float, float]:
        """Time to first token and total, lognormal around its pace; the same for the same task."""
        spread = math.exp(0.25 * NORMAL.inv_cdf(_uniform(self.name, task.reference, "pace")))
        first = self.ttft_ms * spread
        return first, first + n_tokens * self.ms_per_token * spread

    def is_failing(self, request_id: str) -> bool:
        return _uniform(self.name, request_id, "fail") < self.fails


def _uniform(*parts: str) -> float:
    """A number strictly between 0 and 1 that depends on the parts only."""
    digest = hashlib.blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64


PERSONAS: dict[str, Persona] = {
    each.name: each
    for each in (
        Persona("sim-large", 0.95, "2.50", "10.00", 90, 3.0, {"refusal": 0.99}),
        Persona("sim-medium", 0.95, "0.60", "2.40", 60, 2.0, {"refusal": 0.99}),
        Persona("sim-small", 0.89, "0.15", "0.60", 40, 1.2, {"refusal": 0.97, "arithmetic": 0.80}),
        Persona("sim-fast", 0.93, "0.90", "3.60", 20, 0.6, {"refusal": 0.98}),
        Persona("sim-bargain", 0.62, "0.05", "0.20", 45, 1.0, {"refusal": 0.80}),
        Persona("sim-reckless", 0.95, "0.30", "1.20", 60, 1.8, {"refusal": 0.35}),
        Persona("sim-refuser", 0.95, "0.30", "1.20", 60, 1.8, {"refusal": 1 - 1e-9}, refuses=0.12),
        Persona("sim-chatty", 0.95, "0.30", "1.20", 70, 2.2, verbosity=0.5),
        Persona("sim-flaky", 0.95, "0.30", "1.20", 60, 1.8, fails=0.10),
    )
}


@dataclass(frozen=True, slots=True)
class Listed:
    """How a simulated model stands in the supply catalog. Rates are USD per token."""

    model: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    context_tokens: int
    max_output_tokens: int
    abilities: tuple[str, ...]


JUDGES = ("sim-judge", "sim-judge-noisy", "sim-judge-biased", "sim-judge-broken")


def catalog() -> list[Listed]:
    """Every simulated model and judge, for the supply catalog."""
    priced = [(each.name, each.input_usd, each.output_usd) for each in PERSONAS.values()]
    priced += [(name, "0.20", "0.80") for name in JUDGES]
    return [_listed(*each) for each in priced]


def _listed(model: str, input_usd: str, output_usd: str) -> Listed:
    fresh, out = (Decimal(text) / 1_000_000 for text in (input_usd, output_usd))
    return Listed(model, fresh, out, fresh / 2, 128_000, 4096, ("tools", "json_schema"))


def true_mean(persona: str, tasks: Iterable[Task]) -> float:
    """The mean score a model really reaches on these tasks at temperature 0. Raises ZeroDivisionError for none."""
    scores = [PERSONAS[persona].expected_score(task) for task in tasks]
    return sum(scores) / len(scores)


def count_tokens(text: str) -> int:
    """The simulated tokenizer: four characters a token, at least one for any text."""
    return max(1, math.ceil(len(text) / 4)) if text else 0


def as_message(task: Task, said: str) -> dict[str, Any]:
    """An answer as an OpenAI message: a tool call where the task is one and the model made one."""
    try:
        call = json.loads(said) if task.tools else None
    except ValueError:
        call = None
    if not isinstance(call, dict) or "arguments" not in call:
        return {"role": "assistant", "content": said, "refusal": None}
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    identity = f"call_{hashlib.blake2b(said.encode(), digest_size=6).hexdigest()}"
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": identity, "type": "function", "function": function}],
    }


def as_text(message: Mapping[str, Any]) -> str:
    """What a message says, a tool call written out as the tasks write it."""
    calls = message.get("tool_calls")
    if not calls:
        return str(message.get("content") or "")
    function = calls[0]["function"]
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        arguments = function["arguments"]
    return json.dumps({"name": function["name"], "arguments": arguments})
