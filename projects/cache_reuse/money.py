"""What a call's input costs, given what of it comes from a cache; and how providers charge for caching at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from netra.prices import Rates, cost_usd
from netra.tokens import Tokens
from projects.cache_reuse.prompts import Call

MINIMUM_TOKENS = 1_024  # the shortest prefix that OpenAI and Anthropic cache on most of their models
LIFETIMES_S = {"5m": 300.0, "1h": 3_600.0}


class Charging(StrEnum):
    """Automatic: what was sent is kept without being charged. Marked: the caller marks what is kept and pays for it."""

    AUTOMATIC = "automatic"
    MARKED = "marked"
    UNKNOWN = "unknown"


def charging(rates: Rates | None) -> Charging:
    """Told by which cache prices an option has."""
    if rates is None or rates.input is None or rates.cache_read is None:
        return Charging.UNKNOWN
    return Charging.MARKED if rates.cache_write_5m is not None else Charging.AUTOMATIC


@dataclass(frozen=True, slots=True)
class Use:
    """Tokens of a call's input: fresh, read from the cache, written into it."""

    fresh: int
    read: int = 0
    written: int = 0


def input_cost(call: Call, use: Use, lifetime: str = "5m") -> Decimal | None:
    """USD for the input; None when a price it needs is not known. `lifetime` is which write price applies."""
    if call.rates is None:
        return None
    written = {f"cache_write_{lifetime}": use.written}
    tokens = Tokens(input_fresh=use.fresh, cache_read=use.read, output_visible=0, **written)
    return cost_usd(tokens, call.rates, batch=call.is_batch)


def paid(call: Call) -> Decimal | None:
    """USD for the input as the provider reported it; None when it did not, or a price is not known."""
    told = call.tokens
    if call.rates is None or told.input_fresh is None:
        return None
    sent = Tokens(
        input_fresh=told.input_fresh,
        cache_read=told.cache_read,
        cache_write_5m=told.cache_write_5m,
        cache_write_1h=told.cache_write_1h,
        output_visible=0,
    )
    return cost_usd(sent, call.rates, batch=call.is_batch)


@dataclass(frozen=True, slots=True)
class Bill:
    """USD of several ways to be charged, over the calls for which all of them are known."""

    n_calls: int
    uncached_usd: Decimal | None
    paid_usd: Decimal | None
    cached_usd: Decimal | None
    n_known: int

    @property
    def saved_usd(self) -> Decimal | None:
        """What a cache that works as described would save of what was paid."""
        return None if self.paid_usd is None or self.cached_usd is None else self.paid_usd - self.cached_usd


def bill(calls: Sequence[Call], uncached: Sequence[Decimal | None], cached: Sequence[Decimal | None]) -> Bill:
    """Without a cache, as paid, and with one, in USD a call; only calls with all three known are added up."""
    rows = list(zip(uncached, map(paid, calls), cached, strict=True))
    known = [row for row in rows if None not in row]
    if not known:
        return Bill(len(rows), None, None, None, 0)
    without, as_paid, with_cache = (_total(row[at] for row in known) for at in range(3))
    return Bill(len(rows), without, as_paid, with_cache, len(known))


def _total(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))
