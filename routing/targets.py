"""From a project and an option's name to something that can be called: which connection, which key, what price."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from netra import llm, vault
from netra.errors import Conflict, NetraError
from netra.llm import OPENAI_COMPATIBLE, SIMULATED, Destination
from netra.prices import DatedRates
from projects.models import Project
from routing.calls import OptionTarget
from routing.catalog import option as find_option
from routing.catalog import price_book
from routing.models import ProviderConnection, SupplyOption

SIMULATED_CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking a connection whether it answers."""

    is_reachable: bool
    sentence: str
    models: tuple[str, ...] = ()


def target(project: Project, option_name: str) -> OptionTarget:
    """An option ready to be called for a project, priced as of now.

    Raises NotFound for an unknown option, Conflict when it has no connection, no key or no known price.
    """
    option = find_option(option_name, project)
    price = _price_now(project, option)
    if option.is_simulated and connection_for(project, option) is None:
        return _simulated(option, price)
    connection = connection_for(project, option)
    if connection is None:
        raise Conflict(
            f"No connection leads to {option.name}: add one for the provider {option.provider}.", code="no_connection"
        )
    return OptionTarget(
        option=option.name,
        model=option.model,
        destination=destination(connection),
        price=price,
        connection=connection.name,
        limits_key=f"connection-{connection.pk}",
        max_concurrency=connection.max_concurrency,
        requests_per_minute=connection.requests_per_minute,
        deadline_s=connection.deadline_s,
        context_tokens=option.context_tokens,
        max_output_tokens=option.max_output_tokens,
        abilities=frozenset(option.abilities),
        is_simulated=option.is_simulated,
    )


def connection_for(project: Project, option: SupplyOption) -> ProviderConnection | None:
    """The connection an option goes through: the project's own before a shared one, by name before by provider."""
    usable = ProviderConnection.objects.usable_by(project)
    named = [each for each in usable if option.provider in (each.name, each.provider)]
    named.sort(key=lambda each: (each.project_id is None, each.name != option.provider, each.pk))
    return named[0] if named else None


def destination(connection: ProviderConnection) -> Destination:
    """Address, key and headers of a connection, unsealed. Raises Conflict when it cannot be called."""
    key = _key(connection)
    needs_key = connection.provider not in (OPENAI_COMPATIBLE, SIMULATED) and not connection.base_url
    if needs_key and not key:
        raise Conflict(f"The connection {connection.name} has no key.", code="no_key")
    headers = json.loads(vault.unseal(connection.sealed_headers)) if connection.sealed_headers else {}
    is_dropping = connection.unsupported_parameters == ProviderConnection.UnsupportedParameters.DROP
    return Destination(connection.provider, connection.base_url, key, headers, drop_unsupported=is_dropping)


def check(connection: ProviderConnection) -> Reached:
    """Ask the server which models it has: does it answer, with this key? Costs nothing and never raises."""
    try:
        there = destination(connection)
        if not there.speaks_openai:
            return Reached(False, "Only a real call can tell for this provider.")
        models = asyncio.run(llm.model_names(there))
    except NetraError as problem:
        return Reached(False, str(problem))
    return Reached(True, f"It answers and offers {len(models):,} models.", tuple(models))


def _price_now(project: Project, option: SupplyOption) -> DatedRates:
    price = price_book(project.pk).of_option(option.name, timezone.now())
    if price is None or not price.rates.is_known:
        raise Conflict(
            f"The price of {option.name} is not known, so a budget could not be kept; enter it in the supply catalog.",
            code="price_unknown",
        )
    return price


def _simulated(option: SupplyOption, price: DatedRates) -> OptionTarget:
    base_url = import_string(settings.SIMULATED_PROVIDER)()
    return OptionTarget(
        option=option.name,
        model=option.model,
        destination=Destination(SIMULATED, base_url, "simulated"),
        price=price,
        connection=SIMULATED,
        limits_key=SIMULATED,
        max_concurrency=SIMULATED_CONCURRENCY,
        context_tokens=option.context_tokens,
        max_output_tokens=option.max_output_tokens,
        abilities=frozenset(option.abilities),
        is_simulated=True,
    )


def _key(connection: ProviderConnection) -> str:
    if not connection.key_env:
        return vault.unseal(connection.sealed_key) if connection.sealed_key else ""
    key = os.environ.get(connection.key_env, "")
    if not key:
        raise Conflict(
            f"The environment variable {connection.key_env}, named by the connection {connection.name}, is not set.",
            code="no_key",
        )
    return key
