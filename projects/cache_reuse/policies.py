"""What a provider's cache would have read and written: automatic caching, and breakpoints set by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from projects.cache_reuse import hits
from projects.cache_reuse.money import LIFETIMES_S, MINIMUM_TOKENS, Use
from projects.cache_reuse.prompts import HEAD_ROLES, TOOLS, Call, Scale

LOOK_BACK = 20  # boundaries before a breakpoint at which Anthropic looks for an earlier entry
MARKS: dict[str, str] = {
    "tools": "after the tools",
    "system": "after the system prompt",
    "end": "at the end of the conversation so far",
    "system+end": "after the system prompt and at the end of the conversation so far",
}


def automatic(
    calls: Sequence[Call],
    scale: Scale,
    *,
    block_chars: int,
    found: hits.Ints,
    minimum_tokens: int = MINIMUM_TOKENS,
) -> list[Use]:
    """Every whole block is kept without being charged for; `found` are the leading blocks answered of each call."""
    return [
        _split(scale.tokens(call), int(n_blocks) * block_chars / max(call.chars, 1), minimum_tokens)
        for call, n_blocks in zip(calls, found, strict=True)
    ]


def _split(tokens: int, share: float, minimum_tokens: int) -> Use:
    read = int(tokens * min(share, 1.0))
    read = read if read >= minimum_tokens else 0
    return Use(tokens - read, read)


@dataclass(frozen=True, slots=True)
class _Entry:
    tokens: int
    link: int


def marked(
    calls: Sequence[Call], scale: Scale, marks: str, *, lifetime: str = "5m", minimum_tokens: int = MINIMUM_TOKENS
) -> list[Use]:
    """Breakpoints at `marks`: up to the last is kept and charged as written; the longest entry still alive is read.

    An entry begins when a breakpoint is written, and anew whenever it is read; another call finds it at its own
    boundaries, at most LOOK_BACK before one of its breakpoints.
    """
    alive: dict[int, float] = {}
    return [_use(call, scale, marks, alive, LIFETIMES_S[lifetime], minimum_tokens) for call in calls]


def _use(call: Call, scale: Scale, marks: str, alive: dict[int, float], lifetime_s: float, minimum: int) -> Use:
    tokens = scale.tokens(call)
    bounds = [_Entry(int(tokens * chars / max(call.chars, 1)), link) for link, chars in call.boundaries]
    wanted = [at for at in marked_at(call, marks) if bounds[at].tokens >= minimum]
    if not wanted:
        return Use(tokens)
    read = _longest(call, bounds, wanted, alive, lifetime_s)
    for at in wanted:
        alive[bounds[at].link] = call.at_s
    end = bounds[wanted[-1]].tokens
    return Use(tokens - end, read, end - read)


def _longest(call: Call, bounds: list[_Entry], wanted: list[int], alive: dict[int, float], lifetime_s: float) -> int:
    """Tokens of the longest entry found; reading it begins its lifetime anew."""
    for at in reversed(wanted):
        for entry in reversed(bounds[max(0, at - LOOK_BACK) : at + 1]):
            since = alive.get(entry.link)
            if since is not None and call.at_s - since <= lifetime_s:
                alive[entry.link] = call.at_s
                return entry.tokens
    return 0


def marked_at(call: Call, marks: str) -> list[int]:
    """Positions of the segments after which breakpoints stand; a mark whose part a call lacks stands nowhere."""
    last = len(call.segments) - 1
    places = {
        "tools": _last_of_head(call, frozenset({TOOLS})),
        "system": _last_of_head(call, HEAD_ROLES),
        "end": last if last >= 0 else None,
    }
    return sorted({place for mark in marks.split("+") if (place := places[mark]) is not None})


def _last_of_head(call: Call, roles: frozenset[str]) -> int | None:
    """The last segment of the unbroken head made of such roles."""
    n = next((at for at, each in enumerate(call.segments) if each.role not in roles), len(call.segments))
    return n - 1 if n else None
