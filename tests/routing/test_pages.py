"""Pages of the supply side: prices by date, connections that keep their secrets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from projects.models import Project
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from tests.routing.scripted import Step, error, served

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
KEY = "sk-canary-0123456789abcdef"


@pytest.fixture
def option(db: None) -> SupplyOption:
    made = SupplyOption.objects.create(
        name="openai/gpt-4o", provider="openai", model="gpt-4o", context_tokens=128_000, abilities=["tools"]
    )
    rates = {"input": "0.0000025", "output": "0.00001"}
    OptionPrice.objects.create(option=made, effective_from=datetime(2020, 1, 1, tzinfo=UTC), rates=rates, source="test")
    return made


def test_the_catalog_lists_prices_per_million(as_viewer: Client, option: SupplyOption) -> None:
    page = as_viewer.get("/supply/").content.decode()
    assert "openai/gpt-4o" in page
    assert "$2.50" in page
    assert "$10.00" in page


def test_searching_narrows_it(as_viewer: Client, option: SupplyOption) -> None:
    assert "openai/gpt-4o" not in as_viewer.get("/supply/?search=claude").content.decode()
    assert "Nothing found" in as_viewer.get("/supply/?search=claude").content.decode()


def test_one_option_shows_its_history(as_viewer: Client, option: SupplyOption) -> None:
    assert "$2.50" in as_viewer.get(option.get_absolute_url()).content.decode()
    assert as_viewer.get("/supply/option/openai/none").status_code == 404


def test_a_negotiated_price_is_the_owner_s_to_enter(
    as_owner: Client, as_member: Client, project: Project, option: SupplyOption
) -> None:
    body = {"project": "agent", "input": "1.25", "output": "5"}
    path = "/supply/price/openai/gpt-4o"
    assert as_member.post(path, body).status_code == 403
    assert as_owner.post(path, body).status_code == 302
    page = as_owner.get(f"{option.get_absolute_url()}?project=agent").content.decode()
    assert "$1.25" in page
    assert "negotiated" in page


def test_a_wrong_price_gets_a_sentence(as_owner: Client, project: Project, option: SupplyOption) -> None:
    answer = as_owner.post("/supply/price/openai/gpt-4o", {"project": "agent", "input": "cheap", "output": "5"})
    assert "Enter a number" in answer.content.decode()
    assert OptionPrice.objects.count() == 1


def _connection(**changes: str) -> dict[str, str]:
    given = {
        "name": "mine",
        "provider": "openai_compatible",
        "base_url": "http://127.0.0.1:9/v1",
        "key": KEY,
        "max_concurrency": "4",
        "requests_per_minute": "",
        "deadline_s": "30",
    }
    return given | changes


def test_a_connection_is_added_and_its_key_never_shown(as_owner: Client, project: Project) -> None:
    answer = as_owner.post("/projects/agent/providers/", _connection(), follow=True)
    page = answer.content.decode()
    assert "mine" in page
    assert KEY not in page
    assert KEY not in ProviderConnection.objects.get().sealed_key


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Not A Name"}, "lower-case"),
        ({"base_url": "ftp://x"}, "must start with http"),
        ({"base_url": "http://user:pw@host/v1"}, "no credentials"),
        ({"provider": "nobody"}, "is no provider"),
        ({"max_concurrency": "0"}, "At least 1"),
    ],
)
def test_wrong_values_get_a_sentence_and_the_key_is_not_repeated(
    as_owner: Client, project: Project, changes: dict[str, str], sentence: str
) -> None:
    page = as_owner.post("/projects/agent/providers/", _connection(**changes)).content.decode()
    assert sentence in page
    assert KEY not in page
    assert not ProviderConnection.objects.exists()


def test_members_see_connections_but_only_owners_change_them(
    as_owner: Client, as_member: Client, as_stranger: Client, project: Project
) -> None:
    as_owner.post("/projects/agent/providers/", _connection())
    assert "mine" in as_member.get("/projects/agent/providers/").content.decode()
    assert as_member.post("/projects/agent/providers/", _connection(name="other")).status_code == 403
    assert as_member.post("/projects/agent/providers/mine/remove").status_code == 403
    assert as_stranger.get("/projects/agent/providers/").status_code == 404
    as_owner.post("/projects/agent/providers/mine/remove")
    assert not ProviderConnection.objects.exists()


def test_a_model_of_one_s_own_needs_its_connection(as_owner: Client, project: Project) -> None:
    body = {"name": "mine/llama", "input": "0.5", "output": "1"}
    refused = as_owner.post("/projects/agent/providers/models", body).content.decode()
    assert "add it first" in refused
    as_owner.post("/projects/agent/providers/", _connection())
    as_owner.post("/projects/agent/providers/models", body)
    assert SupplyOption.objects.get(name="mine/llama").project == project


def test_a_connection_is_changed_and_its_key_stays(as_owner: Client, project: Project) -> None:
    as_owner.post("/projects/agent/providers/", _connection())
    sealed = ProviderConnection.objects.get().sealed_key
    form = as_owner.get("/projects/agent/providers/mine/").content.decode()
    assert KEY not in form
    as_owner.post("/projects/agent/providers/mine/", _connection(key="", max_concurrency="2", is_active="on"))
    row = ProviderConnection.objects.get()
    assert (row.max_concurrency, row.sealed_key, row.is_active) == (2, sealed, True)


def test_a_new_address_asks_for_the_key_again(as_owner: Client, project: Project) -> None:
    as_owner.post("/projects/agent/providers/", _connection())
    elsewhere = _connection(key="", base_url="http://127.0.0.1:10/v1")
    page = as_owner.post("/projects/agent/providers/mine/", elsewhere).content.decode()
    assert "must be entered again" in page
    assert ProviderConnection.objects.get().base_url.endswith(":9/v1")


@pytest.mark.parametrize(
    ("step", "told"),
    [(Step(body=b'{"data": [{"id": "a"}, {"id": "b"}]}'), "offers 2 models"), (error(401, "bad key"), "401")],
)
def test_a_connection_says_whether_it_answers(as_owner: Client, project: Project, step: Step, told: str) -> None:
    with served(step) as server:
        as_owner.post("/projects/agent/providers/", _connection(base_url=server.base_url))
        page = as_owner.post("/projects/agent/providers/mine/check", follow=True).content.decode()
    assert told in page
    assert KEY not in page


@pytest.mark.parametrize("path", ["mine/", "mine/check", "mine/remove"])
def test_changing_and_testing_are_the_owner_s(
    as_owner: Client, as_member: Client, as_stranger: Client, project: Project, path: str
) -> None:
    as_owner.post("/projects/agent/providers/", _connection())
    assert as_member.post(f"/projects/agent/providers/{path}").status_code == 403
    assert as_stranger.post(f"/projects/agent/providers/{path}").status_code == 404


def test_a_name_with_a_dot_has_its_pages_too(as_owner: Client, project: Project) -> None:
    as_owner.post("/projects/agent/providers/", _connection(name="host.eu"))
    assert "providers/host.eu/" in as_owner.get("/projects/agent/providers/").content.decode()
    assert as_owner.get("/projects/agent/providers/host.eu/").status_code == 200
