"""The supply API: the catalog for everyone, a project's prices for its people, its keys for nobody."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from projects.models import AuditEntry, Project
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from tests import factories
from tests.factories import NOON, connection, option_price, supply_option
from tests.routing.scripted import CANARY, Step, error, served

API = "/api/v1"


def send(client: Client, method: str, path: str, body: Any) -> Any:
    return getattr(client, method)(f"{API}{path}", json.dumps(body), content_type="application/json")


def names(client: Client, **query: Any) -> list[str]:
    response = client.get(f"{API}/supply", query)
    assert response.status_code == 200, response.content
    return [option["name"] for option in response.json()["options"]]


# The catalog


def test_the_catalog_lists_options_with_todays_prices(as_viewer: Client) -> None:
    supply_option(abilities=["tools"], context_tokens=128_000)
    supply_option("openai/bare", price=None)
    bare, gpt = as_viewer.get(f"{API}/supply").json()["options"]
    assert (gpt["input_usd_per_million"], gpt["output_usd_per_million"]) == ("2.000000", "8.000000")
    assert (gpt["context_tokens"], gpt["abilities"], gpt["is_own"]) == (128_000, ["tools"], False)
    assert bare["input_usd_per_million"] is None


def test_the_catalog_can_be_filtered(as_viewer: Client) -> None:
    supply_option("openai/a", abilities=["tools", "vision"], is_certified=True)
    supply_option("groq/b", aliases=["Llama-Big"], mode="chat")
    supply_option("openai/c", mode="embedding")
    supply_option("openai/d", is_gone=True)
    supply_option("simulated/e", is_simulated=True)
    assert names(as_viewer) == ["groq/b", "openai/a", "simulated/e"]
    assert names(as_viewer, provider="openai") == ["openai/a"]
    assert names(as_viewer, search="llama big") == ["groq/b"]
    assert names(as_viewer, ability="vision") == ["openai/a"]
    assert names(as_viewer, ability="visio") == []
    assert names(as_viewer, mode="embedding") == ["openai/c"]
    assert names(as_viewer, certified=True) == ["openai/a"]
    assert names(as_viewer, simulated=False) == ["groq/b", "openai/a"]
    assert names(as_viewer, search='"; DROP TABLE') == []


def test_the_catalog_is_paged(as_viewer: Client) -> None:
    for n in range(5):
        supply_option(f"openai/m{n}")
    first = as_viewer.get(f"{API}/supply", {"limit": 3}).json()
    assert first["next"] == "openai/m2"
    assert names(as_viewer, limit=3, after=first["next"]) == ["openai/m3", "openai/m4"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 10_000}, {"limit": "x"}, {"certified": "perhaps"}])
def test_a_wrong_filter_is_told_by_field(as_viewer: Client, query: dict[str, Any]) -> None:
    response = as_viewer.get(f"{API}/supply", query)
    assert response.status_code == 422 and response.json()["field"] == next(iter(query))


def test_listing_does_not_ask_once_per_option(as_viewer: Client, django_assert_max_num_queries: Any) -> None:
    for n in range(20):
        supply_option(f"openai/m{n}")
    with django_assert_max_num_queries(6):
        names(as_viewer)


def test_the_catalog_needs_a_login(client: Client, db: None) -> None:
    assert client.get(f"{API}/supply").status_code == 401
    assert client.get(f"{API}/supply/options/openai/gpt-x").status_code == 401


def test_one_option_with_its_price_history(as_viewer: Client, project: Project) -> None:
    option = supply_option()
    option_price(option, {"input": "0.000001", "output": "0.000004"}, since=NOON)
    option_price(option, {"input": "0.0000005", "output": "0.000001"}, since=NOON, project=project)
    public = as_viewer.get(f"{API}/supply/options/openai/gpt-x").json()
    assert [price["is_negotiated"] for price in public["prices"]] == [False, False]
    assert [price["is_assumed"] for price in public["prices"]] == [False, True]
    ours = as_viewer.get(f"{API}/supply/options/openai/gpt-x", {"project": project.slug}).json()
    assert sum(price["is_negotiated"] for price in ours["prices"]) == 1


def test_an_unknown_option(as_viewer: Client) -> None:
    response = as_viewer.get(f"{API}/supply/options/openai/none")
    assert response.status_code == 404 and "openai/none" in response.json()["detail"]


def test_a_stranger_sees_neither_negotiated_prices_nor_own_options(as_stranger: Client, project: Project) -> None:
    option_price(supply_option(), {"input": "0", "output": "0"}, since=NOON, project=project)
    supply_option("mine/phi", project=project)
    assert names(as_stranger) == ["openai/gpt-x"]
    assert as_stranger.get(f"{API}/supply", {"project": project.slug}).status_code == 404
    assert as_stranger.get(f"{API}/supply/options/mine/phi").status_code == 404
    assert len(as_stranger.get(f"{API}/supply/options/openai/gpt-x").json()["prices"]) == 1


def test_a_projects_key_sees_its_own_project(project: Project) -> None:
    supply_option("mine/phi", project=project)
    assert names(factories.api_client(project)) == ["mine/phi"]
    other = factories.api_client(factories.project("other"))
    assert names(other) == []
    assert other.get(f"{API}/supply", {"project": project.slug}).status_code == 404


# What calls would cost


def estimated(client: Client, **fields: Any) -> Any:
    return send(client, "post", "/supply/estimate", {"option": "openai/gpt-x", **fields})


def test_an_estimate(as_viewer: Client) -> None:
    supply_option()
    body = estimated(as_viewer, input_tokens=1_000, output_tokens=500, n_calls=10).json()
    assert float(body["cost_usd"]) == pytest.approx(10 * (0.002 + 0.004))
    assert body["is_assumed"] and "openai/gpt-x" in body["price_source"]


def test_an_estimate_at_another_date_and_for_a_project(as_viewer: Client, project: Project) -> None:
    option = supply_option()
    option_price(option, {"input": "0.000001", "output": "0.000001"}, since=NOON)
    option_price(option, {"input": "0.0000001", "output": "0.0000001"}, since=NOON, project=project)
    before = (NOON - timedelta(days=1)).isoformat()
    assert float(estimated(as_viewer, input_tokens=10**6, at=before).json()["cost_usd"]) == 2
    assert float(estimated(as_viewer, input_tokens=10**6, at=NOON.isoformat()).json()["cost_usd"]) == 1
    ours = estimated(as_viewer, input_tokens=10**6, at=NOON.isoformat(), project=project.slug).json()
    assert float(ours["cost_usd"]) == 0.1 and ours["is_negotiated"]


def test_an_estimate_of_what_has_no_price_says_so(as_viewer: Client) -> None:
    supply_option(price=None)
    assert estimated(as_viewer, input_tokens=1).json()["cost_usd"] is None
    supply_option("openai/gpt-y")
    body = estimated(as_viewer, option="openai/gpt-y", cache_read_tokens=5).json()
    assert body["cost_usd"] is None and "no known price" in body["sentence"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"input_tokens": -1}, 422),
        ({"input_tokens": 10**12}, 422),
        ({"input_tokens": "many"}, 422),
        ({"n_calls": 0}, 422),
        ({"surprise": 1}, 422),
        ({"at": "yesterday"}, 422),
        ({"at": "2026-11-02T12:00:00"}, 400),
        ({"option": "openai/none"}, 404),
    ],
)
def test_a_wrong_estimate_is_refused(as_viewer: Client, fields: dict[str, Any], status: int) -> None:
    supply_option()
    response = estimated(as_viewer, **fields)
    assert response.status_code == status and response.json()["detail"]


# Negotiated prices and own options


def test_an_owner_enters_a_negotiated_price_and_ends_it(as_owner: Client, project: Project) -> None:
    supply_option()
    body = {"option": "openai/gpt-x", "prices": {"input": "1.5", "output": "6"}, "effective_from": NOON.isoformat()}
    made = send(as_owner, "post", f"/projects/{project.slug}/prices", body)
    assert made.status_code == 201 and made.json()["rates_usd_per_token"] == {
        "input": "0.0000015",
        "output": "0.000006",
    }
    assert float(estimated(as_owner, input_tokens=10**6, project=project.slug).json()["cost_usd"]) == 1.5
    ended = send(as_owner, "post", f"/projects/{project.slug}/prices", {"option": "openai/gpt-x", "prices": None})
    assert ended.status_code == 201
    assert float(estimated(as_owner, input_tokens=10**6, project=project.slug).json()["cost_usd"]) == 2
    assert OptionPrice.objects.filter(project=project).count() == 2, "nothing is edited"
    assert AuditEntry.objects.filter(project=project, action="price").count() == 2


@pytest.mark.parametrize(("who", "status"), [("as_member", 403), ("as_viewer", 403), ("as_stranger", 404)])
def test_only_owners_enter_prices(who: str, status: int, project: Project, request: pytest.FixtureRequest) -> None:
    supply_option()
    body = {"option": "openai/gpt-x", "prices": {"input": 0, "output": 0}}
    assert send(request.getfixturevalue(who), "post", f"/projects/{project.slug}/prices", body).status_code == status
    assert OptionPrice.objects.filter(project=project).count() == 0


@pytest.mark.parametrize("prices", [{"input": -1, "output": 1}, {"input": "NaN", "output": 1}, {"input": 1}, {"x": 1}])
def test_what_is_no_price_is_refused(as_owner: Client, project: Project, prices: dict[str, Any]) -> None:
    supply_option()
    body = {"option": "openai/gpt-x", "prices": prices}
    assert send(as_owner, "post", f"/projects/{project.slug}/prices", body).status_code == 422


def test_an_owner_adds_a_model_of_their_own(as_owner: Client, project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    body = {"name": "mine/phi", "prices": {"input": "0.1", "output": "0.2"}, "abilities": ["tools"]}
    made = send(as_owner, "post", f"/projects/{project.slug}/options", body)
    assert made.status_code == 201 and made.json()["is_own"]
    assert send(as_owner, "post", f"/projects/{project.slug}/options", body).status_code == 409
    for name in ("phi", "other/phi", "mine/", "mine/a\nb"):
        assert send(as_owner, "post", f"/projects/{project.slug}/options", {**body, "name": name}).status_code == 400
    unknown = {**body, "name": "mine/b", "abilities": ["flying"]}
    assert send(as_owner, "post", f"/projects/{project.slug}/options", unknown).json()["field"] == "abilities"
    assert SupplyOption.objects.count() == 1


# Connections


def given(**fields: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "provider": "openai_compatible",
        "base_url": "http://127.0.0.1:9/v1",
        "key": CANARY,
        **fields,
    }


def test_a_key_is_written_and_never_read(as_owner: Client, project: Project) -> None:
    path = f"/projects/{project.slug}/providers"
    made = send(as_owner, "post", path, given(headers={"X-Team": f"{CANARY}-h"}))
    assert made.status_code == 201 and made.json()["has_key"] and made.json()["has_headers"]
    answers = [
        made,
        as_owner.get(f"{API}{path}"),
        send(as_owner, "patch", f"{path}/mine", {"max_concurrency": 3}),
        send(as_owner, "patch", f"{path}/mine", {"key": f"{CANARY}-2"}),
        send(as_owner, "post", path, given()),
        send(as_owner, "post", path, given(name="x", key=f"{CANARY}\n")),
        send(as_owner, "post", path, given(name="x", key=[CANARY])),
        send(as_owner, "post", f"{path}/mine/check", {}),
    ]
    for answer in answers:
        assert CANARY.encode() not in answer.content, answer.content
    assert CANARY not in repr(list(AuditEntry.objects.values()))


def test_a_connection_is_changed_and_removed(as_owner: Client, project: Project) -> None:
    path = f"/projects/{project.slug}/providers"
    send(as_owner, "post", path, given(requests_per_minute=60))
    changed = send(
        as_owner, "patch", f"{path}/mine", {"requests_per_minute": None, "deadline_s": 9, "is_active": False}
    )
    assert changed.status_code == 200
    assert (changed.json()["requests_per_minute"], changed.json()["deadline_s"]) == (None, 9)
    assert [row["is_active"] for row in as_owner.get(f"{API}{path}").json()] == [False]
    assert as_owner.delete(f"{API}{path}/mine").status_code == 204
    assert ProviderConnection.objects.count() == 0
    assert AuditEntry.objects.filter(project=project, action="connection").count() == 3


@pytest.mark.parametrize(("who", "status"), [("as_member", 403), ("as_viewer", 403), ("as_stranger", 404)])
def test_only_owners_touch_connections(who: str, status: int, project: Project, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)
    connection(project, "mine", key=CANARY)
    path = f"/projects/{project.slug}/providers"
    assert send(client, "post", path, given(name="x")).status_code == status
    assert send(client, "patch", f"{path}/mine", {"deadline_s": 3}).status_code == status
    assert client.delete(f"{API}{path}/mine").status_code == status
    assert send(client, "post", f"{path}/mine/check", {}).status_code == status
    assert ProviderConnection.objects.get().deadline_s == 60


def test_members_see_that_a_connection_is_there(as_member: Client, as_stranger: Client, project: Project) -> None:
    connection(project, "mine", key=CANARY)
    connection(None, "shared")
    connection(factories.project("other"), "theirs")
    rows = as_member.get(f"{API}/projects/{project.slug}/providers").json()
    assert [(row["name"], row["is_shared"]) for row in rows] == [("mine", False), ("shared", True)]
    assert CANARY[-4:] not in json.dumps(rows)
    assert as_stranger.get(f"{API}/projects/{project.slug}/providers").status_code == 404


def test_an_owner_can_neither_change_a_shared_connection_nor_name_a_variable(
    as_owner: Client, project: Project
) -> None:
    connection(None, "shared")
    path = f"/projects/{project.slug}/providers"
    assert send(as_owner, "patch", f"{path}/shared", {"deadline_s": 3}).status_code == 404
    assert send(as_owner, "post", path, given(key_env="SECRET_KEY")).status_code == 422


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"base_url": "ftp://x"}, "base_url"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"provider": "x"}, "provider"),
    ],
)
def test_a_wrong_value_is_told_at_its_field(as_owner: Client, project: Project, fields: Any, field: str) -> None:
    answer = send(as_owner, "post", f"/projects/{project.slug}/providers", given(**fields))
    assert answer.status_code == 400 and answer.json()["field"] == field


def test_null_is_no_value(as_owner: Client, project: Project) -> None:
    connection(project, "mine")
    answer = send(as_owner, "patch", f"/projects/{project.slug}/providers/mine", {"deadline_s": None})
    assert answer.status_code == 400 and answer.json()["field"] == "deadline_s"


@pytest.mark.parametrize(
    ("script", "reachable"),
    [(Step(body=b'{"data": [{"id": "phi"}]}'), True), (error(401, CANARY), False), (Step(body=b"<html>"), False)],
)
def test_a_check_asks_the_server(script: Step, reachable: bool, project: Project, as_owner: Client) -> None:
    with served(script) as there:
        connection(project, "mine", provider="openai_compatible", base_url=there.base_url, key=CANARY)
        answer = send(as_owner, "post", f"/projects/{project.slug}/providers/mine/check", {})
    body = answer.json()
    assert body["is_reachable"] is reachable and CANARY not in body["sentence"]
    assert body["models"] == (["phi"] if reachable else [])


def test_a_check_does_not_pretend_for_providers_of_another_format(as_owner: Client, project: Project) -> None:
    connection(project, "claude", provider="anthropic")
    answer = send(as_owner, "post", f"/projects/{project.slug}/providers/claude/check", {})
    assert not answer.json()["is_reachable"] and "real call" in answer.json()["sentence"]
