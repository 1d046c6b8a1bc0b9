"""Live traffic through the gateway in the simulated world, for tests of what is judged of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from evaluation import live_settings
from netra.simulation.personas import Persona
from netra.simulation.tasks import make
from projects import shipping
from routing import catalog_sync, policies
from routing.gateway import shadowing
from routing.gateway.tenants import TENANTS
from tests.routing.gatewayed import Gateway, Reply

LARGE, MEDIUM, JUDGE = "simulated/sim-large", "simulated/sim-medium", "simulated/sim-judge"
SURE, LOST = 1 - 1e-9, 1e-9
# As good as the default in these families, and wordier: where its words differ, judges are asked.
EQUAL = Persona("sim-medium", SURE, "0.60", "2.40", 60, 2.0, verbosity=1.0)
WORSE = Persona("sim-medium", LOST, "0.60", "2.40", 60, 2.0)
BEST = Persona("sim-large", SURE, "2.50", "10.00", 90, 3.0)
FAMILIES = ("tool", "refusal")


def catalog() -> None:
    catalog_sync.apply(catalog_sync.plans()[1])


def write_policy(gateway: Gateway, kind: str = "cheapest", **rules: Any) -> None:
    given = {"candidates": [MEDIUM], "margin": 0.1, "exploration": 0.5, **rules}
    policies.write(gateway.project, "auto", kind=kind, default_option=LARGE, rules=given, by=None)
    TENANTS.forget()


def switch_on(gateway: Gateway, **changed: Any) -> None:
    given = {"is_on": True, "daily_budget_usd": Decimal(1), "sample_share": 1.0, "judges": [JUDGE], **changed}
    live_settings.write(gateway.project, given, by=None)


def ask(gateway: Gateway, seeds: Sequence[int], model: str = "netra/auto") -> list[Reply]:
    """One request for each seed, eight at a time; the log has them afterwards."""

    async def asked() -> list[Reply]:
        places = asyncio.Semaphore(8)

        async def one(seed: int) -> Reply:
            async with places:
                request = make(FAMILIES[seed % len(FAMILIES)], seed).request("any")
                return await gateway.asked({**request, "model": model})

        replies = await asyncio.gather(*(one(seed) for seed in seeds))
        await asyncio.gather(*_shadows())
        return replies

    replies = asyncio.run(asked())
    shipping.ship(gateway.spool)
    assert {reply.status for reply in replies} <= {200}, replies[0].body
    return replies


def _shadows() -> list[Any]:
    return list(shadowing._under_way)


def options(replies: Sequence[Reply]) -> list[str]:
    return [reply.headers["x-netra-option"] for reply in replies]
