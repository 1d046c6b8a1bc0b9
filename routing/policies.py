"""Policies as people write them: checked, versioned, and turned into what the controller reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from netra.errors import Invalid, NotFound
from projects.models import Project, User
from routing.controller import KINDS, SHADOW, SPLIT, Policy
from routing.models import RoutingPolicy, SupplyOption

MAX_OPTIONS = 20
_NUMBERS = {
    "margin": (0.0, 0.5),
    "max_cost_usd": (0.0, 1_000.0),
    "max_latency_ms": (1.0, 3_600_000.0),
    "exploration": (0.0, 0.5),
    "hedge_after_ms": (10.0, 600_000.0),
    "hedge_quantile": (0.5, 0.999),
}
_LISTS = ("candidates", "fallbacks", "never_explore")
_MAPS = ("weights", "shares")
_SWITCHES = {"certified_only": False, "stickiness": True}  # with what holds where nothing is said
RULES = frozenset((*_NUMBERS, *_LISTS, *_MAPS, *_SWITCHES))
WEIGHTS = frozenset({"quality", "cost", "latency"})


def as_policy(row: RoutingPolicy) -> Policy:
    """What the controller reads. Rules that an older version wrote otherwise are left out."""
    rules = {name: value for name, value in row.rules.items() if name in RULES and value is not None}
    for name in ("candidates", "fallbacks"):
        rules[name] = tuple(rules.get(name, ()))
    if "never_explore" in rules:
        rules["never_explore"] = frozenset(rules["never_explore"])
    return Policy(name=row.name, version=row.version, kind=row.kind, default=row.default_option, **rules)


def current(project: Project) -> list[RoutingPolicy]:
    return list(RoutingPolicy.objects.filter(project=project).current().order_by("name"))


def named(project: Project, name: str) -> RoutingPolicy:
    """The version in use. Raises NotFound."""
    found = RoutingPolicy.objects.filter(project=project, name=name).current().first()
    if found is None:
        raise NotFound(f"There is no policy {name[:80]!r}.")
    return found


def write(
    project: Project, name: str, *, kind: str, default_option: str, rules: Mapping[str, Any], by: User | None
) -> RoutingPolicy:
    """A new version of a policy, in use at once. Raises Invalid, naming the field."""
    checked = check(project, kind=kind, default_option=default_option, rules=rules)
    with transaction.atomic():
        rows = RoutingPolicy.objects.select_for_update().filter(project=project, name=name)
        last = rows.order_by("-version").first()
        rows.filter(is_current=True).update(is_current=False)
        return RoutingPolicy.objects.create(
            project=project,
            name=name,
            version=last.version + 1 if last else 1,
            kind=kind,
            default_option=default_option,
            rules=checked,
            created_by=by,
        )


def draft(project: Project, name: str, *, kind: str, default_option: str, rules: Mapping[str, Any]) -> Policy:
    """A policy as the controller would read it, not saved. Raises Invalid, naming the field."""
    checked = check(project, kind=kind, default_option=default_option, rules=rules)
    return as_policy(RoutingPolicy(name=name, version=0, kind=kind, default_option=default_option, rules=checked))


def retire(project: Project, name: str) -> None:
    """Out of use; its versions stay readable. Raises NotFound."""
    row = named(project, name)
    row.is_retired = True
    row.save(update_fields=["is_retired"])


def check(project: Project, *, kind: str, default_option: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules in their plain form. Raises Invalid for what no policy can mean."""
    if kind not in KINDS:
        raise Invalid(f"{kind!r} is no kind of policy; there are {', '.join(KINDS)}.", field="kind")
    if unknown := sorted(set(rules) - RULES):
        raise Invalid(f"{unknown[0]!r} is no rule; there are {', '.join(sorted(RULES))}.", field=unknown[0])
    told: dict[str, Any] = {name: _number(name, rules[name]) for name in _NUMBERS if rules.get(name) is not None}
    told |= {name: _names(name, rules[name]) for name in _LISTS if rules.get(name)}
    told |= {name: _weights(name, rules[name]) for name in _MAPS if rules.get(name)}
    switches = {name: _switch(name, rules[name]) for name in _SWITCHES if rules.get(name) is not None}
    told |= {name: value for name, value in switches.items() if value is not _SWITCHES[name]}
    _check_kind(kind, told)
    named = [name for rule in ("candidates", "fallbacks", "shares") for name in told.get(rule, ())]
    _check_options(project, [default_option, *named])
    return told


def _check_kind(kind: str, rules: Mapping[str, Any]) -> None:
    if kind == SPLIT and not rules.get("shares"):
        raise Invalid("A split needs shares: options with their weights.", field="shares")
    if kind == SHADOW and not rules.get("candidates"):
        raise Invalid("Name the candidate that gets the copies.", field="candidates")
    if unknown := sorted(set(rules.get("weights", {})) - WEIGHTS):
        raise Invalid(f"{unknown[0]!r} has no weight; there are {', '.join(sorted(WEIGHTS))}.", field="weights")


def _check_options(project: Project, names: list[str]) -> None:
    if len(set(names)) > MAX_OPTIONS:
        raise Invalid(f"A policy names at most {MAX_OPTIONS} options.", field="candidates")
    known = set(SupplyOption.objects.visible_to(project).filter(name__in=names).values_list("name", flat=True))
    if unknown := [name for name in names if name not in known]:
        field = "default_option" if unknown[0] == names[0] else "candidates"
        raise Invalid(f"There is no supply option {unknown[0][:120]!r}.", field=field)


def _number(name: str, value: Any) -> float:
    low, high = _NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise Invalid(f"{name} must be a number from {low:g} to {high:g}.", field=name)
    return float(value)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{name} is true or false.", field=name)
    return value


def _names(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Invalid(f"{name} must be a list of names.", field=name)
    return list(dict.fromkeys(value))


def _weights(name: str, value: Any) -> dict[str, float]:
    is_fine = isinstance(value, dict) and all(
        isinstance(each, (int, float)) and not isinstance(each, bool) and 0 <= each < 1e9 for each in value.values()
    )
    if not is_fine:
        raise Invalid(f"{name} must be an object of names with numbers that are not negative.", field=name)
    return {str(key): float(each) for key, each in value.items()}
