"""Saved views: kept by whoever may look, shared by members, out of strangers' reach, and never a way elsewhere."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from netra.errors import Conflict, Invalid
from projects import log, saved_views
from projects.models import AuditEntry, Project, SavedView, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

HOME = "/projects/agent/views/"
API = "/api/v1/projects/agent/views"
GIVEN = {"name": "Slow calls", "page": "events", "query": "model=gpt-4o&outcome=ok"}


@pytest.fixture
def shared(project: Project, member: User) -> SavedView:
    return saved_views.save(project, by=member, **GIVEN, is_shared=True)


@pytest.fixture
def private(project: Project, member: User) -> SavedView:
    return saved_views.save(project, by=member, **GIVEN)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("analytics/?analysis=aggregate", "analytics"),
        ("logs/?model=x", "events"),
        ("?window=7d&amp;part=latency", "overview"),
        ("cache/?days=3&amp;servers=2", "cache"),
    ],
)
def test_the_pages_offer_to_save_their_question(as_viewer: Client, project: Project, path: str, page: str) -> None:
    log.write(project.pk, [factories.event()])
    told = as_viewer.get(f"/projects/agent/{html.unescape(path)}").content.decode()
    assert f'name="page" value="{page}"' in told and f'name="query" value="{path.split("?")[1]}"' in told


def test_a_changed_filter_changes_what_is_saved(as_viewer: Client, project: Project) -> None:
    told = as_viewer.get("/projects/agent/logs/?model=y", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in told and 'name="query" value="model=y"' in told and "csrfmiddlewaretoken" in told


def test_a_part_of_the_overview_swapped_in_is_what_is_saved(as_viewer: Client, project: Project) -> None:
    log.write(project.pk, [factories.event()])
    told = as_viewer.get("/projects/agent/?part=mix", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in told and 'name="query" value="part=mix"' in told and "csrfmiddlewaretoken" in told


@pytest.mark.parametrize(
    ("page", "query", "holds"),
    [
        ("overview", "window=7d&part=latency", 'aria-current="page">Latency'),
        ("cache", "days=3&servers=2", 'name="servers" value="2"'),
    ],
)
def test_a_saved_page_opens_as_it_was(
    as_member: Client, as_stranger: Client, project: Project, page: str, query: str, holds: str
) -> None:
    log.write(project.pk, [factories.event()])
    as_member.post(f"{HOME}save", {"name": "Mine", "page": page, "query": query, "is_shared": "on"})
    url = SavedView.objects.get().get_absolute_url()
    assert holds in as_member.get(url, follow=True).content.decode()
    assert as_stranger.get(url, follow=True).status_code == 404


def test_a_view_is_saved_and_leads_back(as_member: Client, project: Project) -> None:
    assert as_member.post(f"{HOME}save", GIVEN).status_code == 302
    row = SavedView.objects.get()
    assert as_member.get(row.get_absolute_url())["Location"] == f"/projects/agent/logs/?{GIVEN['query']}"
    assert not row.is_shared and "Slow calls" in as_member.get(HOME).content.decode()


def test_strangers_reach_nothing(as_stranger: Client, shared: SavedView) -> None:
    paths = [HOME, shared.get_absolute_url(), API]
    assert [as_stranger.get(each).status_code for each in paths] == [404, 404, 404]
    posts = [f"{HOME}save", f"{shared.get_absolute_url()}remove"]
    assert [as_stranger.post(each, GIVEN).status_code for each in posts] == [404, 404]
    assert SavedView.objects.count() == 1


def test_a_view_of_another_project_is_not_there(as_stranger: Client, shared: SavedView) -> None:
    assert as_stranger.get(f"/projects/elsewhere/views/{shared.pk}/").status_code == 404


def test_a_private_view_is_its_owners(as_member: Client, as_owner: Client, private: SavedView) -> None:
    assert as_member.get(private.get_absolute_url()).status_code == 302
    assert as_owner.get(private.get_absolute_url()).status_code == 404
    assert "Slow calls" not in as_owner.get(HOME).content.decode()


def test_a_shared_view_opens_for_viewers_who_may_not_remove_it(as_viewer: Client, shared: SavedView) -> None:
    assert as_viewer.get(shared.get_absolute_url()).status_code == 302
    assert as_viewer.post(f"{shared.get_absolute_url()}remove").status_code == 403
    assert "Remove" not in as_viewer.get(HOME).content.decode()


def test_viewers_keep_views_for_themselves_only(as_viewer: Client, project: Project) -> None:
    assert as_viewer.post(f"{HOME}save", {**GIVEN, "is_shared": "on"}).status_code == 403
    assert as_viewer.post(f"{HOME}save", GIVEN).status_code == 302


@pytest.mark.parametrize("who", ["as_member", "as_owner"])
def test_it_is_removed_by_its_saver_or_an_owner(request: pytest.FixtureRequest, shared: SavedView, who: str) -> None:
    client: Client = request.getfixturevalue(who)
    assert client.post(f"{shared.get_absolute_url()}remove").status_code == 302
    assert not SavedView.objects.exists() and AuditEntry.objects.filter(action="view_removed").exists()


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"name": " "}, "required"),
        ({"page": "https://evil.example"}, "not one of the available choices"),
        ({"query": "q=" + "x" * 5_000}, "longer than 4,000"),
        ({"query": "&".join(["a=1"] * 300)}, "at most 200 parts"),
    ],
)
def test_what_is_refused_stands_in_the_form_again(
    as_member: Client, project: Project, given_: dict[str, str], sentence: str
) -> None:
    answer = as_member.post(f"{HOME}save", {**GIVEN, **given_})
    assert answer.status_code == 400 and sentence in answer.content.decode()
    assert not SavedView.objects.exists()


def test_a_name_is_taken_once_a_person(project: Project, member: User, owner: User, private: SavedView) -> None:
    saved_views.save(project, by=owner, **GIVEN)
    with pytest.raises(Conflict, match="already have a view named Slow calls"):
        saved_views.save(project, by=member, **GIVEN)


def test_a_hostile_name_is_only_text(as_member: Client, project: Project) -> None:
    as_member.post(f"{HOME}save", {**GIVEN, "name": '"><script>alert(1)</script>\u202e'})
    assert "<script>alert" not in as_member.get(HOME).content.decode()


@pytest.mark.parametrize("query", ["//evil.example", "https://evil.example/?a=b", "a=b\r\nLocation: //evil", "\\\\e=1"])
def test_a_hostile_question_stays_on_our_page(as_member: Client, project: Project, query: str) -> None:
    as_member.post(f"{HOME}save", {**GIVEN, "query": query})
    target = urlsplit(as_member.get(SavedView.objects.get().get_absolute_url())["Location"])
    assert (target.scheme, target.netloc, target.path) == ("", "", "/projects/agent/logs/")


@given(st.text(max_size=300))
def test_any_text_is_a_question_or_refused(text: str) -> None:
    try:
        written = saved_views.checked(text)
    except Invalid:
        return
    assert written == saved_views.checked(written) and written.isascii() and not set(written) & set("\r\n/\\:# <>\"'")


def test_place_and_format_are_no_part_of_it() -> None:
    assert saved_views.checked("?model=a&after=x&format=csv&csrfmiddlewaretoken=s&empty=") == "model=a"


def test_a_person_saves_by_the_api(as_viewer: Client, project: Project) -> None:
    made = as_viewer.post(API, GIVEN, content_type="application/json").json()
    assert (made["owner"], made["is_shared"]) == ("viewer@example.com", False)
    assert made["leads_to"] == f"/projects/agent/logs/?{GIVEN['query']}"


def test_a_key_saves_for_the_project_and_removes_its_own(project: Project, private: SavedView) -> None:
    client = factories.api_client(project)
    made = client.post(API, GIVEN, content_type="application/json").json()
    assert made["is_shared"] and [each["id"] for each in client.get(API).json()] == [made["id"]]
    assert client.post(API, GIVEN, content_type="application/json").status_code == 409
    assert client.delete(f"{API}/{made['id']}").status_code == 204


def test_a_key_removes_nobodys_view(project: Project, shared: SavedView) -> None:
    assert factories.api_client(project).delete(f"{API}/{shared.pk}").status_code == 403


def test_the_api_refuses_unknown_pages(as_member: Client, project: Project) -> None:
    answer = as_member.post(API, {**GIVEN, "page": "settings"}, content_type="application/json")
    assert (answer.status_code, SavedView.objects.count()) == (400, 0)
