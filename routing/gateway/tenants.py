"""Whose key it is, and what that project may call: snapshots in memory, refreshed off the hot path."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import close_old_connections
from django.db.models import Max, Q

from netra import vault
from netra.errors import NetraError, NotFound
from netra.prices import PriceBook
from projects.auth import note_use
from projects.models import ApiKey, Project
from projects.privacy import Door
from routing import calibrating, certificates, controls, predictor
from routing.allowances import Purse, purses
from routing.beliefs import Belief, Beliefs, held
from routing.calls import OptionTarget
from routing.catalog import price_book
from routing.controller import Policy
from routing.controls import Controls
from routing.demand import UNCALIBRATED, Calibration
from routing.gateway.foresight import UNSEEN, Foreseen
from routing.learning import Learnt
from routing.models import (
    Allowance,
    Certificate,
    CertificationRule,
    LiveBelief,
    OptionBelief,
    OptionPrice,
    ProviderConnection,
    RoutingPolicy,
    SupplyOption,
    TokenCalibration,
    TrainedPredictor,
)
from routing.policies import as_policy
from routing.targets import connection_for, target

# A revoked key, a new policy or price holds within this time; nobody waits for the refresh.
FRESH_S = 5.0
FORGOTTEN_S = 300.0
AUTO = "netra/auto"


@dataclass(slots=True)
class Tenant:
    """What is known of a key's project. Look-ups are dict look-ups; an option seen first is built in a thread."""

    key_id: int
    key_name: str
    project: Project
    door: Door
    policies: Mapping[str, Policy]
    purses: tuple[Purse, ...]
    beliefs: Beliefs
    book: PriceBook
    allowed: frozenset[str]
    stamp: tuple[object, ...]
    targets: dict[str, OptionTarget | NetraError] = field(default_factory=dict)
    predictors: Mapping[str, Learnt] = field(default_factory=dict)
    standings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    calibration: Calibration = UNCALIBRATED
    controls: Controls | None = None

    @property
    def project_id(self) -> int:
        return self.project.pk

    def belief(self, option: str, default: str, foreseen: Foreseen = UNSEEN) -> Belief | None:
        """What is believed of an option against a default; None when it was never compared, or not on such a prompt.

        What was learnt of such prompts goes before the plain belief, but not past a gate that failed an evaluation.
        """
        plain = self.beliefs.get((option, default))
        if option not in foreseen or (plain is not None and plain.is_barred):
            return plain
        learnt = foreseen[option]
        return None if learnt is None else Belief(learnt.mean, learnt.low, learnt.high, learnt.n)

    def policy(self, model: str) -> Policy | None:
        """The policy a model's name stands for: its name, `netra/NAME`, or `netra/auto` for the one called auto."""
        return self.policies.get(model) or self.policies.get(model.removeprefix("netra/"))

    def may_call(self, name: str) -> bool:
        return not self.allowed or name in self.allowed

    async def target(self, name: str) -> OptionTarget:
        """An option ready to be called. Raises NotFound or Conflict, with the sentence that mends it."""
        found = self.targets.get(name)
        if found is None:
            found = await asyncio.to_thread(self._look_up, name)
        if isinstance(found, NetraError):
            raise found
        return found

    def _look_up(self, name: str) -> OptionTarget | NetraError:
        try:
            found: OptionTarget | NetraError = target(self.project, _option_name(self.project, name))
        except NetraError as problem:
            found = problem
        finally:
            close_old_connections()
        if len(self.targets) > 5_000:  # names are the sender's to invent
            self.targets.clear()
        self.targets[name] = found
        return found


def _option_name(project: Project, name: str) -> str:
    """A bare model name means the option of that model which a connection leads to; the project's own go first."""
    known = SupplyOption.objects
    sentence = f"There is no model {name[:120]!r} that this project can call; see GET /v1/models."
    if "\0" in name:  # PostgreSQL cannot be asked for a NUL, and no name has one
        raise NotFound(sentence, code="model_not_found")
    if known.named(name, project) is not None:
        return name
    alike = known.visible_to(project).current().filter(Q(model=name) | Q(aliases__icontains=f'"{name}"'))
    for option in alike.order_by("project__id", "name"):
        if option.is_simulated or connection_for(project, option) is not None:
            return option.name
    raise NotFound(sentence, code="model_not_found")


@dataclass(slots=True)
class _Known:
    tenant: Tenant | None
    looked_at: float
    is_refreshing: bool = False


