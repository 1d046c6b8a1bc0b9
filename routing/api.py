"""API of the routing app: the supply catalog, what calls cost, and a project's connections to providers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Status

from netra.errors import Invalid
from netra.tokens import Tokens
from projects import audit
from projects.access import owned, readable
from projects.auth import either
from projects.models import Project, User
from routing import connections, supply, targets
from routing.catalog import option as find_option
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from routing.schemas import (
    CatalogOut,
    CatalogQuery,
    ConnectionCheckOut,
    ConnectionIn,
    ConnectionOut,
    ConnectionPatch,
    EstimateIn,
    EstimateOut,
    NegotiatedPriceIn,
    OptionDetailOut,
    OwnOptionIn,
    PriceOut,
)

router = Router(auth=either)


@router.get("/supply", response=CatalogOut, summary="Options of the supply catalog")
def catalog(request: HttpRequest, wanted: Query[CatalogQuery]) -> dict[str, Any]:
    """By name; `next` is the value of `after` for the following page. With `project`, its prices and own options."""
    asked = supply.Wanted(
        search=wanted.search,
        provider=wanted.provider,
        mode=wanted.mode,
        ability=wanted.ability,
        is_certified=wanted.certified,
        is_simulated=wanted.simulated,
    )
    rows = supply.options(asked, _project(request, wanted.project), limit=wanted.limit, after=wanted.after)
    return {"options": [_option(row) for row in rows], "next": rows[-1].name if len(rows) == wanted.limit else None}


@router.get("/supply/options/{path:name}", response=OptionDetailOut, summary="One option with its price history")
def option(request: HttpRequest, name: str, project: str | None = None) -> dict[str, Any]:
    of = _project(request, project)
    [row] = supply.with_prices([find_option(name, of)], of)
    prices = [_price(price) for price in supply.history(row, of)]
    return {**_option(row), "source": row.source, "note": row.note, "prices": prices}


@router.post("/supply/estimate", response=EstimateOut, summary="What calls would cost")
def estimate(request: HttpRequest, payload: EstimateIn) -> dict[str, Any]:
    of = _project(request, payload.project)
    tokens = Tokens(
        input_fresh=payload.input_tokens,
        cache_read=payload.cache_read_tokens,
        cache_write_5m=payload.cache_write_5m_tokens,
        cache_write_1h=payload.cache_write_1h_tokens,
        output_visible=payload.output_tokens,
        reasoning=payload.reasoning_tokens,
        audio_in=payload.audio_in_tokens,
        audio_out=payload.audio_out_tokens,
    )
    row = find_option(payload.option, of)
    at = payload.at or timezone.now()
    if timezone.is_naive(at):
        raise Invalid("at: give the time with its zone, such as 2026-11-02T12:00:00Z.", field="at")
    found = supply.estimate(
        row, of, tokens, at=at, n_calls=payload.n_calls, service=payload.service, images=payload.images
    )
    price = found.price
    return {
        "option": row.name,
        "cost_usd": found.cost_usd,
        "price_source": price.source if price else None,
        "effective_from": price.effective_from if price else None,
        "is_assumed": price.is_assumed if price else None,
        "is_negotiated": price.is_negotiated if price else None,
        "sentence": found.sentence,
    }


@router.post("/projects/{slug}/prices", response={201: PriceOut}, summary="A project's own price of an option")
def negotiate(request: HttpRequest, slug: str, payload: NegotiatedPriceIn) -> Status[dict[str, Any]]:
    project = owned(request, slug)
    row = find_option(payload.option, project)
    prices = payload.prices.model_dump() if payload.prices else None
    if payload.effective_from and timezone.is_naive(payload.effective_from):
        raise Invalid("effective_from: give the time with its zone.", field="effective_from")
    price = supply.negotiate(project, row, prices, since=payload.effective_from, by=_user(request))
    audit.note(project, "price", f"Entered a negotiated price of {row.name}.", request=request)
    return Status(201, _price(price))


@router.post("/projects/{slug}/options", response={201: OptionDetailOut}, summary="A model of the project's own")
def add_option(request: HttpRequest, slug: str, payload: OwnOptionIn) -> Status[dict[str, Any]]:
    project = owned(request, slug)
    facts = payload.model_dump(include={"context_tokens", "max_output_tokens", "abilities", "aliases"})
    row = supply.add_own_option(project, payload.name, payload.prices.model_dump(), **facts)
    audit.note(project, "option", f"Added the option {row.name}.", request=request)
    return Status(201, option(request, row.name, project.slug))


@router.get("/projects/{slug}/providers", response=list[ConnectionOut], summary="Connections to providers")
def list_connections(request: HttpRequest, slug: str) -> list[dict[str, Any]]:
    project = readable(request, slug)
    return [_connection(row) for row in ProviderConnection.objects.usable_by(project, with_inactive=True)]


@router.post("/projects/{slug}/providers", response={201: ConnectionOut}, summary="Add a connection")
def add_connection(request: HttpRequest, slug: str, payload: ConnectionIn) -> Status[dict[str, Any]]:
    project = owned(request, slug)
    given = payload.model_dump(exclude={"name", "provider"})
    row = connections.create(project, name=payload.name, provider=payload.provider, given=given)
    audit.note(project, "connection", f"Added the connection {row.name} to {row.provider}.", request=request)
    return Status(201, _connection(row))


@router.patch("/projects/{slug}/providers/{name}", response=ConnectionOut, summary="Change a connection")
def change_connection(request: HttpRequest, slug: str, name: str, payload: ConnectionPatch) -> dict[str, Any]:
    project = owned(request, slug)
    given = payload.model_dump(exclude_unset=True)
    _refuse_nulls(given)
    row = connections.change(connections.find(project, name), given)
    audit.note(project, "connection", f"Changed {', '.join(sorted(given))} of the connection {name}.", request=request)
    return _connection(row)


@router.delete("/projects/{slug}/providers/{name}", response={204: None}, summary="Remove a connection")
def remove_connection(request: HttpRequest, slug: str, name: str) -> Status[None]:
    project = owned(request, slug)
    connections.find(project, name).delete()
    audit.note(project, "connection", f"Removed the connection {name}.", request=request)
    return Status(204, None)


@router.post("/projects/{slug}/providers/{name}/check", response=ConnectionCheckOut, summary="Does it answer?")
def check_connection(request: HttpRequest, slug: str, name: str) -> dict[str, Any]:
    """Ask the server which models it has; costs nothing. Only for servers that speak OpenAI's format."""
    found = targets.check(connections.find(owned(request, slug), name))
    return {"is_reachable": found.is_reachable, "sentence": found.sentence, "models": list(found.models[:1000])}


