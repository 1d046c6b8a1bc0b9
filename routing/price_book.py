"""From a model's name in a log to its price at a date: pure look-ups over a snapshot of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from netra.prices import DatedRates, rates_from_json

MEMO_LIMIT = 10_000

# gpt-4o-2024-08-06, claude-sonnet-4-5-20250929, claude-3-5-sonnet@20241022, gemini-…-latest
_DATED = re.compile(r"(?:[-@](?:20\d\d-\d\d-\d\d|20\d{6})|-latest)$")

# What logs and tracing conventions call the providers of the catalog.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "amazon_bedrock": ("bedrock",),
    "aws": ("bedrock",),
    "aws.bedrock": ("bedrock",),
    "aws_bedrock": ("bedrock",),
    "az.ai.inference": ("azure_ai",),
    "azure.ai.inference": ("azure_ai",),
    "az.ai.openai": ("azure",),
    "azure.ai.openai": ("azure",),
    "azure-openai": ("azure",),
    "azure_openai": ("azure",),
    "bedrock_converse": ("bedrock",),
    "claude": ("anthropic",),
    "cohere": ("cohere", "cohere_chat"),
    "fireworks": ("fireworks_ai",),
    "fireworks-ai": ("fireworks_ai",),
    "gcp.gemini": ("gemini",),
    "gcp.gen_ai": ("gemini", "vertex_ai"),
    "gcp.vertex_ai": ("vertex_ai",),
    "google": ("gemini", "vertex_ai"),
    "google_ai_studio": ("gemini",),
    "google_vertex_ai": ("vertex_ai",),
    "ibm.watsonx.ai": ("watsonx",),
    "mistral-ai": ("mistral",),
    "mistral_ai": ("mistral",),
    "mistralai": ("mistral",),
    "together": ("together_ai",),
    "together-ai": ("together_ai",),
    "vertex": ("vertex_ai",),
    "vertex-ai": ("vertex_ai",),
    "x-ai": ("xai",),
    "x.ai": ("xai",),
    "x_ai": ("xai",),
}


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """One dated price row, its rates not yet parsed: a book holds thousands, a log uses a handful."""

    effective_from: datetime
    rates: Mapping[str, Any]
    source: str
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """An option as the book knows it; `prices` rise by date. `is_own` when not from a shared price file."""

    name: str
    provider: str
    model: str
    aliases: tuple[str, ...] = ()
    is_own: bool = False
    prices: tuple[ListedPrice, ...] = ()


@dataclass(slots=True)
class Names:
    """Which option a provider and model name mean; lower case throughout."""

    by_name: dict[str, Listed] = field(default_factory=dict)
    by_alias: dict[str, Listed] = field(default_factory=dict)
    by_model: dict[str, list[Listed]] = field(default_factory=dict)
    providers: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, options: Iterable[Listed]) -> Names:
        made = cls()
        for option in options:
            made.by_name[option.name.lower()] = option
            made.by_model.setdefault(option.model.lower(), []).append(option)
            made.providers.add(option.provider.lower())
            for alias in option.aliases:
                made.by_alias.setdefault(alias.lower(), option)
        return made

    def find(self, provider: str | None, model: str) -> Listed | None:
        """The option meant, or None when there is none or it could be several with different prices.

        Tried in turn: provider/model, the model as a full name, as an alias, as the only option of that model name;
        then the same without a trailing snapshot date, for snapshots the catalog does not list.
        """
        model = model.strip().lower()
        found = self._exact(provider, model)
        if found is None and (undated := _DATED.sub("", model)) != model:
            found = self._exact(provider, undated)
        return found

    def _exact(self, provider: str | None, model: str) -> Listed | None:
        meant = _SYNONYMS.get(provider.lower(), (provider.lower(),)) if provider else ()
        for name in (*(f"{each}/{model}" for each in meant), model):
            if name in self.by_name:
                return self.by_name[name]
        alias = self.by_alias.get(model)
        if alias is not None and self._may_be(alias, meant):
            return alias
        alike = [option for option in self.by_model.get(model, ()) if self._may_be(option, meant)]
        return alike[0] if len(alike) == 1 else None

    def _may_be(self, option: Listed, meant: tuple[str, ...]) -> bool:
        """A provider the catalog knows, without that model, must not borrow another provider's price."""
        return option.is_own or option.provider.lower() in meant or not self.providers.intersection(meant)


