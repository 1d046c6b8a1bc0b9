"""The page and the API of live quality: who may see and set what, what is refused, and what is told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evaluation import live_settings
from evaluation.models import LiveJudging
from netra.errors import Conflict, Invalid
from projects.models import AuditEntry, Project
from routing import beliefs
from routing.models import Certificate, CertificationRule
from tests import factories

PAGE, API = "/projects/agent/routing/quality/", "/api/v1/routing/agent"
JUDGING = {
    "is_on": "on",
    "judges": ["openai/judge"],
    "dimension": "quality",
    "daily_budget_usd": "2.5",
    "sample_percent": "20",
}
RULE = {"is_on": "on", "margin_points": "5", "min_pairs": "60", "error_percent": "3", "refusal_percent": ""}
RULE_OUT = {
    "is_on": True,
    "margin": 0.05,
    "min_pairs": 60,
    "max_error_share": 0.03,
    "max_refusal_share": None,
    "max_p95_ms": None,
}
pytestmark = pytest.mark.usefixtures("events")


@pytest.fixture
def market(project: Project) -> Project:
    """A project with a connection, a judge, and an option with a live belief and a certificate."""
    factories.connection(project)
    for name in ("judge", "new", "old"):
        factories.supply_option(f"openai/{name}")
    belief = beliefs.Belief(0.01, -0.03, 0.05, 88)
    since = timezone.now() - timedelta(days=3)
    beliefs.learn_live(project, "openai/new", "openai/old", belief, since=since, has_changed=False)
    Certificate.objects.create(
        project=project,
        option="openai/new",
        default_option="openai/old",
        standing="certified",
        reason="quality differs by +1.0 points",
    )
    return project


def body(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_owner_switches_judging_on_and_the_diary_says_so(market: Project, as_owner: Client) -> None:
    answer = as_owner.post(f"{PAGE}judging", JUDGING)
    assert answer.status_code == 302 and answer["Location"] == PAGE
    row = LiveJudging.objects.get()
    assert (row.is_on, row.daily_budget_usd, row.sample_share) == (True, Decimal("2.5"), 0.2)
    entry = AuditEntry.objects.get(action="live_judging_set")
    assert "openai/judge" in entry.sentence and "2.5" in entry.sentence


def test_the_page_tells_beliefs_with_their_bounds_and_certificates_with_reasons(
    market: Project, as_viewer: Client
) -> None:
    told = body(as_viewer, PAGE)
    assert "openai/new" in told and "certified" in told and "quality differs by +1.0 points" in told
    assert "−3.0" in told or "-3.0" in told
    assert "<form" not in told.split("<main", 1)[1]  # a viewer sets nothing


def test_the_page_of_a_project_without_any_says_what_to_do_next(project: Project, as_owner: Client) -> None:
    told = body(as_owner, PAGE)
    assert "Write a policy" in told and "None given" in told


def test_the_routing_page_and_the_option_page_lead_there(market: Project, as_owner: Client) -> None:
    assert PAGE in body(as_owner, "/projects/agent/routing/")
    assert "quality differs by +1.0 points" in body(as_owner, "/supply/option/openai/new")


def test_a_strangers_option_page_tells_nothing_of_another_project(market: Project, as_stranger: Client) -> None:
    assert "quality differs" not in body(as_stranger, "/supply/option/openai/new")


@pytest.mark.parametrize("path", ["", "judging", "rule"])
def test_a_stranger_finds_nothing(market: Project, as_stranger: Client, path: str) -> None:
    answer = as_stranger.post(PAGE + path, {}) if path else as_stranger.get(PAGE)
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["judging", "rule"])
def test_a_member_may_not_set_it(market: Project, as_member: Client, path: str) -> None:
    assert as_member.post(PAGE + path, JUDGING | RULE).status_code == 403
    assert not LiveJudging.objects.exists() and not CertificationRule.objects.exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"judges": []}, "Name between 1 and 3 judges"),
        ({"daily_budget_usd": "0"}, "greater than or equal to"),
        ({"daily_budget_usd": "20000"}, "at most 10,000 USD"),
        ({"sample_percent": "0"}, "greater than or equal to"),
        ({"sample_percent": "101"}, "less than or equal to"),
        ({"dimension": "beauty"}, "Select a valid choice"),
        ({"judges": ["openai/unknown"]}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    market: Project, as_owner: Client, changed: dict[str, Any], told: str
) -> None:
    answer = as_owner.post(f"{PAGE}judging", JUDGING | changed)
    assert answer.status_code == 200 and told in answer.content.decode()
    assert not LiveJudging.objects.exists()


def test_an_owner_writes_the_rule(market: Project, as_owner: Client) -> None:
    assert as_owner.post(f"{PAGE}rule", RULE).status_code == 302
    row = CertificationRule.objects.get()
    assert (row.is_on, row.margin, row.min_pairs) == (True, 0.05, 60)
    assert (row.max_error_share, row.max_refusal_share, row.max_p95_ms) == (0.03, None, None)
    assert AuditEntry.objects.filter(action="certification_set").exists()


def test_a_bad_rule_is_refused_at_its_field(market: Project, as_owner: Client) -> None:
    answer = as_owner.post(f"{PAGE}rule", RULE | {"margin_points": "51"})
    assert answer.status_code == 200 and "less than or equal to 50" in answer.content.decode()


def test_the_api_sets_and_tells_the_same(market: Project, as_owner: Client) -> None:
    given = {"is_on": True, "judges": ["openai/judge"], "daily_budget_usd": "1.5", "sample_share": 0.25}
    answer = as_owner.put(f"{API}/judging", given, content_type="application/json")
    assert answer.status_code == 200
    told = as_owner.get(f"{API}/judging").json()
    assert told == answer.json()
    assert (told["is_on"], told["judges"], told["sample_share"]) == (True, ["openai/judge"], 0.25)
    assert Decimal(told["daily_budget_usd"]) == Decimal("1.5") and Decimal(told["today_spent_usd"]) == 0


def test_the_api_tells_certificates_and_their_history(market: Project, as_viewer: Client) -> None:
    Certificate.objects.create(
        project=market, option="openai/new", default_option="openai/old", standing="withdrawn", is_current=False
    )
    now = as_viewer.get(f"{API}/certificates").json()
    assert [(each["option"], each["standing"]) for each in now] == [("openai/new", "certified")]
    assert len(as_viewer.get(f"{API}/certificates?history=true").json()) == 2
    assert as_viewer.get(f"{API}/certificates?limit=0").status_code == 400


def test_the_api_writes_the_rule(market: Project, as_owner: Client) -> None:
    given = {"is_on": True, "min_pairs": 60, "max_error_share": 0.03}
    assert as_owner.put(f"{API}/certification", given, content_type="application/json").json() == RULE_OUT
    assert as_owner.get(f"{API}/certification").json() == RULE_OUT


@pytest.mark.parametrize("path", ["judging", "certificates", "certification"])
def test_the_api_tells_a_stranger_nothing(market: Project, as_stranger: Client, path: str) -> None:
    assert as_stranger.get(f"{API}/{path}").status_code == 404
    if path != "certificates":
        answer = as_stranger.put(f"{API}/{path}", {"is_on": False}, content_type="application/json")
        assert answer.status_code == 404


@pytest.mark.parametrize("path", ["judging", "certification"])
def test_the_api_lets_no_viewer_set_it(market: Project, as_viewer: Client, path: str) -> None:
    answer = as_viewer.put(f"{API}/{path}", {"is_on": False}, content_type="application/json")
    assert answer.status_code == 403


def test_an_unknown_field_is_refused(market: Project, as_owner: Client) -> None:
    answer = as_owner.put(f"{API}/judging", {"is_on": False, "colour": 1}, content_type="application/json")
    assert answer.status_code == 422


def test_a_private_project_cannot_switch_it_on(market: Project) -> None:
    market.is_private = True
    market.save()
    with pytest.raises(Conflict, match="keeps no words"):
        live_settings.write(market, {"is_on": True, "judges": ["openai/judge"]}, by=None)


def test_a_judge_that_cannot_be_called_is_refused(market: Project) -> None:
    with pytest.raises(Invalid) as problem:
        live_settings.write(market, {"is_on": True, "judges": ["nobody/knows"]}, by=None)
    assert problem.value.field == "judges"


def test_switching_off_needs_nothing_else_to_be_right(market: Project) -> None:
    row = live_settings.write(market, {"is_on": False, "judges": []}, by=None)
    assert not row.is_on and live_settings.switched_on() == []
