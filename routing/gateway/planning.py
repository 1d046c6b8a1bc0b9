"""Which option answers, and which stand by: from a model's name to targets in order."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netra.errors import Forbidden, NetraError, NotFound
from netra.tokens import Tokens
from routing.beliefs import Belief
from routing.calls import OptionTarget
from routing.controller import WEIGHING, Choice, Policy, Prediction, choose
from routing.demand import Demand, describe
from routing.gateway.control import Control
from routing.gateway.foresight import FORESIGHT, UNSEEN, Foreseen
from routing.gateway.tenants import AUTO, Tenant
from routing.gateway.warmth import Conversation, added_by_caches, conversation
from routing.gateway.wire import Asked
from routing.health import Health

AS_GOOD = Belief(mean=0.0, low=0.0, high=0.0, n=0)  # the default, compared with itself
_health: dict[tuple[int, str], Health] = {}


@dataclass(slots=True)
class Plan:
    """A request with its decision. `targets` are tried in order; `call_id` names the decision and its event."""

    tenant: Tenant
    asked: Asked
    targets: list[OptionTarget]
    policy: Policy | None = None
    choice: Choice | None = None
    demand: Demand | None = None
    conversation: Conversation | None = None
    control: Control | None = None
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)


def health(project_id: int, option: str) -> Health:
    """What this process has seen of an option for a project."""
    known = _health.get((project_id, option))
    if known is None:
        known = _health[project_id, option] = Health()
    return known


def lately(project_id: int) -> dict[str, Health]:
    """All that this process has seen of a project's options."""
    return {option: seen for (owner, option), seen in list(_health.items()) if owner == project_id}


async def plan(tenant: Tenant, asked: Asked) -> Plan:
    """Decide. Raises NotFound for an unknown model, Forbidden for one that the key may not call."""
    policy = tenant.policy(asked.model)
    if policy is None:
        return await _passed_through(tenant, asked)
    _check_allowed(tenant, asked.model, policy.name, f"netra/{policy.name}")
    demand = describe(
        asked.body,
        session=asked.headers.get("session"),
        deadline_ms=asked.number("deadline-ms"),
        max_cost_usd=asked.number("max-cost-usd"),
        calibration=tenant.calibration,
    )
    talk = followed(tenant.project_id, policy, asked.body, demand)
    choice, known = await decide(tenant, policy, demand, talk=talk)
    names = [choice.option, *(name for name in choice.fallbacks if name in known)]
    targets = [known[name] for name in names if name in known]
    if not targets:
        await tenant.target(choice.option)  # raises the sentence why it cannot be called
    return Plan(tenant, asked, targets, policy, choice, demand, talk)


def followed(project_id: int, policy: Policy, body: Mapping[str, Any], demand: Demand) -> Conversation | None:
    """The request as prompt caches see it; None where the policy has no choice that they could sway."""
    if not policy.stickiness or policy.kind not in WEIGHING or not policy.candidates:
        return None
    return conversation(project_id, body, demand)


async def _passed_through(tenant: Tenant, asked: Asked) -> Plan:
    if asked.model == AUTO or asked.model.startswith("netra/"):
        name = asked.model.removeprefix("netra/")[:80]
        raise NotFound(f"This project has no policy {name!r}; make one on its Routing page.", code="model_not_found")
    target = await tenant.target(asked.model)
    _check_allowed(tenant, asked.model, target.option)
    return Plan(tenant, asked, [target])


def _check_allowed(tenant: Tenant, *names: str) -> None:
    if not any(tenant.may_call(name) for name in names):
        raise Forbidden(f"This key may not call {names[0][:120]!r}.", code="model_not_allowed")


async def decide(
    tenant: Tenant,
    policy: Policy,
    demand: Demand,
    *,
    talk: Conversation | None = None,
    draw: float | None = None,
    wait_s: float | None = None,
) -> tuple[Choice, dict[str, OptionTarget]]:
    """The policy's choice for a demand, and the targets of all its options that can be called.

    `talk`: the conversation whose warm prompt caches count. `wait_s`: how long to wait for the predictor, where it is
    not the gateway's deadline.
    """
    known: dict[str, OptionTarget] = {}
    for name in dict.fromkeys((*policy.options, *policy.fallbacks)):
        try:
            known[name] = await tenant.target(name)
        except NetraError:
            continue  # the choice says that no connection leads to it
    foreseen = await FORESIGHT.of(tenant.predictors.get(policy.default), policy, demand, wait_s=wait_s)
    added = {} if talk is None else added_by_caches(talk, known, demand.input_tokens)
    seen = [predict(tenant, each, demand, policy, foreseen, added.get(each.option)) for each in known.values()]
    return choose(demand, policy, seen, draw=random.random() if draw is None else draw), known


def predict(
    tenant: Tenant,
    target: OptionTarget,
    demand: Demand,
    policy: Policy,
    foreseen: Foreseen = UNSEEN,
    cache_usd: float | None = None,
) -> Prediction:
    """What is expected of an option: its list of abilities, price × estimated tokens, lately seen latency, beliefs.

    `cache_usd`: what prompt caches add to its plain price, or take off.
    """
    seen = health(tenant.project_id, target.option)
    is_default = target.option == policy.default
    belief = AS_GOOD if is_default else tenant.belief(target.option, policy.default, foreseen)
    plain_usd = expected_usd(target, demand)
    return Prediction(
        option=target.option,
        cost_usd=plain_usd if plain_usd is None or cache_usd is None else plain_usd + cache_usd,
        cache_usd=cache_usd,
        latency_ms=seen.latency_ms(),
        quality=belief.mean if belief else None,
        quality_low=belief.low if belief else None,
        quality_high=belief.high if belief else None,
        abilities=target.abilities,
        context_tokens=target.context_tokens,
        is_healthy=seen.breaker.state == "closed",
        standing=tenant.standings.get((target.option, policy.default)),
    )


def expected_usd(target: OptionTarget, demand: Demand) -> float | None:
    """Input and output tokens as estimated, at today's price, nothing cached; None where the price is not known."""
    tokens = Tokens(input_fresh=demand.input_tokens, output_visible=demand.output_tokens)
    rates = target.rates.at_size(demand.input_tokens)
    if rates.input is None or rates.output is None:
        return None
    return float((tokens.input_fresh or 0) * rates.input + (tokens.output_visible or 0) * rates.output)