class DatedPrices:
    """The prices that hold for one project: its own options and negotiated prices before the shared catalog."""

    def __init__(self, shared: Names, own: Names, negotiated: Mapping[str, tuple[ListedPrice, ...]]) -> None:
        self._shared = shared
        self._own = own
        self._negotiated = negotiated
        self._memo: dict[tuple[str | None, str], tuple[DatedRates, ...]] = {}

    def option_name(self, provider: str | None, model: str) -> str | None:
        """The catalog's name for a model in a log, None when it is not known."""
        found = self._find(provider, model)
        return found.name if found else None

    def rates(self, provider: str | None, model: str, at: datetime) -> DatedRates | None:
        """The rates of a model at a date; None when the model or its price then is not known."""
        key = (provider, model)
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) >= MEMO_LIMIT:  # a log may name a new model in every line
                self._memo.clear()
            known = self._memo[key] = self._dated(self._find(provider, model))
        return _held(known, at)

    def of_option(self, name: str, at: datetime) -> DatedRates | None:
        """The rates of an option by its exact name."""
        found = self._own.by_name.get(name.lower()) or self._shared.by_name.get(name.lower())
        return _held(self._dated(found), at)

    def _find(self, provider: str | None, model: str) -> Listed | None:
        return self._own.find(provider, model) or self._shared.find(provider, model)

    def _dated(self, option: Listed | None) -> tuple[DatedRates, ...]:
        """Newest first. Where a negotiated price begins it replaces the list price; an empty one ends it again."""
        if option is None:
            return ()
        listed = [_parsed(option, row) for row in option.prices]
        agreed = [_parsed(option, row, is_negotiated=True) for row in self._negotiated.get(option.name, ())]
        spans = [row for row in listed if not agreed or row.effective_from < agreed[0].effective_from]
        for position, row in enumerate(agreed):
            until = agreed[position + 1].effective_from if position + 1 < len(agreed) else None
            # The end of an agreement is a span as well: without a list price nothing is known from then on.
            spans += [row] if row.rates.input is not None else [row, *_between(listed, row.effective_from, until)]
        return tuple(reversed(spans))


def _held(dated: tuple[DatedRates, ...], at: datetime) -> DatedRates | None:
    for each in dated:
        if each.effective_from <= at:
            return each if each.rates.input is not None else None
    return None


def _between(listed: list[DatedRates], since: datetime, until: datetime | None) -> list[DatedRates]:
    """The list prices of a span in which no negotiated one holds, the first cut to begin with it."""
    before = [row for row in listed if row.effective_from <= since][-1:]
    inside = [row for row in listed if row.effective_from > since and (until is None or row.effective_from < until)]
    cut = [
        DatedRates(row.rates, row.source, row.option, since, is_assumed=row.is_assumed, is_negotiated=False)
        for row in before
    ]
    return cut + inside


def _parsed(option: Listed, row: ListedPrice, *, is_negotiated: bool = False) -> DatedRates:
    held = "assumed to hold before it was first seen" if row.is_assumed else f"from {row.effective_from:%Y-%m-%d}"
    return DatedRates(
        rates=rates_from_json(row.rates),
        source=f"{option.name}: {'negotiated, ' if is_negotiated else ''}{row.source}, {held}",
        option=option.name,
        effective_from=row.effective_from,
        is_assumed=row.is_assumed,
        is_negotiated=is_negotiated,
    )
