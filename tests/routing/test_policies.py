"""Policies: checked, versioned, read by the gateway, decided by, explained; and who may do what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netra.errors import Invalid, NotFound
from projects import log
from projects.log import EventFilter
from projects.models import Project, User
from routing import beliefs, decisions, policies
from routing.gateway import shadowing
from routing.gateway.tenants import TENANTS
from routing.models import RoutingPolicy
from tests import factories
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import error, provider, said, served

RULES: dict[str, Any] = {"candidates": ["proxy/bar"], "margin": 0.05}


def write(project: Project, name: str = "auto", **fields: Any) -> RoutingPolicy:
    given: dict[str, Any] = {"kind": "cheapest", "default_option": "proxy/foo", "rules": RULES, "by": None}
    return policies.write(project, name, **given | fields)


@pytest.fixture
def options(project: Project) -> None:
    factories.supply_option("proxy/foo")
    factories.supply_option("proxy/bar", price={"input": "0.0000001", "output": "0.0000001"})


def test_an_edit_is_a_new_version(project: Project, options: None) -> None:
    write(project)
    second = write(project, kind="fixed", rules={})
    assert second.version == 2 and policies.current(project) == [second]
    assert RoutingPolicy.objects.filter(project=project).count() == 2


def test_a_retired_policy_is_out_of_use_and_can_come_back(project: Project, options: None) -> None:
    write(project)
    policies.retire(project, "auto")
    assert policies.current(project) == []
    with pytest.raises(NotFound):
        policies.retire(project, "auto")
    assert write(project).version == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "magic"}, "kind"),
        ({"default_option": "nobody/knows"}, "default_option"),
        ({"rules": {"candidates": ["nobody/knows"]}}, "candidates"),
        ({"rules": {"margin": 2}}, "margin"),
        ({"rules": {"margin": "x"}}, "margin"),
        ({"rules": {"exploration": 0.9}}, "exploration"),
        ({"rules": {"surprise": 1}}, "surprise"),
        ({"rules": {"candidates": "proxy/foo"}}, "candidates"),
        ({"rules": {"weights": {"beauty": 1}}}, "weights"),
        ({"rules": {"weights": {"quality": -1}}}, "weights"),
        ({"kind": "split", "rules": {}}, "shares"),
        ({"kind": "shadow", "rules": {}}, "candidates"),
        ({"rules": {"candidates": [f"x/{n}" for n in range(30)]}}, "candidates"),
    ],
)
def test_what_no_policy_can_mean_is_told_at_its_field(
    project: Project, options: None, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        write(project, **fields)
    assert refused.value.field == field


# --- through the gateway


def lead(gateway: Gateway, base_url: str) -> None:
    gateway.lead_to(base_url, "proxy", "foo")
    factories.supply_option("proxy/bar", price={"input": "0.0000001", "output": "0.0000001"}, max_output_tokens=100)


def auto(gateway: Gateway, text: str = "Hi") -> Any:
    TENANTS.forget()
    return gateway.ask(chat(text, model="netra/auto"))


def test_the_default_answers_until_something_is_shown_to_be_as_good(gateway: Gateway) -> None:
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        assert auto(gateway).headers["x-netra-option"] == "proxy/foo"
        beliefs.learn(gateway.project, "proxy/bar", "proxy/foo", mean=0.0, low=-0.04, high=0.04, n=300, source="run 1")
        assert auto(gateway).headers["x-netra-option"] == "proxy/bar"
    assert [asked["model"] for asked in upstream.asked] == ["foo", "bar"]


def test_the_decision_is_in_the_log_with_its_probability(gateway: Gateway) -> None:
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        reply = auto(gateway)
    (event,) = gateway.logged()
    told = decisions.explained(event)
    assert told and told["policy"] == "auto" and told["probability"] == 1.0
    assert event["source_record_id"] == reply.headers["x-netra-decision"]
    (row,) = decisions.latest(gateway.project)
    assert row["chosen"] == row["served"] == "proxy/foo" and row["version"] == 1


def test_a_fallback_answers_before_the_first_byte(gateway: Gateway) -> None:
    with served(error(500), error(500), said("from bar")) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project, kind="fixed", rules={"fallbacks": ["proxy/bar"]})
        reply = auto(gateway)
    assert reply.json["choices"][0]["message"]["content"] == "from bar"
    assert [asked["model"] for asked in upstream.asked] == ["foo", "foo", "bar"]
    assert gateway.logged()[0]["metadata"]["decision"]["chosen"] == "proxy/foo"


def test_a_bad_request_is_not_carried_to_the_next_option(gateway: Gateway) -> None:
    with served(error(400)) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project, kind="fixed", rules={"fallbacks": ["proxy/bar"]})
        assert auto(gateway).status == 400
    assert len(upstream.asked) == 1


def test_an_option_that_keeps_failing_is_left_alone(gateway: Gateway) -> None:
    with served(error(500)) as upstream:
        lead(gateway, upstream.base_url)
        statuses = [gateway.ask().status for _ in range(5)]
        n_asked = len(upstream.asked)
        gateway.ask()
    assert set(statuses) == {502} and len(upstream.asked) == n_asked
    (row,) = decisions.health(gateway.project)
    assert row["state"] == "open" and row["failing_share"] == 1.0


async def test_a_shadow_gets_a_copy_that_is_no_demand(gateway: Gateway) -> None:
    async with provider(said("default"), said("shadow")) as upstream:
        await asyncio.to_thread(lead, gateway, upstream.base_url)
        await asyncio.to_thread(write, gateway.project, kind="shadow", rules={"candidates": ["proxy/bar"]})
        reply = await gateway.asked(chat(model="netra/auto", stream=False))
        await asyncio.gather(*shadowing._under_way)
    assert reply.json["choices"][0]["message"]["content"] == "default"
    assert [asked["model"] for asked in upstream.asked] == ["foo", "bar"]
    rows = await asyncio.to_thread(log.events, gateway.project.pk, EventFilter(purpose="replay"))
    assert [row["outcome"] for row in rows.rows] == ["ok"]


# --- explained, and who may


def test_what_would_be_decided_is_explained(gateway: Gateway) -> None:
    lead(gateway, "http://127.0.0.1:9/v1")
    write(gateway.project)
    body = {"project": "agent", "policy": "auto", "request": chat("Mail ann@example.com")}
    told = factories.api_client(gateway.project).post("/api/v1/routing/decide", body, "application/json").json()
    assert told["option"] == "proxy/foo" and told["demand"]["risks"] == ["personal"]
    assert "ann@" not in str(told)


def test_owners_write_members_read_strangers_see_nothing(
    project: Project, options: None, owner: User, member: User, stranger: User, events: None
) -> None:
    path = "/api/v1/routing/agent/policies/auto"
    body = {"kind": "fixed", "default_option": "proxy/foo"}
    said_ = [factories.client(who).put(path, body, "application/json").status_code for who in (owner, member, stranger)]
    assert said_ == [200, 403, 404]
    seen = [factories.client(who).get("/api/v1/routing/agent/policies").status_code for who in (member, stranger)]
    assert seen == [200, 404]


@pytest.mark.parametrize("path", ["", "policies/auto/", "policies/auto/picture", "policies/new"])
def test_pages_for_owner_and_stranger(
    project: Project, options: None, owner: User, stranger: User, events: None, path: str
) -> None:
    write(project)
    beliefs.learn(project, "proxy/bar", "proxy/foo", mean=0.0, low=-0.04, high=0.04, n=300, source="run 1")
    url = f"/projects/agent/routing/{path}"
    assert [factories.client(who).get(url).status_code for who in (owner, stranger)] == [200, 404]


def test_a_policy_is_written_on_its_page(project: Project, owner: User, events: None) -> None:
    factories.connection(project, "proxy", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    factories.supply_option("proxy/foo")
    form = {
        "name": "auto",
        "kind": "fixed",
        "default_option": "proxy/foo",
        "margin_points": 3,
        "exploration_percent": 0,
    }
    reply = factories.client(owner).post("/projects/agent/routing/policies/new", form)
    assert reply.status_code == 302 and policies.named(project, "auto").rules["margin"] == 0.03


def test_a_form_that_means_nothing_says_so(project: Project, owner: User, events: None) -> None:
    factories.connection(project, "proxy", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    factories.supply_option("proxy/foo")
    form = {
        "name": "auto",
        "kind": "split",
        "default_option": "proxy/foo",
        "margin_points": 3,
        "exploration_percent": 0,
    }
    page = factories.client(owner).post("/projects/agent/routing/policies/new", form)
    assert b"A split needs shares" in page.content
    page = factories.client(owner).post("/projects/agent/routing/policies/new", {**form, "shares": "proxy/foo many"})
    assert b"is not an option with a number" in page.content


def test_limits_are_set_on_the_page(project: Project, owner: User, member: User, events: None) -> None:
    form = {"budget_usd": "2.5", "window": "day", "requests_per_minute": "60"}
    assert factories.client(owner).post("/projects/agent/routing/limits", form).status_code == 302
    assert b"$2.50 a day" in factories.client(member).get("/projects/agent/routing/").content
    assert factories.client(member).post("/projects/agent/routing/limits", form).status_code == 403


def test_a_decision_is_explained_on_its_page(gateway: Gateway, owner: User, stranger: User) -> None:
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        auto(gateway)
        gateway.ask(chat(model="proxy/bar"))
    plain, routed = sorted(gateway.logged(), key=lambda event: "decision" in event["metadata"])
    url = f"/projects/agent/routing/decisions/{routed['event_id']}/"
    page = factories.client(owner).get(url)
    assert page.status_code == 200 and b"nothing else is shown to be as good" in page.content.lower()
    assert factories.client(stranger).get(url).status_code == 404
    assert factories.client(owner).get(url.replace(routed["event_id"], plain["event_id"])).status_code == 404