def _project(request: HttpRequest, slug: str | None) -> Project | None:
    """The project whose prices are asked for; a project's key means its own project."""
    return readable(request, slug) if slug else getattr(request, "key_project", None)


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _refuse_nulls(given: dict[str, Any]) -> None:
    # Only these can be emptied by null; of the others null would mean nothing.
    for name, value in given.items():
        if value is None and name != "requests_per_minute":
            raise Invalid(f"{name}: null is no value; leave it out to keep what is there.", field=name)


def _option(row: SupplyOption) -> dict[str, Any]:
    price = row.current_price
    per_million = {
        f"{rate}_usd_per_million": price.usd_per_million(rate) if price else None
        for rate in ("input", "output", "cache_read")
    }
    names = ("name", "provider", "model", "mode", "context_tokens", "max_output_tokens", "abilities", "aliases")
    flags = ("deprecates_on", "is_certified", "is_simulated", "is_gone")
    facts = {name: getattr(row, name) for name in (*names, *flags)}
    return {**facts, "is_own": row.project_id is not None, **per_million}


def _price(row: OptionPrice) -> dict[str, Any]:
    return {
        "effective_from": row.effective_from,
        "is_negotiated": row.project_id is not None,
        "is_assumed": row.is_assumed,
        "rates_usd_per_token": row.rates,
        "source": row.source,
        "note": row.note,
    }


def _connection(row: ProviderConnection) -> dict[str, Any]:
    """What everyone in the project may know; nothing of the key but whether there is one."""
    shown = ("name", "provider", "base_url", "max_concurrency", "requests_per_minute", "deadline_s")
    facts = {name: getattr(row, name) for name in (*shown, "unsupported_parameters", "is_active")}
    has = {"has_key": bool(row.sealed_key or row.key_env), "has_headers": bool(row.sealed_headers)}
    return {**facts, **has, "is_shared": row.project_id is None}