class Tenants:
    """Keys and their projects. The first request of a key waits for the database; later ones never do."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    async def of(self, key: str) -> Tenant | None:
        """The tenant of a key; None for one that is not in use."""
        known, now = self._known.get(key), time.monotonic()
        if known is None or now - known.looked_at > FORGOTTEN_S:
            known = await asyncio.to_thread(self._refresh, key, None)
        elif now - known.looked_at > FRESH_S and not known.is_refreshing:
            known.is_refreshing = True
            asyncio.get_running_loop().run_in_executor(None, self._refresh, key, known)
        return known.tenant

    def forget(self) -> None:
        self._known.clear()

    def _refresh(self, key: str, known: _Known | None) -> _Known:
        held = known.tenant if known else None
        try:
            tenant = _looked_up(key, held)
        except Exception:
            # The database is away: what was known goes on, a key never seen is asked for again.
            if known is None:
                raise
            tenant = held
        finally:
            close_old_connections()
        made = _Known(tenant, time.monotonic() + random.uniform(-0.5, 0.5))
        with self._lock:
            if len(self._known) > 20_000:  # guesses must not fill the memory
                self._known.clear()
            self._known[key] = made
        return made


def _looked_up(key: str, held: Tenant | None) -> Tenant | None:
    row = ApiKey.objects.live().select_related("project").filter(fingerprint=vault.fingerprint(key)).first()
    if row is None:
        return None
    note_use(row)
    stamp = _stamp(row)
    return held if held is not None and held.stamp == stamp else _tenant(row, stamp)


def _tenant(row: ApiKey, stamp: tuple[object, ...]) -> Tenant:
    allowances = list(Allowance.objects.filter(project=row.project).filter(Q(api_key=None) | Q(api_key=row)))
    return _made(row.project, allowances, key_id=row.pk, key_name=row.name, stamp=stamp)


def unkeyed(project: Project) -> Tenant:
    """A project as the gateway sees it, for asking what it would do. Reads the database."""
    return _made(project, [], key_id=0, key_name="", stamp=())


def _made(project: Project, allowances: list[Allowance], **known: Any) -> Tenant:
    policies = [as_policy(each) for each in RoutingPolicy.objects.filter(project=project).current()]
    allowed = [frozenset(each.allowed_models) for each in allowances if each.allowed_models]
    return Tenant(
        project=project,
        door=Door.of(project),
        policies={each.name: each for each in policies},
        purses=purses(allowances),
        beliefs=held(project),
        predictors=predictor.held(project),
        standings=certificates.held(project),
        calibration=calibrating.held(project),
        controls=controls.held(project),
        book=price_book(project.pk),
        allowed=frozenset.intersection(*allowed) if allowed else frozenset(),
        **known,
    )


def _stamp(row: ApiKey) -> tuple[object, ...]:
    """Differs after any change to what a tenant holds; connections and options carry the time of their last edit."""
    project = row.project
    told = [project.is_private, str(project.masks), str(project.masked_terms), project.incumbent]
    connections = ProviderConnection.objects.usable_by(project, with_inactive=True)
    told += [connections.aggregate(at=Max("updated_at"))["at"], connections.count()]
    told += [SupplyOption.objects.visible_to(project).aggregate(at=Max("updated_at"))["at"]]
    told += [RoutingPolicy.objects.filter(project=project).aggregate(at=Max("created_at"))["at"]]
    told += list(RoutingPolicy.objects.filter(project=project).current().values_list("pk", flat=True))
    told += [Allowance.objects.filter(project=project).aggregate(at=Max("updated_at"))["at"]]
    told += [OptionBelief.objects.filter(project=project).aggregate(at=Max("learnt_at"))["at"]]
    told += [LiveBelief.objects.filter(project=project).aggregate(at=Max("learnt_at"))["at"]]
    told += [CertificationRule.objects.filter(project=project).aggregate(at=Max("updated_at"))["at"]]
    told += [TokenCalibration.objects.filter(project=project).aggregate(at=Max("learnt_at"))["at"]]
    told += [Certificate.objects.filter(project=project).aggregate(last=Max("pk"))["last"]]
    told += list(TrainedPredictor.objects.filter(project=project).current().values_list("pk", flat=True))
    told += controls.stamp(project)
    prices = OptionPrice.objects.filter(Q(project=None) | Q(project=project))  # only ever added
    told += [prices.aggregate(last=Max("pk"))["last"]]
    return tuple(told)


TENANTS = Tenants()
