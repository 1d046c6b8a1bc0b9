"""Questions about the supply catalog, and the changes a project may make to its own part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from netra.errors import Conflict, Invalid
from netra.prices import DatedRates, cost_usd, per_million, rates_as_json, rates_from_json
from netra.tokens import Tokens
from projects.models import Project, User
from routing.catalog import price_book
from routing.models import ABILITIES, ALWAYS_KNOWN_FROM, OptionPrice, ProviderConnection, SupplyOption


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter of the catalog; empty = all."""

    search: str = ""
    provider: str = ""
    mode: str = "chat"
    ability: str = ""
    is_certified: bool | None = None
    is_simulated: bool | None = None
    with_gone: bool = False


def options(wanted: Wanted, project: Project | None, *, limit: int, after: str = "") -> list[SupplyOption]:
    """Options in the order of their names, after a name; each with `current_price` (None = not known)."""
    found = SupplyOption.objects.visible_to(project).filter(name__gt=after)
    for word in wanted.search.split():
        found = found.filter(Q(name__icontains=word) | Q(aliases__icontains=word))
    if wanted.provider:
        found = found.filter(provider=wanted.provider)
    if wanted.mode:
        found = found.filter(mode=wanted.mode)
    if wanted.ability:
        # A quoted word inside the JSON list; SQLite cannot ask whether a list contains an item.
        found = found.filter(abilities__icontains=f'"{wanted.ability}"')
    if wanted.is_certified is not None:
        found = found.filter(is_certified=wanted.is_certified)
    if wanted.is_simulated is not None:
        found = found.filter(is_simulated=wanted.is_simulated)
    if not wanted.with_gone:
        found = found.current()
    return with_prices(list(found.order_by("name")[:limit]), project)


def with_prices(rows: list[SupplyOption], project: Project | None) -> list[SupplyOption]:
    """Set `current_price` on each, for a project; one query for all."""
    now = timezone.now()
    held: dict[int, OptionPrice] = {}
    agreed: dict[int, OptionPrice] = {}
    wanted = OptionPrice.objects.filter(option__in=rows, effective_from__lte=now)
    for row in wanted.filter(Q(project=None) | Q(project=project)).order_by("effective_from", "id"):
        (held if row.project_id is None else agreed)[row.option_id] = row
    for option in rows:
        negotiated = agreed.get(option.pk)
        price = negotiated if negotiated is not None and negotiated.rates else held.get(option.pk)
        option.current_price = price
    return rows


def history(option: SupplyOption, project: Project | None) -> list[OptionPrice]:
    """All prices of an option that a project may see, newest first."""
    rows = option.prices.filter(Q(project=None) | Q(project=project))
    return list(rows.order_by("-effective_from", "-id"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call would cost; None with a sentence when it is not known."""

    cost_usd: Decimal | None
    price: DatedRates | None
    sentence: str


def estimate(
    option: SupplyOption, project: Project | None, tokens: Tokens, *, at: datetime, n_calls: int = 1, **how: Any
) -> Estimate:
    """Price some calls at the rates of a date; `how` holds `service` and `images`."""
    price = price_book(project.pk if project else 0).of_option(option.name, at)
    if price is None:
        return Estimate(None, None, f"The price of {option.name} is not known at {at:%Y-%m-%d}.")
    each = cost_usd(tokens, price.rates, **how)
    if each is None:
        return Estimate(None, price, f"Some of these tokens have no known price at {option.name}.")
    return Estimate(each * n_calls, price, f"{n_calls:,} × {each.normalize():f} USD at the price of {price.source}.")


def negotiate(
    project: Project, option: SupplyOption, prices: Mapping[str, Any] | None, *, since: datetime | None, by: User | None
) -> OptionPrice:
    """Write a project's own price of an option, or end it with None. Raises Invalid for what is no price."""
    rates = rates_of_millions(prices) if prices else {}
    return OptionPrice.objects.create(
        option=option,
        project=project,
        effective_from=since or timezone.now(),
        rates=rates,
        source=f"agreed by {project.slug}" if rates else f"list price again for {project.slug}",
        created_by=by,
    )


def add_own_option(project: Project | None, name: str, prices: Mapping[str, Any] | None, **facts: Any) -> SupplyOption:
    """Add a model that a connection of the project's leads to. Raises Invalid, or Conflict when it is there."""
    provider, _, model = name.partition("/")
    if not provider or not model or not name.isprintable() or name != name.strip():
        raise Invalid("Name it connection/model, such as my-server/llama-3.", field="name")
    if not ProviderConnection.objects.usable_by(project).filter(name=provider).exists():
        raise Invalid(f"There is no connection named {provider[:60]!r}; add it first.", field="name")
    if unknown := sorted(set(facts.get("abilities", ())) - set(ABILITIES)):
        raise Invalid(f"{unknown[0]!r} is no ability; known are {', '.join(ABILITIES)}.", field="abilities")
    rates = rates_of_millions(prices) if prices else {}
    try:
        with transaction.atomic():
            row = SupplyOption.objects.create(project=project, name=name, provider=provider, model=model, **facts)
            if rates:
                add_list_price(row, rates, source="entered by hand", since=None)
    except IntegrityError:
        raise Conflict(f"There is an option named {name} already.", code="name_taken") from None
    return row


def add_list_price(
    option: SupplyOption, rates: Mapping[str, Any], *, source: str, since: datetime | None, by: User | None = None
) -> OptionPrice:
    """Write a list price; an option's first one is taken to have held always. Raises Invalid for what is no price."""
    told = rates_as_json(rates_from_json(rates))
    is_first = since is None and not option.prices.filter(project=None).exists()
    at = ALWAYS_KNOWN_FROM if is_first else since or timezone.now()
    return option.prices.create(rates=told, source=source, effective_from=at, is_assumed=is_first, created_by=by)


def rates_of_millions(prices: Mapping[str, Any]) -> dict[str, Any]:
    """Prices as people write them (USD per million) as rates per token. Raises Invalid."""
    known = {name: format(per_million(value, field=name), "f") for name, value in prices.items() if value is not None}
    return rates_as_json(rates_from_json(known))


def callable_options(project: Project) -> list[SupplyOption]:
    """Current chat options that some connection of the project leads to, simulated ones included, with prices."""
    ways = ProviderConnection.objects.usable_by(project).values_list("name", "provider")
    reached = {word for way in ways for word in way}
    rows = SupplyOption.objects.visible_to(project).current().filter(mode="chat")
    found = rows.filter(Q(provider__in=reached) | Q(is_simulated=True)).order_by("name")
    priced = with_prices(list(found), project)
    return [row for row in priced if row.current_price is not None and row.current_price.as_rates.is_known]
