"""Certifying options by a project's rule: evidence gathered, judged, written down where it changes something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from netra.errors import Invalid
from projects import audit
from projects.models import Project
from routing import beliefs, option_log
from routing.certification import WITHDRAWN, Evidence, Rule, Share, Verdict, judge
from routing.models import Certificate, CertificationRule, RoutingPolicy, SupplyOption
from routing.policies import as_policy

WINDOW = timedelta(days=1)
_LIMITS: dict[str, tuple[float, float, bool]] = {
    "margin": (0.0, 0.5, False),
    "min_pairs": (1, 100_000, False),
    "max_error_share": (0.0, 1.0, True),
    "max_refusal_share": (0.0, 1.0, True),
    "max_p95_ms": (1.0, 3_600_000.0, True),
}


def rule_of(project: Project) -> CertificationRule:
    """The project's rule; one that is off, and not kept, where none was written."""
    return CertificationRule.objects.filter(project=project).first() or CertificationRule(project=project)


def write_rule(project: Project, given: Mapping[str, Any]) -> CertificationRule:
    """Keep a rule. What is switched off certifies nothing and withdraws nothing. Raises Invalid, naming the field."""
    row = rule_of(project)
    for name, (low, high, may_be_none) in _LIMITS.items():
        value = given[name]
        is_fine = may_be_none if value is None else low <= value <= high
        if not is_fine:
            raise Invalid(f"{name} must be a number from {low:g} to {high:g}.", field=name)
        setattr(row, name, value)
    row.is_on = given["is_on"]
    row.save()
    return row


def limits_of(row: CertificationRule) -> Rule:
    """What the rule's limits are, whether it is on or off."""
    return Rule(**{name: getattr(row, name) for name in _LIMITS})


def held(project: Project) -> dict[tuple[str, str], str]:
    """What holds now, by option and default: certified or withdrawn. Empty while the rule is off."""
    if not CertificationRule.objects.filter(project=project, is_on=True).exists():
        return {}
    rows = Certificate.objects.filter(project=project).current()
    return {(row.option, row.default_option): row.standing for row in rows}


def certify(project: Project) -> list[tuple[str, str, Verdict, Certificate | None]]:
    """Judge every option that may replace a default: (option, default, verdict, the certificate if it is a new one).

    Safe to repeat: the same evidence changes nothing.
    """
    row = rule_of(project)
    rule = limits_of(row)
    today = timezone.now().date()
    told = []
    for (option, default), seen in sorted(evidence(project).items()):
        verdict = judge(rule, seen, today=today)
        made = _keep(project, option, default, verdict, rule, seen) if row.is_on and verdict.standing else None
        told.append((option, default, verdict, made))
    return told


def due() -> list[Project]:
    """Projects whose rule is on."""
    return [row.project for row in CertificationRule.objects.filter(is_on=True).select_related("project")]


def evidence(project: Project) -> dict[tuple[str, str], Evidence]:
    """By option and default: of all that policies may choose, and all that was ever certified."""
    believed, done = beliefs.held(project), option_log.done(project.pk, within=WINDOW)
    pairs = {*believed, *_named(project), *held(project)}
    rows = SupplyOption.objects.visible_to(project).filter(name__in={option for option, _ in pairs})
    ends = {row.name: row.deprecates_on for row in rows}
    found = {}
    for option, default in pairs:
        belief, use = believed.get((option, default)), done.get(option, option_log.Done())
        found[option, default] = Evidence(
            quality=belief.mean if belief else None,
            quality_low=belief.low if belief else None,
            quality_high=belief.high if belief else None,
            n_pairs=belief.n if belief else 0,
            is_barred=belief.is_barred if belief else False,
            errors=Share.of(use.n_failed, use.n),
            refusals=Share.of(use.n_refused, use.n_read),
            p95_ms=use.p95_ms,
            n_calls=use.n - use.n_failed,
            ends_on=ends.get(option),
        )
    return found


def _named(project: Project) -> set[tuple[str, str]]:
    policies = [as_policy(row) for row in RoutingPolicy.objects.filter(project=project).current()]
    return {(option, each.default) for each in policies for option in each.options if option != each.default}


@transaction.atomic
def _keep(
    project: Project, option: str, default: str, verdict: Verdict, rule: Rule, seen: Evidence
) -> Certificate | None:
    rows = Certificate.objects.select_for_update().filter(project=project, option=option, default_option=default)
    before = rows.current().first()
    if before is not None and before.standing == verdict.standing:
        return None
    rows.current().update(is_current=False)
    made = Certificate.objects.create(
        project=project,
        option=option,
        default_option=default,
        standing=verdict.standing,
        reason=verdict.reason,
        evidence={**seen.told(), "rule": asdict(rule)},
    )
    word = "De-certified" if verdict.standing == WITHDRAWN else "Certified"
    audit.note(project, "certificate_changed", f"{word} {option} against {default}: {verdict.reason}")
    return made


def sentence(row: CertificationRule) -> str:
    """What holds, for the diary and the page."""
    if not row.is_on:
        return "Options are not certified by rule; certificates given before bind no policy."
    return f"Options are certified within {row.margin:.1%} of quality over at least {row.min_pairs} pairs."
