"""A call as a prefix cache sees it: its prompt in the order providers cache it, when it came, and what it was charged.

Order: tools, answer format, then messages as sent. Roles are written before texts, as chat templates do.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import orjson

from netra.prices import Rates
from netra.tokens import Tokens
from projects.cache_reuse import blocks
from projects.cache_reuse.hits import Trace

TOOLS, FORMAT = "tools", "answer format"
HEAD_ROLES = frozenset({TOOLS, FORMAT, "system", "developer"})
CHARS_A_TOKEN = 4.0  # assumed only where no call reports its tokens
# What privacy mode leaves of a text: which one it is, and how long it was.
_HASHED = re.compile(r"hash:[0-9a-f]{24}:(\d{1,9})")
LONGEST_HASHED_CHARS = 2_000_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a prompt: the tools, or one message."""

    role: str
    text: str

    @property
    def written(self) -> str:
        return f"{self.role}\n{self.text}\n"

    @property
    def chars(self) -> int:
        """Of it as it is written."""
        return len(self.role) + len(self.text) + 2


@dataclass(frozen=True)
class Call:
    """One call of the sample. `at_s` seconds; `rates` those that held then, None when not known.

    `tokens` are the provider's counts; the input total is None when it reported none.
    """

    event_id: str
    at_s: float
    model: str
    segments: tuple[Segment, ...]
    tokens: Tokens = field(default_factory=Tokens)
    rates: Rates | None = None
    is_batch: bool = False
    session: str | None = None
    user: str | None = None
    kind: str = ""

    _blocks: dict[int, array[int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def block_ids(self, block_chars: int) -> array[int]:
        """Ids of its prefix blocks, reckoned once: several findings are of the same calls and size."""
        if block_chars not in self._blocks:
            self._blocks[block_chars] = array("q", blocks.of_text(self.text, block_chars, root=self.model))
        return self._blocks[block_chars]

    @property
    def text(self) -> str:
        """The whole prompt; not kept, since a sample's prompts are most of what it takes in memory."""
        return "".join(segment.written for segment in self.segments)

    @cached_property
    def chars(self) -> int:
        return sum(segment.chars for segment in self.segments)

    @cached_property
    def boundaries(self) -> tuple[tuple[int, int], ...]:
        """(id, characters up to here) after each segment: where a cache breakpoint can stand."""
        pieces = (each.written.encode("utf-8", "replace") for each in self.segments)
        ends = accumulate(each.chars for each in self.segments)
        return tuple(zip(blocks.chained(pieces, self.model), ends, strict=True))


def segments(request: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The parts of a request in OpenAI's chat shape; what is of another shape is left out."""
    found = [Segment(TOOLS, _dump(tool)) for tool in _listed(request.get("tools") or request.get("functions"))]
    if request.get("response_format"):
        found.append(Segment(FORMAT, _dump(request["response_format"])))
    found += [_message(each) for each in _listed(request.get("messages")) if isinstance(each, dict)]
    return tuple(found)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(message: Mapping[str, Any]) -> Segment:
    pieces = [_content(message.get("content"))]
    pieces += [_dump(call) for call in _listed(message.get("tool_calls"))]
    return Segment(str(message.get("role") or "user"), "\n".join(piece for piece in pieces if piece))


def _content(content: Any) -> str:
    if isinstance(content, str):
        return _unhashed(content)
    return "\n".join(_part(part) for part in _listed(content))


def _part(part: Any) -> str:
    """The text of a part; an image or a file stands for itself by what the log holds of it."""
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return _unhashed(part["text"])
    kept = {name: value for name, value in part.items() if name != "cache_control"} if isinstance(part, dict) else part
    return _dump(kept)


def _unhashed(text: str) -> str:
    """A hashed text repeated to the length of what it stands for: the same text still takes the same place."""
    found = _HASHED.fullmatch(text)
    if found is None:
        return text
    length = min(int(found[1]), LONGEST_HASHED_CHARS)
    return (text * (length // len(text) + 1))[:length]


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()


@dataclass(frozen=True, slots=True)
class Scale:
    """How characters become tokens. `is_assumed` when no call reported its tokens."""

    chars_a_token: float
    is_assumed: bool

    @classmethod
    def of(cls, calls: Sequence[Call]) -> Scale:
        """Over all calls that report their input."""
        told = [(call.chars, total) for call in calls if (total := call.tokens.input_total) and total > 0]
        tokens = sum(total for _, total in told)
        return cls(sum(chars for chars, _ in told) / tokens, False) if tokens else cls(CHARS_A_TOKEN, True)

    def block_chars(self, block_tokens: int) -> int:
        return max(1, round(block_tokens * self.chars_a_token))

    def tokens(self, call: Call) -> int:
        """What the provider counted; where it did not, what the call's length is in tokens elsewhere."""
        reported = call.tokens.input_total
        return reported if reported is not None and reported > 0 else round(call.chars / self.chars_a_token)


def trace(calls: Sequence[Call], block_chars: int) -> Trace:
    """The calls' blocks, oldest first; what one model keeps is of no use to another."""
    return Trace.of((call.at_s, call.block_ids(block_chars)) for call in calls)
