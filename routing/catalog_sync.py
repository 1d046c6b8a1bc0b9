"""Bring the catalog up to date with its sources: first say what would change, then change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from netra.price_file import ShippedOption, shipped_catalog, shipped_source
from netra.prices import Rates, rates_as_json
from netra.simulation import personas
from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, SupplyOption

SIMULATED_SOURCE = "simulated"
BATCH_SIZE = 500

_FACTS = ("provider", "model", "mode", "context_tokens", "max_output_tokens", "deprecates_on")
_LISTS = ("aliases", "abilities")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between catalog and source; `field` is empty for an option that is new, gone or back."""

    option: str
    field: str = ""
    before: Any = None
    after: Any = None


@dataclass(slots=True)
class SyncPlan:
    """What a sync would do, by kind. Applying it writes price rows and options, and never edits a price."""

    source: str
    new: list[Change] = field(default_factory=list)
    priced: list[Change] = field(default_factory=list)
    limits: list[Change] = field(default_factory=list)
    deprecations: list[Change] = field(default_factory=list)
    others: list[Change] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)
    back: list[Change] = field(default_factory=list)
    n_unchanged: int = 0
    _listed: dict[str, ShippedOption] = field(default_factory=dict)

    @property
    def n_changes(self) -> int:
        return sum(len(changes) for _, changes in self.kinds())

    def kinds(self) -> list[tuple[str, list[Change]]]:
        return [
            ("new", self.new),
            ("changed price", self.priced),
            ("changed limit", self.limits),
            ("deprecation", self.deprecations),
            ("other changes", self.others),
            ("gone", self.gone),
            ("back", self.back),
        ]


def plan(listed: Iterable[ShippedOption], source: str, *, family: str) -> SyncPlan:
    """Compare a source with the catalog; `family` is how the sources of earlier syncs of this kind begin.

    Reads the options of that family and their newest list prices; writes nothing.
    """
    made = SyncPlan(source, _listed={option.name: option for option in listed})
    known = {row.name: row for row in SupplyOption.objects.filter(project=None)}
    prices = _newest_prices()
    for name, option in made._listed.items():
        row = known.get(name)
        if row is None:
            made.new.append(Change(name, after=option))
        elif row.source.startswith(family):  # what a person entered under that name is theirs
            _compare(made, row, option, prices.get(row.pk))
    gone = (row for row in known.values() if row.source.startswith(family) and row.name not in made._listed)
    made.gone.extend(Change(row.name) for row in gone if not row.is_gone)
    return made


def plans() -> list[SyncPlan]:
    """A plan for each source: the shipped price file, and the simulated world."""
    return [
        plan(shipped_catalog(), shipped_source(), family="litellm"),
        plan(map(_simulated, personas.catalog()), SIMULATED_SOURCE, family=SIMULATED_SOURCE),
    ]


@transaction.atomic
def apply(made: SyncPlan, *, at: datetime | None = None) -> None:
    """Do what the plan says: options in bulk with their history, changed prices as new rows dated `at`."""
    at = at or timezone.now()
    _add(made)
    touched = {change.option for kind, changes in made.kinds() if kind != "new" for change in changes}
    rows = {row.name: row for row in SupplyOption.objects.filter(project=None, name__in=touched)}
    gone = {change.option for change in made.gone}
    for name, row in rows.items():
        row.is_gone = name in gone
        row.updated_at = at
        if name not in gone:
            _copy_facts(made._listed[name], row)
            row.source = made.source
    fields = [*_FACTS, *_LISTS, "is_gone", "source", "updated_at"]
    bulk_update_with_history(list(rows.values()), SupplyOption, fields, batch_size=BATCH_SIZE)
    OptionPrice.objects.bulk_create(
        [_price_row(rows[change.option], change.after, made.source, at) for change in made.priced],
        batch_size=BATCH_SIZE,
    )


def _simulated(listed: personas.Listed) -> ShippedOption:
    return ShippedOption(
        name=f"simulated/{listed.model}",
        provider="simulated",
        model=listed.model,
        mode="chat",
        rates=Rates(input=listed.input, output=listed.output, cache_read=listed.cache_read),
        context_tokens=listed.context_tokens,
        max_output_tokens=listed.max_output_tokens,
        abilities=tuple(sorted(listed.abilities)),
    )


def _newest_prices() -> dict[int, OptionPrice]:
    rows = OptionPrice.objects.filter(project=None, option__project=None).order_by("effective_from", "id")
    return {row.option_id: row for row in rows}


def _compare(made: SyncPlan, row: SupplyOption, option: ShippedOption, price: OptionPrice | None) -> None:
    before = made.n_changes
    if row.is_gone:
        made.back.append(Change(row.name))
    told = rates_as_json(option.rates)
    held_price = price.rates if price else {}
    if _differ(held_price, told):
        made.priced.append(Change(row.name, "price", held_price, told))
    for name in (*_FACTS, *_LISTS):
        held, listed = getattr(row, name), getattr(option, name)
        listed = list(listed) if name in _LISTS else listed
        if held != listed:
            _kind(made, name).append(Change(row.name, name, held, listed))
    made.n_unchanged += made.n_changes == before


def _differ(held: Any, told: Any) -> bool:
    """Compare prices by value: 0.10 and 0.1 are one price."""
    if isinstance(held, dict) and isinstance(told, dict):
        return held.keys() != told.keys() or any(_differ(held[name], told[name]) for name in held)
    if isinstance(held, list) and isinstance(told, list):
        return len(held) != len(told) or any(_differ(*pair) for pair in zip(held, told, strict=True))
    if isinstance(held, str) and isinstance(told, str):
        return Decimal(held) != Decimal(told)
    return bool(held != told)


def _kind(made: SyncPlan, name: str) -> list[Change]:
    if name in ("context_tokens", "max_output_tokens"):
        return made.limits
    return made.deprecations if name == "deprecates_on" else made.others


def _add(made: SyncPlan) -> None:
    options = [_copy_facts(change.after, SupplyOption(name=change.option, source=made.source)) for change in made.new]
    for row in options:
        row.is_simulated = made.source == SIMULATED_SOURCE
    created = bulk_create_with_history(options, SupplyOption, batch_size=BATCH_SIZE)
    OptionPrice.objects.bulk_create(
        [
            _price_row(row, rates_as_json(made._listed[row.name].rates), made.source, ALWAYS_KNOWN_FROM, assumed=True)
            for row in created
            if made._listed[row.name].rates != Rates()
        ],
        batch_size=BATCH_SIZE,
    )


def _copy_facts(option: ShippedOption, row: SupplyOption) -> SupplyOption:
    for name in _FACTS:
        setattr(row, name, getattr(option, name))
    for name in _LISTS:
        setattr(row, name, list(getattr(option, name)))
    return row


def _price_row(row: SupplyOption, told: Any, source: str, since: datetime, *, assumed: bool = False) -> OptionPrice:
    note = "Assumed to have held before it was first seen." if assumed else "Dated when the change was seen."
    return OptionPrice(option=row, effective_from=since, rates=told, source=source, is_assumed=assumed, note=note)


def deprecated_soon(on: date) -> list[SupplyOption]:
    """Current options whose provider ends them by a date, soonest first."""
    return list(SupplyOption.objects.current().filter(deprecates_on__lte=on).order_by("deprecates_on", "name"))
