"""litellm's shipped price file, read as data: importing litellm would cost seconds and go to the network."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from netra.errors import Unavailable
from netra.prices import MAX_USD_PER_TOKEN, Rates, Tier

FILE_NAME = "model_prices_and_context_window_backup.json"

# The file writes 0 both for free and for not known; only of these is it known to be free.
FREE_PROVIDERS = frozenset({"ollama", "lemonade"})

_ABILITIES = {
    "supports_audio_input": "audio",
    "supports_function_calling": "tools",
    "supports_pdf_input": "pdf",
    "supports_prompt_caching": "prompt_cache",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_web_search": "web_search",
}
_COSTS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "reasoning": "output_cost_per_reasoning_token",
    "audio_in": "input_cost_per_audio_token",
    "audio_out": "output_cost_per_audio_token",
}
_SERVICES = {"batch": "batches", "flex": "flex", "priority": "priority"}
_THRESHOLD = re.compile(r"_above_(\d+)k_tokens")
# Kinds of one provider that the file keeps apart by what they serve, or by which of its addresses serves them.
_ONE_PROVIDER = {"azure_text": "azure", "bedrock_converse": "bedrock"}


@dataclass(frozen=True, slots=True)
class ShippedOption:
    """One entry of the file in our words; `name` is provider/model, `aliases` what else the file calls it."""

    name: str
    provider: str
    model: str
    mode: str
    rates: Rates
    aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: tuple[str, ...] = ()
    deprecates_on: date | None = None


def shipped_source() -> str:
    """Which release the prices come from."""
    return f"litellm {version('litellm')}"


def shipped_catalog(path: Path | None = None) -> list[ShippedOption]:
    """All entries of the price file, by name; entries without a provider or kind of use are left out.

    Raises Unavailable when the file is missing or is not what it should be.
    """
    found: dict[str, ShippedOption] = {}
    for key, entry in _entries(path or _shipped_path()):
        option = _option(key, entry)
        if option is None:
            continue
        twin = found.get(option.name)
        # A model listed with and without its provider's prefix: the entry that knows more prices stands.
        if twin is not None and _n_prices(twin.rates) > _n_prices(option.rates):
            option = _with_alias(twin, option.aliases)
        elif twin is not None:
            option = _with_alias(option, twin.aliases)
        found[option.name] = option
    return [found[name] for name in sorted(found)]


def _shipped_path() -> Path:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise Unavailable("litellm, whose price file is read, is not installed.")
    return Path(spec.origin).parent / FILE_NAME


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as problem:
        raise Unavailable(f"The price file {path.name} cannot be read: {type(problem).__name__}.") from None
    if not isinstance(told, dict):
        raise Unavailable(f"The price file {path.name} holds no table of models.")
    yield from ((key, entry) for key, entry in told.items() if isinstance(entry, dict) and key != "sample_spec")


def _option(key: str, entry: Mapping[str, Any]) -> ShippedOption | None:
    listed_provider, mode = entry.get("litellm_provider"), entry.get("mode")
    if not isinstance(listed_provider, str) or not isinstance(mode, str):
        return None
    provider = _ONE_PROVIDER.get(listed_provider, re.sub(r"-(?:\w+[-_])?models$", "", listed_provider))
    first, _, rest = key.partition("/")
    model = rest if rest and first.replace("-", "_") in (provider, listed_provider) else key
    name = f"{provider}/{model}"
    return ShippedOption(
        name=name,
        provider=provider,
        model=model,
        mode=mode,
        rates=_rates(entry, is_free=provider in FREE_PROVIDERS),
        aliases=(key,) if key != name else (),
        context_tokens=_count(entry.get("max_input_tokens")),
        max_output_tokens=_count(entry.get("max_output_tokens")),
        abilities=tuple(sorted(ours for theirs, ours in _ABILITIES.items() if entry.get(theirs) is True)),
        deprecates_on=_date(entry.get("deprecation_date")),
    )


def _rates(entry: Mapping[str, Any], *, is_free: bool) -> Rates:
    plain = _plain(entry, "")
    if not is_free and plain.get("input") == 0 and plain.get("output") == 0:
        return Rates()
    services = {
        ours: Rates(**served, tiers=_tiers(entry, f"_{theirs}"))
        for ours, theirs in _SERVICES.items()
        if (served := _plain(entry, f"_{theirs}"))
    }
    return Rates(**plain, image=_price(entry.get("input_cost_per_image")), tiers=_tiers(entry, ""), services=services)


def _plain(entry: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    found = {ours: _price(entry.get(theirs + suffix)) for ours, theirs in _COSTS.items()}
    known = {ours: cost for ours, cost in found.items() if cost is not None}
    bands = _bands(entry) if not suffix else []
    return {**bands[0][1], **known} if bands else known


def _tiers(entry: Mapping[str, Any], suffix: str) -> tuple[Tier, ...]:
    """Long-context prices. What a tier does not state keeps the plain price: the file lists only what changes."""
    base = Rates(**_plain(entry, suffix))
    steps: dict[int, dict[str, Any]] = {}
    for key in entry:
        match = _THRESHOLD.search(key)
        if match is None or key[match.end() :] != suffix:
            continue
        ours = next((ours for ours, theirs in _COSTS.items() if theirs == key[: match.start()]), None)
        cost = _price(entry[key])
        if ours and cost is not None:
            steps.setdefault(int(match[1]) * 1000, {})[ours] = cost
    if not suffix:
        steps |= dict(_bands(entry)[1:])
    return tuple(Tier(above, replace(base, **steps[above])) for above in sorted(steps))


def _bands(entry: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """`tiered_pricing`: a list of ranges of input size, each with its own prices for the whole call."""
    listed = entry.get("tiered_pricing")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    bands = []
    for row in rows:
        span = row.get("range")
        if isinstance(span, list) and span and isinstance(span[0], (int, Decimal)):
            costs = {ours: cost for ours, theirs in _COSTS.items() if (cost := _price(row.get(theirs))) is not None}
            bands.append((int(span[0]), costs))
    return sorted(bands, key=lambda band: band[0])


def _price(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    found = Decimal(value)
    return found if 0 <= found <= MAX_USD_PER_TOKEN else None


def _count(value: Any) -> int | None:
    if isinstance(value, Decimal) and value == int(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _n_prices(rates: Rates) -> int:
    return sum(rates.of(ours) is not None for ours in _COSTS)


def _with_alias(option: ShippedOption, aliases: tuple[str, ...]) -> ShippedOption:
    return replace(option, aliases=tuple(sorted({*option.aliases, *aliases})))
