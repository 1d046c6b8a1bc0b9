"""A draft put in use with its forecast, and what came of it: by page and API, for owners only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from netra import celery
from netra.errors import Invalid
from projects.models import Project
from routing import policies, tasks
from routing.counterfactual import adoption
from routing.counterfactual.adoption import _agree
from routing.counterfactual.estimators import Estimate
from routing.counterfactual.report import Question
from routing.models import PolicyForecast, RoutingPolicy
from tests.routing import decided
from tests.routing.decided import CHEAP, DEAR, NEW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PAGE = "/projects/agent/routing/counterfactual"
HALVES = {"shares": {DEAR: 1, CHEAP: 1}}
SHARES = f"{CHEAP}+1%0A{DEAR}+1"
DRAFT = f"?policy=auto&kind=split&default_option={DEAR}&shares={SHARES}&margin_points=2&exploration_percent=0"


@pytest.fixture
def row(project: Project) -> RoutingPolicy:
    decided.options(project)
    made = decided.policy(project)
    decided.logged(project, made, 300)
    return made


def adopted(project: Project) -> RoutingPolicy:
    draft = policies.draft(project, "auto", kind="split", default_option=DEAR, rules=HALVES)
    row = adoption.adopt(project, Question(draft), default_option=DEAR, rules=HALVES, by=None)
    # As if it had been in use for an hour.
    PolicyForecast.objects.update(made_at=timezone.now() - timedelta(hours=2))
    return row


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, 100, 100.0)


def test_adopting_writes_a_version_and_keeps_the_forecast(project: Project, row: RoutingPolicy) -> None:
    made = adopted(project)
    assert (made.version, made.kind, made.is_current) == (2, "split", True)
    forecast = PolicyForecast.objects.get()
    assert (str(forecast), forecast.n_decisions) == ("auto v2", 300)
    cost = forecast.measures["cost_usd"]
    assert cost["foreseen"]["low"] < 0.006 < cost["foreseen"]["high"] < cost["before"]["value"]
    assert forecast.measures["quality"]["foreseen"]["value"] is None


def test_what_cannot_be_a_policy_is_not_adopted(project: Project, row: RoutingPolicy) -> None:
    draft = policies.draft(project, "auto", kind="split", default_option=DEAR, rules=HALVES)
    with pytest.raises(Invalid):
        adoption.adopt(project, Question(draft), default_option=DEAR, rules={"shares": {"no/such": 1}}, by=None)
    assert RoutingPolicy.objects.count() == 1 and not PolicyForecast.objects.exists()


def test_nothing_is_scored_before_there_are_calls(project: Project, row: RoutingPolicy) -> None:
    adopted(project)
    found = adoption.record(project)
    assert (found.n_scored, found.share_within, found.followed[0].n_since) == (0, None, 0)
    assert found.followed[0].saving_foreseen and found.followed[0].saving_realised is None


def test_what_came_of_it_is_held_against_the_forecast(project: Project, row: RoutingPolicy) -> None:
    made = adopted(project)
    decided.logged(project, made, 200, at=timezone.now() - timedelta(hours=1.5))
    found = adoption.record(project)
    assert found.followed[0].n_since == 200
    # Cost, latency and errors are known on both sides; quality was never judged.
    assert (found.n_scored, found.n_within, found.share_within) == (3, 3, 1.0)
    assert found.followed[0].saving_realised == pytest.approx(0.0024, abs=0.0008)


def test_a_forecast_that_was_wrong_is_counted(project: Project, row: RoutingPolicy) -> None:
    made = adopted(project)
    decided.logged(project, made, 200, at=timezone.now() - timedelta(hours=1.5))
    forecast = PolicyForecast.objects.get()
    forecast.measures["cost_usd"]["foreseen"] |= {"value": 0.001, "low": 0.0009, "high": 0.0011}
    forecast.save()
    found = adoption.record(project)
    assert (found.n_scored, found.n_within) == (3, 2)
    (cost,) = [each for each in found.followed[0].held if each.measure == "cost_usd"]
    assert cost.is_within is False


@pytest.mark.parametrize(
    ("foreseen", "realised", "expected"),
    [
        (estimate(1.0, 0.9, 1.1), estimate(1.05, 1.0, 1.1), True),
        (estimate(1.0, 0.9, 1.1), estimate(1.5, 1.4, 1.6), False),
        # 0.3 off, sides of 0.2 and 0.25 towards each other: √(0.04 + 0.0625) = 0.32 leaves room.
        (estimate(1.0, 0.99, 1.2), estimate(1.3, 1.05, 1.31), True),
        (estimate(1.3, 1.05, 1.31), estimate(1.0, 0.99, 1.2), True),
        (estimate(1.0, 0.5, 1.2), estimate(1.3, 1.25, 1.9), False),
        (estimate(None), estimate(1.0, 0.9, 1.1), None),
    ],
)
def test_agreement_by_hand(foreseen: Estimate, realised: Estimate, expected: bool | None) -> None:
    assert _agree(foreseen, realised) is expected


# ---------------------------------------------------------------- page and API
def test_the_owner_puts_a_draft_in_use(as_owner: Client, project: Project, row: RoutingPolicy) -> None:
    page = as_owner.post(f"{PAGE}{DRAFT}", follow=True).content.decode()
    assert "auto v2 is in use within five seconds" in page and "Nothing to score yet" in page
    assert RoutingPolicy.objects.get(version=2).rules["shares"] == {CHEAP: 1.0, DEAR: 1.0}


def test_only_a_readable_draft_is_put_in_use(as_owner: Client, project: Project, row: RoutingPolicy) -> None:
    assert as_owner.post(PAGE).status_code == 400
    assert as_owner.post(f"{PAGE}?policy=auto&kind=split").status_code == 400
    assert RoutingPolicy.objects.count() == 1


def test_members_look_but_do_not_adopt(as_member: Client, project: Project, row: RoutingPolicy) -> None:
    assert "Put the draft in use" not in as_member.get(f"{PAGE}{DRAFT}").content.decode()
    assert as_member.post(f"{PAGE}{DRAFT}").status_code == 403
    assert adopt(as_member).status_code == 403
    assert RoutingPolicy.objects.count() == 1


def adopt(client: Client, **fields: Any) -> Any:
    draft = {"kind": "split", "default_option": DEAR, "rules": HALVES}
    asked = {"project": "agent", "policy": "auto", "draft": draft} | fields
    return client.post("/api/v1/routing/counterfactual/adopt", asked, content_type="application/json")


def test_the_api_adopts_and_follows(as_owner: Client, project: Project, row: RoutingPolicy) -> None:
    assert adopt(as_owner).json()["version"] == 2
    found = as_owner.get("/api/v1/routing/agent/adoptions").json()
    assert (found["n_scored"], found["share_within"]) == (0, None)
    (followed,) = found["followed"]
    assert (followed["policy"], followed["version"], followed["n_since"]) == ("auto", 2, 0)
    assert {each["measure"] for each in followed["held"]} == {"cost_usd", "latency_ms", "errors", "quality"}


def test_a_saved_policy_is_adopted_as_it_is(as_owner: Client, project: Project, row: RoutingPolicy) -> None:
    assert adopt(as_owner, draft=None).json()["rules"] == row.rules


# ---------------------------------------------------------------- adopted elsewhere
@pytest.fixture
def at_once() -> Iterator[None]:
    """Tasks run where they are sent."""
    celery.app.conf.task_always_eager = True
    yield
    celery.app.conf.task_always_eager = False


def put(client: Client, **fields: Any) -> Any:
    given = {"kind": "split", "default_option": DEAR, "rules": HALVES} | fields
    return client.put("/api/v1/routing/agent/policies/auto", given, content_type="application/json")


def foreseen(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/routing/agent/adoptions").json()["followed"]
    return found


def test_a_policy_written_by_the_api_is_foreseen(
    as_owner: Client, row: RoutingPolicy, at_once: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert put(as_owner).json()["version"] == 2
    (found,) = foreseen(as_owner)
    assert (found["version"], found["n_decisions"], found["caveat"]) == (2, 300, "")
    assert found["saving_foreseen"] > 0 and found["saving_realised"] is None


def test_a_policy_written_on_its_page_is_foreseen(
    as_owner: Client, row: RoutingPolicy, at_once: None, django_capture_on_commit_callbacks: Any
) -> None:
    fields = {"kind": "split", "default_option": DEAR, "margin_points": "2", "exploration_percent": "0"}
    with django_capture_on_commit_callbacks(execute=True):
        as_owner.post("/projects/agent/routing/policies/auto/", fields | {"shares": f"{CHEAP} 1\n{DEAR} 1"})
    assert str(PolicyForecast.objects.get()) == "auto v2"
    assert "auto v2" in as_owner.get(PAGE).content.decode()


def test_saving_waits_for_no_forecast(as_owner: Client, row: RoutingPolicy) -> None:
    assert put(as_owner).status_code == 200 and not PolicyForecast.objects.exists()


def test_whatever_was_written_without_a_forecast_gets_one(project: Project, row: RoutingPolicy, at_once: None) -> None:
    RoutingPolicy.objects.update(created_at=timezone.now() - timedelta(days=3))
    policies.write(project, "auto", kind="split", default_option=DEAR, rules=HALVES, by=None)
    tasks.foresee_due()
    assert str(PolicyForecast.objects.get()) == "auto v2"
    assert adoption.due() == []


def test_a_policy_whose_project_is_gone_is_no_trouble(project: Project, row: RoutingPolicy) -> None:
    project.delete()
    tasks.foresee_policy(row.pk)
    assert not PolicyForecast.objects.exists()


def test_only_what_was_logged_before_counts_and_once(project: Project, row: RoutingPolicy) -> None:
    made = policies.write(project, "auto", kind="split", default_option=DEAR, rules=HALVES, by=None)
    RoutingPolicy.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=2))
    made.refresh_from_db()
    forecast = adoption.foresee(made)
    assert (forecast.n_decisions, forecast.made_at) == (0, made.created_at)
    RoutingPolicy.objects.filter(pk=made.pk).update(created_at=timezone.now())
    made.refresh_from_db()
    assert adoption.foresee(made) == forecast and PolicyForecast.objects.count() == 1


def test_a_new_version_is_foreseen_from_the_calls_of_its_name(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, decided.policy(project, "other"), 40)
    second = policies.write(project, "auto", kind="split", default_option=DEAR, rules=HALVES, by=None)
    first = policies.write(project, "new", kind="split", default_option=DEAR, rules=HALVES, by=None)
    assert (adoption.foresee(second).n_decisions, adoption.foresee(first).n_decisions) == (300, 340)


def test_thin_evidence_says_so(as_owner: Client, project: Project) -> None:
    decided.options(project)
    first = decided.policy(project)
    assert adoption.foresee(first).caveat == "Nothing is foreseen: no decision was logged in the 7 days before."
    decided.logged(project, first, 40)
    untried = policies.write(project, "auto", kind="fixed", default_option=NEW, rules={}, by=None)
    assert "goes where the log never went, such as lab/new" in adoption.foresee(untried).caveat
    rare = policies.write(project, "auto", kind="fixed", default_option=CHEAP, rules={}, by=None)
    assert "decisions are worth" in adoption.foresee(rare).caveat
    page = as_owner.get(PAGE).content.decode()
    assert "no decision was logged in the 7 days before" in page and "decisions are worth" in page
    assert [each["saving_foreseen"] for each in foreseen(as_owner)] == [None, None, None]


def test_strangers_and_members_make_no_forecast(as_stranger: Client, as_member: Client, row: RoutingPolicy) -> None:
    assert (put(as_stranger).status_code, put(as_member).status_code) == (404, 403)
    assert as_stranger.get("/api/v1/routing/agent/adoptions").status_code == 404
    assert RoutingPolicy.objects.count() == 1
