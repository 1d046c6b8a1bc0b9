"""What tokens cost: rates per bucket, the arithmetic, and the door to whoever keeps the dated prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from netra.errors import Invalid
from netra.tokens import Tokens

BATCH = "batch"
ORDINARY_SERVICES = frozenset({"", "auto", "default", "standard"})
MAX_USD_PER_TOKEN = Decimal(1)

# Which rate a bucket of tokens is charged at.
_RATE_OF_BUCKET = (
    ("input_fresh", "input"),
    ("cache_read", "cache_read"),
    ("cache_write_5m", "cache_write_5m"),
    ("cache_write_1h", "cache_write_1h"),
    ("output_visible", "output"),
    ("reasoning", "reasoning"),
    ("audio_in", "audio_in"),
    ("audio_out", "audio_out"),
)
# Without these two a call's cost is not known; the others are absent from most answers because they were not used.
_MUST_BE_COUNTED = frozenset({"input_fresh", "output_visible"})
TOKEN_RATES = tuple(rate for _, rate in _RATE_OF_BUCKET)


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates that replace the plain ones for a whole call whose input is more than `above_tokens`."""

    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token for each bucket, `image` per image. None = not known; 0 = known to be free.

    `tiers` rise by `above_tokens`. `services` holds other ways to be served ("batch", "flex", "priority"); a rate
    that such a service does not name is not known for it, except that reasoning costs what output costs everywhere.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_in: Decimal | None = None
    audio_out: Decimal | None = None
    image: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    services: Mapping[str, Rates] = field(default_factory=dict, hash=False)

    def of(self, rate: str) -> Decimal | None:
        """The rate of a kind of token; hidden reasoning is charged as output unless it has its own price."""
        if rate == "reasoning" and self.reasoning is None:
            return self.output
        found: Decimal | None = getattr(self, rate)
        return found

    def served_as(self, service: str | None) -> Rates | None:
        """These rates for an ordinary call, another service's for "batch", "flex" …; None when it has no price."""
        return self if (service or "") in ORDINARY_SERVICES else self.services.get(service or "")

    def at_size(self, input_tokens: int) -> Rates:
        """The rates that hold for a call with that much input."""
        held = self
        for tier in self.tiers:
            if input_tokens > tier.above_tokens:
                held = tier.rates
        return held

    @property
    def is_known(self) -> bool:
        """Whether a plain call can be priced at all."""
        return self.input is not None and self.output is not None

    def highest_input(self) -> Decimal | None:
        """The dearest way in which a token of input could be charged, over all tiers; for worst cases."""
        return _highest(self, ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in"), must="input")

    def highest_output(self) -> Decimal | None:
        """The dearest way in which a token of output could be charged, over all tiers; for worst cases."""
        return _highest(self, ("output", "reasoning", "audio_out"), must="output")


@dataclass(frozen=True, slots=True)
class DatedRates:
    """Rates with where they come from; `is_assumed` when the price was not yet being watched at that date."""

    rates: Rates
    source: str
    option: str
    effective_from: datetime
    is_assumed: bool = False
    is_negotiated: bool = False


class PriceBook(Protocol):
    """A snapshot of all prices that hold for one project."""

    def rates(self, provider: str | None, model: str, at: datetime) -> DatedRates | None:
        """The rates of a model at a date; None when the model or its price then is not known. A dict look-up."""
        ...


def book(project_id: int) -> PriceBook:
    """The prices that hold for a project now, from whoever settings.PRICE_BOOK names; take a new one per batch."""
    return _price_book()(project_id)  # type: ignore[no-any-return]


@cache
def _price_book() -> Any:
    return import_string(settings.PRICE_BOOK)


def cost_usd(
    tokens: Tokens, rates: Rates, *, batch: bool = False, service: str | None = None, images: int = 0
) -> Decimal | None:
    """What a call cost. None when a count contradicts itself (negative), is missing, or has no known rate."""
    served = rates.served_as(BATCH if batch else service)
    if served is None:
        return None
    held = served.at_size(tokens.input_total or 0) if served.tiers else served
    total = Decimal(0)
    for bucket, rate in _RATE_OF_BUCKET:
        part = _part(bucket, getattr(tokens, bucket), held.of(rate))
        if part is None:
            return None
        total += part
    # Where no price per image is stated, the provider counts images among the input tokens.
    return total + images * held.image if images and held.image is not None else total


@dataclass(frozen=True, slots=True)
class Part:
    """What one bucket of a call's tokens cost; None = not reported, or without a known rate."""

    bucket: str
    count: int | None
    usd_per_token: Decimal | None
    usd: Decimal | None


def parts(tokens: Tokens, rates: Rates, *, batch: bool = False) -> list[Part]:
    """The arithmetic of `cost_usd`, bucket by bucket, for showing it."""
    served = rates.served_as(BATCH if batch else None) or Rates()
    held = served.at_size(tokens.input_total or 0)
    counted = [(bucket, getattr(tokens, bucket), held.of(rate)) for bucket, rate in _RATE_OF_BUCKET]
    return [
        Part(bucket, count, rate, None if count is None else _part(bucket, count, rate))
        for bucket, count, rate in counted
    ]


def _part(bucket: str, count: int | None, rate: Decimal | None) -> Decimal | None:
    if count is None:
        # An unknown number of free tokens is free (embeddings report no output).
        return None if bucket in _MUST_BE_COUNTED and rate != 0 else Decimal(0)
    if count < 0:
        return None
    if count == 0:
        return Decimal(0)
    return None if rate is None else count * rate


def _highest(rates: Rates, names: tuple[str, ...], *, must: str) -> Decimal | None:
    levels = (rates, *(tier.rates for tier in rates.tiers))
    if any(level.of(must) is None for level in levels):
        return None
    return max(rate for level in levels for name in names if (rate := level.of(name)) is not None)


def rates_as_json(rates: Rates) -> dict[str, Any]:
    """Decimal text by rate name; what is not known is left out."""
    told: dict[str, Any] = {name: format(value, "f") for name in _PRICED if (value := getattr(rates, name)) is not None}
    if rates.tiers:
        told["tiers"] = [{"above_tokens": tier.above_tokens, **rates_as_json(tier.rates)} for tier in rates.tiers]
    if rates.services:
        told["services"] = {name: rates_as_json(served) for name, served in sorted(rates.services.items())}
    return told


def rates_from_json(told: Mapping[str, Any]) -> Rates:
    """The inverse of `rates_as_json`. Raises Invalid, naming the field, for anything that is not a price."""
    if not isinstance(told, Mapping):
        raise Invalid("rates: each is a price by its name.", field="rates")
    unknown = sorted(str(name) for name in set(told) - _FIELDS)
    if unknown:
        raise Invalid(f"{unknown[0]!r} is not a rate; the rates are {', '.join(_PRICED)}.", field=unknown[0])
    tiers = tuple(sorted(map(_tier, _shaped(told, "tiers", list)), key=lambda tier: tier.above_tokens))
    services = {str(name): rates_from_json(each) for name, each in _shaped(told, "services", dict).items()}
    plain = {name: price(told[name], field=name) for name in _PRICED if told.get(name) is not None}
    return Rates(**plain, tiers=tiers, services=services)


def _shaped(told: Mapping[str, Any], name: str, shape: type) -> Any:
    found = told.get(name) or shape()
    if not isinstance(found, shape):
        raise Invalid(f"{name}: a {'list' if shape is list else 'set of names'} is expected.", field=name)
    return found


def price(text: Any, *, field: str = "price") -> Decimal:
    """A price in USD per unit. Raises Invalid when it is no number, negative, or too large to be one."""
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        raise Invalid(f"{field}: {str(text)[:40]!r} is not a number.", field=field) from None
    if not found.is_finite() or found < 0:
        raise Invalid(f"{field}: a price cannot be {str(text)[:40]}.", field=field)
    if field != "image" and found > MAX_USD_PER_TOKEN:
        raise Invalid(f"{field}: more than 1 USD for one token; prices are per token, not per million.", field=field)
    return found


def per_million(usd_per_million: Any, *, field: str = "price") -> Decimal:
    """A price as people write it (USD per million tokens), in USD per token."""
    try:
        found = Decimal(str(usd_per_million)) / 1_000_000
    except InvalidOperation:
        raise Invalid(f"{field}: {str(usd_per_million)[:40]!r} is not a number.", field=field) from None
    return price(found, field=field)


def _tier(told: Any) -> Tier:
    above = told.get("above_tokens") if isinstance(told, Mapping) else None
    if not isinstance(above, int) or isinstance(above, bool) or above < 0:
        raise Invalid("tiers: each needs above_tokens, a whole number of input tokens.", field="tiers")
    rest = {name: value for name, value in told.items() if name != "above_tokens"}
    if "tiers" in rest or "services" in rest:
        raise Invalid("tiers: a tier cannot hold tiers or services.", field="tiers")
    return Tier(above, rates_from_json(rest))


_FIELDS = frozenset(each.name for each in fields(Rates))
_PRICED = tuple(each.name for each in fields(Rates) if each.name not in ("tiers", "services"))
