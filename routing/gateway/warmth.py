"""Which options still hold the beginning of a conversation in their prompt caches, as far as this process sent it.

A conversation is its session, else how it begins: its tools and its messages up to the user's first.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from projects.cache_reuse.money import LIFETIMES_S, MINIMUM_TOKENS, Charging, charging
from projects.cache_reuse.switching import switch_loss
from routing.calls import OptionTarget
from routing.demand import Demand
from routing.gateway.kept import Kept

LIFETIME_S = LIFETIMES_S["5m"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request's prompt by its beginnings, shortest first: a digest of each, and how many tokens it has.

    `is_marked`: it says itself what is to be cached, as options that charge for writing into their cache want it.
    """

    key: tuple[int, str | bytes]
    beginnings: tuple[tuple[bytes, int], ...]
    is_marked: bool


def conversation(project_id: int, body: Mapping[str, Any], demand: Demand) -> Conversation | None:
    """The conversation of a chat request; None where it is too short for any cache, or no list of messages."""
    messages = body.get("messages")
    if demand.input_tokens < MINIMUM_TOKENS or not isinstance(messages, list):
        return None
    sizes, digests, opening, is_marked = [], [], b"", False
    try:
        for n_bytes, digest, role, has_mark in _beginnings(body.get("tools"), messages):
            sizes.append(n_bytes)
            digests.append(digest)
            is_marked = is_marked or has_mark
            if not opening and role == "user":
                opening = digest
    except TypeError:  # half characters, or nested beyond all measure
        return None
    scale = demand.input_tokens / sizes[-1]
    beginnings = tuple((digest, round(size * scale)) for digest, size in zip(digests, sizes, strict=True))
    return Conversation((project_id, demand.session or opening), beginnings, is_marked)


def _beginnings(tools: Any, messages: list[Any]) -> Iterator[tuple[int, bytes, str | None, bool]]:
    """Bytes and digest up to each part, with the part's role and whether it marks something to be cached."""
    running, n_bytes = hashlib.blake2b(digest_size=12), 0
    for part in (tools, *messages):
        written = orjson.dumps(part)
        running.update(written)
        n_bytes += len(written)
        role = part.get("role") if isinstance(part, dict) else None
        yield n_bytes, running.digest(), role, b'"cache_control"' in written


@dataclass(frozen=True, slots=True)
class _Sent:
    beginnings: frozenset[bytes]
    until: float


class Warmth:
    """One a process; the conversations used last, and of each what every option was sent within its cache's life."""

    def __init__(self) -> None:
        self._sent = Kept()

    def served(self, of: Conversation, option: str, now: float) -> None:
        """An option has read the whole prompt just now."""
        sent = {name: each for name, each in (self._sent.get(of.key) or {}).items() if each.until > now}
        sent[option] = _Sent(frozenset(digest for digest, _ in of.beginnings), now + LIFETIME_S)
        self._sent.put(of.key, sent)

    def of(self, asked: Conversation, now: float) -> dict[str, int]:
        """Tokens of this prompt that an option was sent lately, by option; what is too short to be cached left out."""
        sent: Mapping[str, _Sent] = self._sent.get(asked.key) or {}
        shared = {name: _shared(asked, each.beginnings) for name, each in sent.items() if each.until > now}
        return {name: tokens for name, tokens in shared.items() if tokens >= MINIMUM_TOKENS}

    def clear(self) -> None:
        self._sent.clear()


def _shared(asked: Conversation, sent: frozenset[bytes]) -> int:
    return next((tokens for digest, tokens in reversed(asked.beginnings) if digest in sent), 0)


def added_by_caches(
    asked: Conversation, targets: Mapping[str, OptionTarget], input_tokens: int, now: float | None = None
) -> dict[str, float]:
    """What prompt caches add to each option's plain price for a request, in USD: less than nothing where it is warm.

    An option that is cold pays its price for writing what is warm elsewhere, where it has one. Empty where nothing is
    warm; options whose prices say nothing of a cache count as having none.
    """
    found = WARMTH.of(asked, time.monotonic() if now is None else now)
    warm = {name: tokens for name, tokens in found.items() if name in targets and _caches(targets[name], asked)}
    if not warm:
        return {}
    at_stake = max(warm.values())
    return {name: _added_usd(target, asked, warm.get(name), at_stake, input_tokens) for name, target in targets.items()}


def _added_usd(
    target: OptionTarget, asked: Conversation, warm_tokens: int | None, at_stake: int, input_tokens: int
) -> float:
    rates = target.rates.at_size(input_tokens)
    if rates.input is None or not _caches(target, asked):
        return 0.0
    tokens = at_stake if warm_tokens is None else warm_tokens
    loss = switch_loss(tokens, old=rates, new=rates)
    cost_usd = loss.rebuilt_usd if warm_tokens is None else loss.stayed_usd
    return 0.0 if cost_usd is None else float(cost_usd - tokens * rates.input)


def _caches(target: OptionTarget, asked: Conversation) -> bool:
    kind = charging(target.rates)
    return kind == Charging.AUTOMATIC or (kind == Charging.MARKED and asked.is_marked)


WARMTH = Warmth()
