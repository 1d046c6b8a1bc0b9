"""Certifying a project's options from what is believed and logged: kept, told in the diary, obeyed by policies."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from netra.errors import Invalid
from projects import log
from projects.models import AuditEntry, Project
from projects.workloads import Outcome
from routing import beliefs, certificates, decisions, policies, tasks
from routing.models import Certificate, SupplyOption
from tests import factories

NEW, OLD = "openai/new", "openai/old"
RULE: dict[str, Any] = {
    "is_on": True,
    "margin": 0.05,
    "min_pairs": 50,
    "max_error_share": 0.2,
    "max_refusal_share": None,
    "max_p95_ms": None,
}
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def market(transactional_db: None, project: Project, events: None) -> Project:
    factories.connection(project)
    for name in ("new", "old"):
        factories.supply_option(f"openai/{name}")
    rules = {"candidates": [NEW], "margin": 0.05}
    policies.write(project, "auto", kind="cheapest", default_option=OLD, rules=rules, by=None)
    return project


def believe(project: Project, low: float, high: float, n: int = 100) -> None:
    belief = beliefs.Belief((low + high) / 2, low, high, n)
    beliefs.learn_live(project, NEW, OLD, belief, since=timezone.now(), has_changed=False)


def called(project: Project, *, answered: int = 0, failed: int = 0, refused: int = 0, start: int = 0) -> None:
    """Live calls of the last hour that the option answered, failed or declined."""
    made = []
    for number in range(answered + failed + refused):
        is_failed = number < failed
        attempt = {"option": NEW, "duration_ms": 100.0 + number, "error": "server_error" if is_failed else None}
        made.append(
            factories.event(
                f"r-{start + number}",
                started_at=timezone.now() - timedelta(minutes=30),
                purpose="live",
                outcome=Outcome.PROVIDER_ERROR if is_failed else Outcome.OK,
                is_refusal=None if is_failed else number < failed + refused,
                metadata={"option": NEW, "attempts": [attempt]},
            )
        )
    log.write(project.pk, made)


def certify(project: Project) -> str:
    certificates.certify(project)
    found = Certificate.objects.filter(project=project, option=NEW).current().first()
    return found.standing if found else ""


def test_good_evidence_certifies_and_keeps_what_it_went_by(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=40)
    assert certify(market) == "certified"
    row = Certificate.objects.get()
    assert row.evidence["n_pairs"] == 100 and row.evidence["errors"]["n"] == 40
    assert row.evidence["rule"]["margin"] == 0.05 and "quality differs by" in row.reason
    assert NEW in AuditEntry.objects.get(action="certificate_changed").sentence


def test_the_same_evidence_changes_nothing(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=40)
    tasks.certify_due()
    assert certify(market) == "certified"
    assert Certificate.objects.count() == AuditEntry.objects.filter(action="certificate_changed").count() == 1


def test_between_the_lines_a_certificate_stays_and_none_is_given(market: Project) -> None:
    certificates.write_rule(market, RULE)
    called(market, answered=40)
    believe(market, -0.07, 0.02)
    assert certify(market) == ""
    believe(market, -0.03, 0.04)
    assert certify(market) == "certified"
    believe(market, -0.07, 0.02)
    assert certify(market) == "certified"
    assert Certificate.objects.count() == 1


def test_it_is_withdrawn_and_given_again_and_the_history_stays(market: Project) -> None:
    certificates.write_rule(market, RULE)
    called(market, answered=40)
    for (low, high), standing in (
        ((-0.03, 0.04), "certified"),
        ((-0.4, -0.06), "withdrawn"),
        ((-0.07, -0.01), "withdrawn"),
        ((-0.02, 0.04), "certified"),
    ):
        believe(market, low, high)
        assert certify(market) == standing
    rows = list(Certificate.objects.order_by("pk"))
    assert [row.standing for row in rows] == ["certified", "withdrawn", "certified"]
    assert [row.is_current for row in rows] == [False, False, True]


def test_many_errors_withdraw_whatever_the_quality(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=20, failed=20)
    assert certify(market) == "withdrawn" and "errors 50.0%" in Certificate.objects.get().reason


def test_many_refusals_withdraw_where_the_rule_looks_at_them(market: Project) -> None:
    certificates.write_rule(market, RULE | {"max_refusal_share": 0.1})
    believe(market, -0.03, 0.04)
    called(market, answered=20, refused=20)
    assert certify(market) == "withdrawn" and "refusals 50.0%" in Certificate.objects.get().reason


def test_without_any_calls_nothing_is_decided(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    assert certify(market) == ""


def test_what_its_provider_has_ended_is_withdrawn(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=40)
    assert certify(market) == "certified"
    SupplyOption.objects.filter(name=NEW).update(deprecates_on=timezone.now().date())
    assert certify(market) == "withdrawn" and "ends it on" in Certificate.objects.current().get().reason


def chosen(project: Project) -> dict[str, Any]:
    return decisions.explain(project, policies.as_policy(policies.named(project, "auto")), HELLO)


def hindrance(told: dict[str, Any]) -> str | None:
    return next((row.get("hindered") for row in told["considered"] if row["option"] == NEW), None)


def test_no_policy_chooses_what_is_de_certified(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=20, failed=20)
    assert certify(market) == "withdrawn"
    told = chosen(market)
    assert told["option"] == OLD and hindrance(told) == "its certificate was withdrawn"


def test_a_policy_may_ask_for_certified_options_only(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    assert hindrance(chosen(market)) is None
    rules = {"candidates": [NEW], "margin": 0.05, "certified_only": True}
    policies.write(market, "auto", kind="cheapest", default_option=OLD, rules=rules, by=None)
    assert hindrance(chosen(market)) == "it is not certified"
    called(market, answered=40)
    assert certify(market) == "certified" and hindrance(chosen(market)) is None


def test_a_rule_that_is_off_binds_no_policy(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.4, -0.06)
    assert certify(market) == "withdrawn"
    certificates.write_rule(market, RULE | {"is_on": False})
    assert certificates.held(market) == {} and hindrance(chosen(market)) is None
    certificates.certify(market)
    assert Certificate.objects.count() == 1


def test_certified_only_is_true_or_false(market: Project) -> None:
    rules = {"certified_only": "yes"}
    with pytest.raises(Invalid) as problem:
        policies.write(market, "auto", kind="cheapest", default_option=OLD, rules=rules, by=None)
    assert problem.value.field == "certified_only"


@pytest.mark.parametrize(("name", "value"), [("margin", 0.6), ("min_pairs", 0), ("max_p95_ms", 0.5), ("margin", None)])
def test_a_rule_that_cannot_be_is_refused(market: Project, name: str, value: Any) -> None:
    with pytest.raises(Invalid) as problem:
        certificates.write_rule(market, RULE | {name: value})
    assert problem.value.field == name


def test_one_projects_evidence_is_not_anothers(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    called(market, answered=40)
    other = factories.project("other")
    certificates.write_rule(other, RULE)
    certificates.certify(other)
    assert not Certificate.objects.filter(project=other).exists() and certificates.evidence(other) == {}


def test_the_command_tells_every_verdict(market: Project) -> None:
    certificates.write_rule(market, RULE)
    believe(market, -0.03, 0.04)
    out = StringIO()
    call_command("certify", market.slug, "--json", stdout=out)
    (told,) = json.loads(out.getvalue())
    assert (told["option"], told["verdict"], told["is_new"]) == (NEW, "unchanged", False)
    called(market, answered=40)
    out = StringIO()
    call_command("certify", market.slug, stdout=out)
    assert f"{NEW} against {OLD}: certified" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("certify", "nowhere")
