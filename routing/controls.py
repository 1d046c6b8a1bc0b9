"""A project's response caches and guardrails: as people set them, and as the gateway holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Max
from django.utils import timezone

from netra import vault
from netra.errors import Invalid
from projects.models import Erasure, Project
from routing import guardrails
from routing.guardrails import Rule
from routing.models import GatewayControls

# What may be set, with its bounds; the rest are yes or no, and the list of guardrails.
NUMBERS: dict[str, tuple[float, float]] = {
    "ttl_s": (1, 30 * 86_400),
    "max_entries": (1, 100_000),
    "similarity": (0.8, 1.0),
    "check_share": (0.01, 1.0),
    "max_false_share": (0.001, 0.5),
}
SWITCHES = ("exact_cache", "semantic_cache")
FIELDS = frozenset((*NUMBERS, *SWITCHES, "guardrails"))
# After a change to these, earlier checks say nothing of what the semantic cache does now.
_MEASURED = ("semantic_cache", "similarity")


@dataclass(frozen=True, slots=True)
class Controls:
    """What the gateway does for a project beside routing. Answers kept under another `namespace` are not found."""

    namespace: str
    secret: bytes
    keeps_exact: bool = False
    keeps_alike: bool = False
    ttl_s: int = 0
    max_entries: int = 0
    similarity: float = 1.0
    check_share: float = 0.0
    rules: tuple[Rule, ...] = ()


def of(project: Project) -> GatewayControls:
    """The project's row; an unsaved one with everything off where it has none."""
    return GatewayControls.objects.filter(project=project).first() or GatewayControls(project=project)


def held(project: Project) -> Controls | None:
    """What the gateway needs to know; None where nothing is asked for. In privacy mode no answer is kept."""
    row = GatewayControls.objects.filter(project=project).first()
    if row is None:
        return None
    keeps = row.exact_cache and not project.is_private
    if not keeps and not row.guardrails:
        return None
    return Controls(
        namespace=f"{project.pk}.{_epoch(row):.6f}",
        secret=bytes.fromhex(vault.keyed_hash("answers", purpose=f"project {project.pk}")),
        keeps_exact=keeps,
        keeps_alike=keeps and row.semantic_cache,
        ttl_s=_ttl_s(row, project),
        max_entries=row.max_entries,
        similarity=row.similarity,
        check_share=row.check_share,
        rules=guardrails.as_rules(row.guardrails),
    )


def stamp(project: Project) -> tuple[object, ...]:
    """Differs after any change to what `held` gives."""
    row = GatewayControls.objects.filter(project=project).values_list("updated_at").first()
    return (row, project.retention_days, _erased_at(project) if row else None)


def _epoch(row: GatewayControls) -> float:
    """Since when answers count: cleared by hand, by new guardrails, or because a person's events were deleted."""
    erased_at = _erased_at(row.project)
    return max(row.cleared_at, erased_at).timestamp() if erased_at else row.cleared_at.timestamp()


def _erased_at(project: Project) -> Any:
    return Erasure.objects.filter(project=project).aggregate(at=Max("at"))["at"]


def _ttl_s(row: GatewayControls, project: Project) -> int:
    """No answer is given for longer than the events it came from are kept."""
    if project.retention_days is None:
        return row.ttl_s
    return min(row.ttl_s, round(timedelta(days=project.retention_days).total_seconds()))


def write(project: Project, given: Mapping[str, Any]) -> GatewayControls:
    """Change what is named, and only that. Raises Invalid, naming the field."""
    row, told = of(project), check(given)
    is_remeasured = any(name in told and told[name] != getattr(row, name) for name in _MEASURED)
    has_new_rules = "guardrails" in told and told["guardrails"] != row.guardrails
    for name, value in told.items():
        setattr(row, name, value)
    _check_together(row, project)
    if is_remeasured:
        row.counted_from, row.stopped_at, row.stopped_because = timezone.now(), None, ""
    if has_new_rules:  # answers kept before have not passed them
        row.cleared_at = timezone.now()
    row.save()
    return row


def clear(project: Project) -> None:
    """No answer kept until now is given any more."""
    row = of(project)
    row.cleared_at = timezone.now()
    row.save()


def check(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in their plain form. Raises Invalid, naming the field."""
    if unknown := sorted(set(given) - FIELDS):
        raise Invalid(f"{unknown[0]!r} is no setting; there are {', '.join(sorted(FIELDS))}.", field=unknown[0])
    told = {name: _number(name, given[name]) for name in NUMBERS if name in given}
    for name in SWITCHES:
        if name in given:
            told[name] = _switch(name, given[name])
    if "guardrails" in given:
        told["guardrails"] = guardrails.checked(given["guardrails"])
    return told


def _number(name: str, value: Any) -> Any:
    low, high = NUMBERS[name]
    is_whole = isinstance(low, int)
    fits = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        raise Invalid(f"{name} must be a {'whole ' * is_whole}number from {low:,g} to {high:,g}.", field=name)
    return value


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{name} must be true or false.", field=name)
    return value


def _check_together(row: GatewayControls, project: Project) -> None:
    if row.semantic_cache and not row.exact_cache:
        raise Invalid("The semantic cache needs the exact one: it gives the answers kept there.", field="exact_cache")
    if row.exact_cache and project.is_private:
        raise Invalid("In privacy mode no words are kept, so there is no cache of answers.", field="exact_cache")
