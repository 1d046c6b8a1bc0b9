"""The cheapest way a provider's cache could have served a run of calls, option by option."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from projects.cache_reuse import hits, policies, prompts
from projects.cache_reuse.money import LIFETIMES_S, MINIMUM_TOKENS, Charging, Use, charging, input_cost
from projects.cache_reuse.prompts import Call, Scale

NONE, AUTOMATIC = "none", "automatic"


@dataclass(frozen=True, slots=True)
class Way:
    """How the calls of one model use its cache; `marks` "none" = not at all. `positions` are the calls' places."""

    model: str
    charging: Charging
    marks: str
    lifetime: str
    positions: tuple[int, ...]
    uses: tuple[Use, ...]
    costs: tuple[Decimal | None, ...]

    @property
    def usd(self) -> Decimal | None:
        """None as soon as one call's price is not known: ways are compared over the same calls."""
        return None if None in self.costs else sum((cost for cost in self.costs if cost is not None), Decimal(0))

    @property
    def read(self) -> int:
        return sum(use.read for use in self.uses)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all reckonings of one report share."""

    scale: Scale
    block_tokens: int
    minimum_tokens: int = MINIMUM_TOKENS

    @property
    def block_chars(self) -> int:
        return self.scale.block_chars(self.block_tokens)


def ways(calls: Sequence[Call], setting: Setting) -> dict[str, list[Way]]:
    """By model every way it offers, not using the cache among them."""
    positions: dict[str, list[int]] = {}
    for at, call in enumerate(calls):
        positions.setdefault(call.model, []).append(at)
    return {model: list(_ways(model, [calls[at] for at in of], tuple(of), setting)) for model, of in positions.items()}


def cheapest(found: Sequence[Way]) -> Way:
    """The way with the lowest price; where prices are not known, the one that reads most.

    Only a cache that one must ask for can be left unused.
    """
    open_ones = [way for way in found if way.marks != NONE or way.charging == Charging.MARKED]
    known = [(way.usd, way) for way in open_ones if way.usd is not None]
    if known:
        return min(known, key=lambda each: (each[0], -each[1].read))[1]
    return max(open_ones, key=lambda way: way.read)


def best(calls: Sequence[Call], setting: Setting) -> list[Way]:
    """The cheapest way of each model."""
    return [cheapest(found) for found in ways(calls, setting).values()]


def costs(found: Sequence[Way], n_calls: int) -> list[Decimal | None]:
    """USD a call of several models' ways, in the order of the calls."""
    told = {at: cost for way in found for at, cost in zip(way.positions, way.costs, strict=True)}
    return [told[at] for at in range(n_calls)]


def read(found: Sequence[Way]) -> int:
    """Tokens read from caches."""
    return sum(way.read for way in found)


def total(found: Sequence[Way]) -> Decimal | None:
    """USD over the models whose price is known; None when none is."""
    known = [way.usd for way in found if way.usd is not None]
    return sum(known, Decimal(0)) if known else None


def _ways(model: str, calls: Sequence[Call], positions: tuple[int, ...], setting: Setting) -> Iterator[Way]:
    # Prices change while a log grows; what an option offers is told by its newest ones.
    kind = charging(calls[-1].rates)
    fresh = [Use(setting.scale.tokens(call)) for call in calls]

    def way(marks: str, lifetime: str, used: Sequence[Use]) -> Way:
        priced = tuple(input_cost(call, use, lifetime) for call, use in zip(calls, used, strict=True))
        return Way(model, kind, marks, lifetime, positions, tuple(used), priced)

    yield way(NONE, "5m", fresh)
    if kind == Charging.MARKED:
        for lifetime in LIFETIMES_S:
            for marks in policies.MARKS:
                made = policies.marked(
                    calls, setting.scale, marks, lifetime=lifetime, minimum_tokens=setting.minimum_tokens
                )
                yield way(marks, lifetime, made)
    else:
        yield way(AUTOMATIC, "5m", automatic(calls, setting, LIFETIMES_S["5m"]))


def automatic(calls: Sequence[Call], setting: Setting, lifetime_s: float) -> list[Use]:
    """What a cache of whole blocks with that lifetime would read of each call."""
    trace = prompts.trace(calls, setting.block_chars)
    return policies.automatic(
        calls,
        setting.scale,
        block_chars=setting.block_chars,
        found=hits.with_lifetime(trace, lifetime_s),
        minimum_tokens=setting.minimum_tokens,
    )
