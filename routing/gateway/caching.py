"""Answers given before: which requests may share one, what is kept of it, and where it is found again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from netra.answers import first_choice
from netra.shelf import Shelf, shelf
from projects.privacy import Door
from routing.controller import SPLIT
from routing.controls import Controls
from routing.gateway.answer_texts import through
from routing.gateway.answers import CHAT
from routing.gateway.meanings import MEANINGS
from routing.gateway.planning import Plan
from routing.gateway.wire import packed

# Neither changes what is answered: how it is sent, who asked, what the provider notes of it.
_ASIDE = frozenset(
    {
        *("model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention"),
    }
)
_WHOLE = frozenset({"stop", "tool_calls", "function_call"})
_LIVE_TOOLS = ("web_search_options", "audio")
HOTTEST = 1.0
LARGEST_ANSWER = 256 << 10
# The model reads about 256 tokens: of a longer text it cannot say that it means the same to the end.
LONGEST_MEANT = 800
_HINGES = re.compile(r"\d+(?:[.,:]\d+)*|\b(?:not|never|no|none|without|except|nor)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """A request as the cache sees it. `around`: all but the last user turn; empty where that is not short, plain words.

    The figures and negations of that turn belong to `around`: embeddings hardly see them, answers hang on them.
    """

    exact: str
    around: str
    text: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer given before. `call_id` is the call that got it, at `cost_usd` (None: not known)."""

    option: str
    call_id: str
    cost_usd: Decimal | None
    answer: dict[str, Any]

    def dumped(self) -> bytes:
        cost = None if self.cost_usd is None else format(self.cost_usd, "f")
        return orjson.dumps([self.option, self.call_id, cost, self.answer])

    @classmethod
    def loaded(cls, data: bytes) -> KeptAnswer:
        option, call_id, cost, answer = orjson.loads(data)
        return cls(option, call_id, None if cost is None else Decimal(cost), answer)


def question(plan: Plan, controls: Controls) -> Question | None:
    """What a request has in common with others that may get its answer; None where none may.

    Never shared: hotter than 1, more than one answer at once, live tools, and what a split decides by lot.
    """
    body = plan.asked.body
    if plan.asked.path != CHAT or any(body.get(name) for name in _LIVE_TOOLS) or _is_varied(body):
        return None
    if plan.policy is not None and plan.policy.kind == SPLIT:
        return None
    asked = {name: value for name, value in body.items() if name not in _ASIDE}
    asked["model"] = plan.asked.model if plan.policy is None else [plan.policy.name, plan.policy.version]
    before, text = _parted(asked.get("messages"))
    around = _digest(controls, {**asked, "messages": before, "hinges": hinges(text)}) if text else ""
    return Question(_digest(controls, asked), around, text)


def _is_varied(body: Mapping[str, Any]) -> bool:
    heat, n = body.get("temperature"), body.get("n")
    return (isinstance(heat, (int, float)) and heat > HOTTEST) or n not in (None, 1)


def _parted(messages: Any) -> tuple[list[Any], str]:
    """What comes before the last user turn, and its words; no words where the request does not end with plain ones."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, Mapping) or last.get("role") != "user" or not isinstance(last.get("content"), str):
        return [], ""
    text = last["content"].strip()
    return ([*messages[:-1], {**last, "content": ""}], text) if len(text) <= LONGEST_MEANT else ([], "")


def hinges(text: str) -> list[str]:
    """What two questions with one answer must have in common word for word: figures, in order, and negations."""
    return [found.lower().replace("’", "'") for found in _HINGES.findall(text)]


def _digest(controls: Controls, asked: Mapping[str, Any]) -> str:
    """Keyed, so that nobody who sees the store can test a guess."""
    return hashlib.blake2b(packed(asked, is_sorted=True), key=controls.secret, digest_size=20).hexdigest()


def may_keep(answer: Mapping[str, Any], door: Door) -> bool:
    """Whether others may get this answer: whole, of one choice, and with nothing that the project's masks find."""
    choices = answer.get("choices")
    choice = first_choice(answer)
    if choice is None or not isinstance(choices, list) or len(choices) != 1:
        return False
    if choice.get("finish_reason") not in _WHOLE or choice["message"].get("refusal"):
        return False
    return not has_masked(choices, door)


def has_masked(value: Any, door: Door) -> bool:
    """Whether a mask of the project finds anything in the words of a request or an answer."""
    return door.changes_texts and through(value, door.masked_text, is_text=True) != value


class Answers:
    """One a process: the shelf of answers, and beside it the index of what was asked."""

    def __init__(self) -> None:
        self._shelf: Shelf = shelf()

    async def exact(self, controls: Controls, asked: Question) -> KeptAnswer | None:
        data = await self._shelf.get(controls.namespace, asked.exact)
        return None if data is None else KeptAnswer.loaded(data)

    async def alike(self, controls: Controls, asked: Question, *, wait_s: float) -> tuple[KeptAnswer, float] | None:
        """The answer to a question that means the same, and how alike the two are; None when none is near enough."""
        found = await MEANINGS.nearest(controls, asked.around, asked.text, wait_s=wait_s)
        if found is None:
            return None
        data = await self._shelf.get(controls.namespace, found[0])
        if data is None:
            MEANINGS.forget(controls, asked.around, found[0])
            return None
        return KeptAnswer.loaded(data), found[1]

    async def keep(self, controls: Controls, asked: Question, kept: KeptAnswer, *, with_meaning: bool) -> None:
        """Keep an answer for those who ask the same; `with_meaning`: also for those who mean the same."""
        try:
            data = kept.dumped()
        except TypeError:  # half characters, which not every reader takes
            return
        if len(data) > LARGEST_ANSWER:
            return
        await self._shelf.put(controls.namespace, asked.exact, data, ttl_s=controls.ttl_s, most=controls.max_entries)
        if with_meaning:
            await MEANINGS.add(controls, asked.around, asked.text, asked.exact)

    def renew(self) -> None:
        """Begin anew with an empty shelf of what the settings now lead to."""
        self._shelf = shelf()
        MEANINGS.clear()


ANSWERS = Answers()
