"""Pages of the supply side: whose they are, what each change leaves in the journal, and hostile names and fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from projects.models import AuditEntry, Project
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from routing.targets import destination
from tests import factories
from tests.factories import connection, option_price, supply_option
from tests.routing.scripted import CANARY, Step, served

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
HOSTILE = '<script>alert("x")</script>'
PROVIDERS = "/projects/agent/providers/"
PRICE = "/supply/price/openai/gpt-x"


@pytest.fixture
def option(db: None) -> SupplyOption:
    return supply_option()


@pytest.fixture
def mine(project: Project) -> ProviderConnection:
    return connection(
        project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1", key=CANARY, deadline_s=30
    )


def text(answer: Any) -> str:
    return answer.content.decode()


def journal(project: Project) -> list[str]:
    return list(AuditEntry.objects.filter(project=project).order_by("pk").values_list("action", flat=True))


def change(**fields: Any) -> dict[str, Any]:
    given = {"base_url": "http://127.0.0.1:9/v1", "key": "", "max_concurrency": 4, "deadline_s": 30, "is_active": "on"}
    return given | fields


# Whose pages.

PAGES = ["/supply/", "/supply/option/openai/gpt-x", PROVIDERS, f"{PROVIDERS}mine/"]
CHANGES = [
    PRICE,
    PROVIDERS,
    f"{PROVIDERS}models",
    f"{PROVIDERS}mine/",
    f"{PROVIDERS}mine/check",
    f"{PROVIDERS}mine/remove",
]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_reads_without_logging_in(client: Client, mine: Any, option: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", CHANGES)
def test_nobody_changes_without_logging_in(client: Client, mine: Any, option: Any, path: str) -> None:
    assert client.post(path, {"project": "agent"})["Location"].startswith("/accounts/login/")
    assert ProviderConnection.objects.count() == 1 and OptionPrice.objects.count() == 1


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(("who", "status"), [("as_member", 403), ("as_viewer", 403), ("as_stranger", 404)])
def test_only_owners_change_anything(
    who: str, status: int, path: str, mine: Any, option: Any, request: pytest.FixtureRequest
) -> None:
    browser = request.getfixturevalue(who)
    body = {"project": "agent", "input": "1", "output": "1", **change(name="mine/x", provider="openai_compatible")}
    assert browser.post(path, body).status_code == status
    assert ProviderConnection.objects.count() == 1 and OptionPrice.objects.count() == 1


@pytest.mark.parametrize("path", [PRICE, f"{PROVIDERS}models", f"{PROVIDERS}mine/check", f"{PROVIDERS}mine/remove"])
def test_a_link_changes_nothing(as_owner: Client, mine: Any, option: Any, path: str) -> None:
    assert as_owner.get(path).status_code == 405
    assert ProviderConnection.objects.exists()


@pytest.mark.parametrize("path", CHANGES)
def test_another_site_changes_nothing(owner: Any, mine: Any, option: Any, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.post(path, {"project": "agent", "input": "1", "output": "1"}).status_code == 403


# The catalog.


def test_strangers_and_members_see_the_same_shared_catalog(as_stranger: Client, project: Project, option: Any) -> None:
    supply_option("mine/phi", project=project)
    page = text(as_stranger.get("/supply/"))
    assert "openai/gpt-x" in page and "mine/phi" not in page


def test_an_own_option_has_a_page_for_its_project_only(as_owner: Client, as_stranger: Client, project: Project) -> None:
    path = supply_option("mine/phi", project=project).get_absolute_url()
    assert as_owner.get(f"{path}?project=agent").status_code == 200
    assert as_owner.get(path).status_code == as_stranger.get(path).status_code == 404
    assert as_stranger.get(f"{path}?project=agent").status_code == 404


def test_a_negotiated_price_shows_to_its_project_only(
    as_viewer: Client, as_stranger: Client, project: Project, option: SupplyOption
) -> None:
    option_price(option, {"input": "0.00000137", "output": "0"}, since=factories.NOON.replace(2026, 1), project=project)
    path = option.get_absolute_url()
    assert "$1.37" in text(as_viewer.get(f"{path}?project=agent"))
    assert "$1.37" not in text(as_viewer.get(path))
    assert "$1.37" not in text(as_stranger.get(f"{path}?project=elsewhere"))
    assert as_stranger.get(f"{path}?project=agent").status_code == 404


def test_unknown_prices_are_a_dash_and_free_ones_a_zero(as_viewer: Client, project: Project) -> None:
    supply_option("openai/dark", price=None)
    supply_option("openai/free", price={"input": "0", "output": "0"})
    rows = {row.split("</a>")[0].rsplit(">", 1)[-1]: row for row in text(as_viewer.get("/supply/")).split("<tr>")[2:]}
    assert "$" not in rows["openai/dark"] and "unknown" in rows["openai/dark"]
    assert "$0.00" in rows["openai/free"]


def test_a_long_catalog_goes_on_where_it_stopped(as_viewer: Client, project: Project) -> None:
    for number in range(101):
        supply_option(f"openai/m-{number:03}", price=None)
    first = as_viewer.get("/supply/?provider=openai")
    assert len(first.context["options"]) == 100 and first.context["after"] == "openai/m-099"
    assert "?provider=openai&amp;after=openai%2Fm-099" in text(first)
    rest = as_viewer.get("/supply/?provider=openai&after=openai/m-099")
    assert [row.name for row in rest.context["options"]] == ["openai/m-100"] and rest.context["after"] is None


@pytest.mark.parametrize(
    "query",
    [
        "ability=flying",
        "certified=2",
        "search=%00",
        "after=%00%ff",
        "after=" + "z" * 5_000,
        "search=" + "a+" * 500,
        "search=%25%25_",
        "provider='--",
    ],
)
def test_no_filter_breaks_the_catalog(as_viewer: Client, option: Any, query: str) -> None:
    assert as_viewer.get(f"/supply/?{query}").status_code == 200


@pytest.mark.parametrize("name", ["none", "openai/none", "%00", "%2e%2e/%2e%2e", "a" * 3_000, "openai/gpt-x/"])
def test_an_option_that_is_not_there_is_a_plain_404(as_viewer: Client, option: Any, name: str) -> None:
    assert as_viewer.get(f"/supply/option/{name}").status_code == 404


def test_hostile_names_and_notes_are_text(as_owner: Client, project: Project, mine: Any) -> None:
    option = supply_option(f"mine/{HOSTILE}", project=project, note=HOSTILE, abilities=[HOSTILE])
    pages = [as_owner.get(f"{option.get_absolute_url()}?project=agent"), as_owner.get(PROVIDERS)]
    shared = supply_option(f"openai/{HOSTILE}", note=HOSTILE, abilities=[HOSTILE], aliases=[HOSTILE])
    pages += [
        as_owner.get("/supply/"),
        as_owner.get(shared.get_absolute_url()),
        as_owner.get(f"/supply/?search={HOSTILE}"),
    ]
    assert all(page.status_code == 200 and "<script>alert" not in text(page) for page in pages)


# Negotiated prices.


def test_a_negotiated_price_holds_from_now_on_and_stands_in_the_journal(
    as_owner: Client, project: Project, option: SupplyOption, owner: Any
) -> None:
    as_owner.post(PRICE, {"project": "agent", "input": "1.25", "output": "5", "cache_read": ""})
    row = OptionPrice.objects.get(project=project)
    assert row.rates == {"input": "0.00000125", "output": "0.000005"}
    assert (row.created_by, row.is_assumed, journal(project)) == (owner, False, ["price_negotiated"])


@pytest.mark.parametrize(
    "fields", [{"input": "-1"}, {"input": ""}, {"output": "NaN"}, {"input": "99999999"}, {"output": "1e9"}]
)
def test_what_is_no_price_is_told_and_not_kept(
    as_owner: Client, project: Project, option: Any, fields: dict[str, str]
) -> None:
    answer = as_owner.post(PRICE, {"project": "agent", "input": "1", "output": "1", **fields})
    assert answer.status_code in (200, 400) and 'role="alert"' in text(answer)
    assert not OptionPrice.objects.filter(project=project).exists() and journal(project) == []


@pytest.mark.parametrize("slug", ["", "elsewhere", "none", "../agent", "\x00"])
def test_a_price_for_a_project_that_is_not_one_s_own_is_not_found(
    as_owner: Client, stranger: Any, option: Any, slug: str
) -> None:
    assert as_owner.post(PRICE, {"project": slug, "input": "1", "output": "1"}).status_code == 404


def test_a_price_of_an_option_that_is_not_there(as_owner: Client, project: Project) -> None:
    answer = as_owner.post("/supply/price/openai/none", {"project": "agent", "input": "1", "output": "1"})
    assert answer.status_code == 404


# Connections.


def test_shared_connections_are_named_but_not_shown(as_owner: Client, project: Project) -> None:
    connection(None, "house", base_url="http://10.1.2.3/v1", key_env="HOUSE_KEY", key="")
    connection(None, "retired", is_active=False)
    page = text(as_owner.get(PROVIDERS))
    assert "house" in page and "10.1.2.3" not in page and "HOUSE_KEY" not in page and "retired" not in page


@pytest.mark.parametrize("path", ["house/", "house/check", "house/remove"])
def test_shared_connections_are_nobody_s_to_change(as_owner: Client, project: Project, path: str) -> None:
    connection(None, "house")
    assert as_owner.post(f"{PROVIDERS}{path}", change()).status_code == 404
    assert ProviderConnection.objects.filter(name="house").exists()


@pytest.mark.parametrize("path", ["theirs/", "theirs/check", "theirs/remove"])
def test_another_project_s_connection_is_not_there(as_owner: Client, project: Project, path: str) -> None:
    connection(factories.project("other"), "theirs")
    assert as_owner.post(f"{PROVIDERS}{path}", change()).status_code == 404
    assert ProviderConnection.objects.filter(name="theirs").exists()


def test_the_life_of_a_connection_stands_in_the_journal(as_owner: Client, project: Project) -> None:
    as_owner.post(PROVIDERS, change(name="mine", provider="openai_compatible", key=CANARY))
    as_owner.post(f"{PROVIDERS}mine/", change(max_concurrency=9))
    as_owner.post(f"{PROVIDERS}models", {"name": "mine/phi", "input": "1", "output": "1"})
    as_owner.post(f"{PROVIDERS}mine/remove")
    assert journal(project) == ["connection_added", "connection_changed", "option_added", "connection_removed"]
    assert not AuditEntry.objects.filter(sentence__contains=CANARY).exists()


def test_a_refused_change_keeps_everything_and_leaves_no_trace(as_owner: Client, project: Project, mine: Any) -> None:
    page = text(as_owner.post(f"{PROVIDERS}mine/", change(max_concurrency=0, deadline_s=9)))
    mine.refresh_from_db()
    assert "At least 1" in page and CANARY not in page
    assert (mine.max_concurrency, mine.deadline_s, journal(project)) == (8, 30, [])


def test_a_name_is_taken_once(as_owner: Client, project: Project, mine: Any) -> None:
    page = text(as_owner.post(PROVIDERS, change(name="mine", provider="openai_compatible", key="other-key")))
    assert "There is a connection named mine already." in page and "other-key" not in page
    assert destination(ProviderConnection.objects.get()).key == CANARY


def test_a_key_that_moves_with_its_address_is_kept(as_owner: Client, mine: ProviderConnection) -> None:
    as_owner.post(f"{PROVIDERS}mine/", change(base_url="http://127.0.0.1:10/v1/", key="new-key-0123456789"))
    mine.refresh_from_db()
    assert (destination(mine).key, mine.base_url) == ("new-key-0123456789", "http://127.0.0.1:10/v1")


def test_no_page_and_no_message_shows_a_key(as_owner: Client, mine: Any) -> None:
    for path in (PROVIDERS, f"{PROVIDERS}mine/"):
        assert CANARY not in text(as_owner.get(path))
    assert CANARY not in text(as_owner.post(f"{PROVIDERS}mine/", change(key="ä", base_url="nowhere")))


@pytest.mark.parametrize(
    "step", [Step(body=b'{"data": [{"id": "<script>alert(1)</script>"}]}'), Step(body=b"{" * 9_000), Step(hang_up=True),
             Step(500, b'{"error": {"message": "<script>alert(1)</script>"}}'), Step(body=b"\xff\xfe")]
)  # fmt: skip
def test_no_answer_of_a_server_breaks_the_check(as_owner: Client, mine: ProviderConnection, step: Step) -> None:
    with served(step) as server:
        ProviderConnection.objects.update(base_url=server.base_url)
        answer = as_owner.post(f"{PROVIDERS}mine/check", follow=True)
    assert answer.status_code == 200 and "<script>alert" not in text(answer)
    assert "mine: " in text(answer)


# Models of one's own.


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "phi"}, "Name it connection/model"),
        ({"name": "other/phi"}, "There is no connection named"),
        ({"name": "mine/\u202ephi"}, "Name it connection/model"),
        ({"input": "-1"}, "greater than or equal to 0"),
        ({"input": "99999999"}, "more than 1 USD for one token"),
        ({"context_tokens": "9" * 30}, "less than or equal to"),
        ({"max_output_tokens": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_model_that_cannot_be_gets_a_sentence_at_its_form(
    as_owner: Client, mine: Any, fields: dict[str, str], told: str
) -> None:
    answer = as_owner.post(f"{PROVIDERS}models", {"name": "mine/phi", "input": "1", "output": "1", **fields})
    assert answer.status_code == 200 and told in text(answer)
    assert not SupplyOption.objects.exists()


def test_a_model_of_one_s_own_is_listed_with_its_price(as_owner: Client, mine: Any) -> None:
    as_owner.post(
        f"{PROVIDERS}models", {"name": "mine/phi", "input": "0.25", "output": "1.5", "context_tokens": "8000"}
    )
    page = text(as_owner.get(PROVIDERS))
    assert "mine/phi" in page and "$0.25" in page and "$1.50" in page
