"""Calls as a prefix cache sees them, made to order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from netra.prices import Rates
from netra.tokens import Tokens
from projects.cache_reuse.prompts import Call, Segment

# USD a token: reading costs half; nothing is charged for writing.
AUTOMATIC = Rates(input=Decimal("0.000002"), output=Decimal("0.000008"), cache_read=Decimal("0.000001"))
# Reading costs a tenth, writing a quarter more for five minutes and double for an hour.
MARKED = Rates(
    input=Decimal("0.00001"),
    output=Decimal("0.00005"),
    cache_read=Decimal("0.000001"),
    cache_write_5m=Decimal("0.0000125"),
    cache_write_1h=Decimal("0.00002"),
)
INSTRUCTIONS = "Be brief. " + " ".join(
    f"Rule {n}: on topic {7 * n} quote policy {n} and answer in the language of the question." for n in range(90)
)


def call(at_s: float, *parts: tuple[str, str], n_tokens: int | None = None, **fields: Any) -> Call:
    """Four characters a token unless told; nothing was read from a cache."""
    segments = tuple(Segment(role, text) for role, text in parts)
    size = sum(each.chars for each in segments) // 4 if n_tokens is None else n_tokens
    tokens = Tokens(input_fresh=size, cache_read=0, output_visible=1)
    return Call(
        **{"event_id": f"e-{at_s}", "at_s": at_s, "model": "m", "segments": segments, "tokens": tokens} | fields
    )


def asked(n: int, *, stamped: bool, every_s: float = 60.0, **fields: Any) -> list[Call]:
    """The same instructions and another question each time; stamped: the time stands above the instructions."""
    made = []
    for at in range(n):
        stamp = f"Current time: 2026-11-02T{at // 60 % 24:02}:{at % 60:02}:00Z\n" if stamped else ""
        parts = (("system", stamp + INSTRUCTIONS), ("user", f"Question {at}?"))
        made.append(call(at * every_s, *parts, session=f"s-{at // 4}", user=f"u-{at % 5}", **fields))
    return made
