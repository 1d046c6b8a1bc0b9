"""Members and keys: who may hand out what, the last owner, names as people type them, and keys that are seen once."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.test import Client

from projects.models import ApiKey, AuditEntry, Membership, Project, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
KEYS, MEMBERS = "/api/v1/projects/agent/keys", "/api/v1/projects/agent/members"
PAGE = "/projects/agent/settings/"
MARKUP = '<img src=x onerror="alert(1)">'


def send(client: Client, method: str, path: str, body: Any) -> Any:
    return getattr(client, method)(path, data=json.dumps(body), content_type="application/json")


def roles(project: Project) -> dict[str, str]:
    return dict(Membership.objects.filter(project=project).values_list("user__email", "role"))


@pytest.mark.parametrize("typed", ["new@example.com", " NEW@Example.COM ", "New@example.com\n"])
def test_an_address_is_known_however_it_is_typed(as_owner: Client, project: Project, typed: str) -> None:
    factories.user("new@example.com")
    assert send(as_owner, "put", MEMBERS, {"email": typed, "role": "viewer"}).status_code == 200
    assert roles(project)["new@example.com"] == "viewer"
    assert as_owner.delete(f"{MEMBERS}/{typed.strip().upper()}").status_code == 204
    assert "new@example.com" not in roles(project)


def test_setting_a_member_twice_is_setting_them_once(as_owner: Client, project: Project) -> None:
    for role in ("viewer", "member", "member"):
        send(as_owner, "put", MEMBERS, {"email": "viewer@example.com", "role": role})
    assert roles(project)["viewer@example.com"] == "member"
    assert project.memberships.count() == 3


@pytest.mark.parametrize("role", ["", "OWNER", "admin", "staff", None, 1, ["owner"]])
def test_there_are_three_roles(as_owner: Client, project: Project, role: Any) -> None:
    answer = send(as_owner, "put", MEMBERS, {"email": "viewer@example.com", "role": role})
    assert (answer.status_code, answer.json()["field"]) == (422, "role")
    assert roles(project)["viewer@example.com"] == "viewer"


@pytest.mark.parametrize("how", ["by page", "by API"])
def test_nobody_with_that_address_is_said_at_the_field(as_owner: Client, project: Project, how: str) -> None:
    told = {"email": "nobody@example.com", "role": "member"}
    if how == "by API":
        answer = send(as_owner, "put", MEMBERS, told)
        assert (answer.status_code, answer.json()["field"]) == (400, "email")
    else:
        page = as_owner.post(f"{PAGE}members", told).content.decode()
        assert "ask them to sign up first" in page
    assert len(roles(project)) == 3


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_the_last_owner_can_neither_step_down_nor_leave(as_owner: Client, project: Project, role: str) -> None:
    told = {"email": "owner@example.com", "role": role}
    assert send(as_owner, "put", MEMBERS, told).status_code == 409
    assert as_owner.delete(f"{MEMBERS}/owner@example.com").status_code == 409
    assert "at least one owner" in as_owner.post(f"{PAGE}members", told).content.decode()
    assert as_owner.post(f"{PAGE}members/remove", {"email": "owner@example.com"}).status_code == 409
    assert roles(project)["owner@example.com"] == "owner"


def test_an_owner_beside_another_may_leave_and_then_sees_nothing(as_owner: Client, project: Project) -> None:
    send(as_owner, "put", MEMBERS, {"email": "member@example.com", "role": "owner"})
    assert as_owner.delete(f"{MEMBERS}/owner@example.com").status_code == 204
    assert as_owner.get(PAGE).status_code == as_owner.get(MEMBERS).status_code == 404
    assert roles(project)["member@example.com"] == "owner"


def test_a_member_taken_out_loses_the_page_at_once(as_owner: Client, as_member: Client, project: Project) -> None:
    assert as_member.get(PAGE).status_code == 200
    as_owner.delete(f"{MEMBERS}/member@example.com")
    assert as_member.get(PAGE).status_code == 404


def test_members_see_no_keys_and_no_way_to_make_them(as_member: Client, project: Project) -> None:
    ApiKey.issue(project, "the robot", by=None)
    page = as_member.get(PAGE).content.decode()
    assert "settings/keys" not in page
    assert "settings/delete" not in page


@pytest.mark.parametrize("who", ["as_member", "as_viewer", "as_stranger"])
def test_only_an_owner_makes_lists_and_revokes_keys(request: pytest.FixtureRequest, project: Project, who: str) -> None:
    client, (row, _) = request.getfixturevalue(who), ApiKey.issue(project, "robot", by=None)
    expected = 404 if who == "as_stranger" else 403
    assert client.get(KEYS).status_code == expected
    assert send(client, "post", KEYS, {"name": "mine"}).status_code == expected
    assert client.delete(f"{KEYS}/{row.pk}").status_code == expected
    assert client.post(f"{PAGE}keys", {"name": "mine"}).status_code == expected
    assert client.post(f"{PAGE}keys/{row.pk}/revoke").status_code == expected
    assert list(project.api_keys.live()) == [row]


def test_a_key_of_another_project_is_not_there_to_be_revoked(as_owner: Client, project: Project) -> None:
    row, _ = ApiKey.issue(factories.project("other"), "theirs", by=None)
    assert as_owner.delete(f"{KEYS}/{row.pk}").status_code == 404
    as_owner.post(f"{PAGE}keys/{row.pk}/revoke")
    row.refresh_from_db()
    assert row.revoked_at is None


def test_revoking_again_is_not_found_and_noted_once(as_owner: Client, project: Project) -> None:
    row, _ = ApiKey.issue(project, "robot", by=None)
    assert [as_owner.delete(f"{KEYS}/{row.pk}").status_code for _ in range(2)] == [204, 404]
    assert AuditEntry.objects.filter(action="key_revoked").count() == 1


@pytest.mark.parametrize("name", ["", "x" * 81, None, 5])
def test_a_key_needs_a_name_that_fits(as_owner: Client, project: Project, name: Any) -> None:
    answer = send(as_owner, "post", KEYS, {"name": name})
    assert (answer.status_code, answer.json()["field"]) == (422, "name")
    assert not project.api_keys.exists()


def test_the_form_says_what_is_wrong_with_a_name_at_its_field(as_owner: Client, project: Project) -> None:
    page = as_owner.post(f"{PAGE}keys", {"name": "x" * 81}).content.decode()
    assert "at most 80 characters" in page
    assert not project.api_keys.exists()


def test_a_key_is_seen_once_and_kept_nowhere(
    as_owner: Client, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        made = send(as_owner, "post", KEYS, {"name": "robot"}).json()
        pages = [as_owner.get(path).content.decode() for path in (PAGE, KEYS, "/projects/agent/")]
    secret = made["key"].removeprefix(made["shown_prefix"])
    row = ApiKey.objects.get()
    assert len(secret) > 30
    assert not any(secret in each for each in (*pages, caplog.text, str(vars(row))))
    assert not any(secret in each.sentence for each in AuditEntry.objects.all())


def test_two_keys_of_one_name_are_two_keys(as_owner: Client, project: Project) -> None:
    keys = {send(as_owner, "post", KEYS, {"name": "robot"}).json()["key"] for _ in range(3)}
    assert len(keys) == project.api_keys.live().count() == 3


@pytest.mark.parametrize("cut", [-1, 12, 0])
def test_a_part_of_a_key_opens_nothing(project: Project, cut: int) -> None:
    _, key = ApiKey.issue(project, "robot", by=None)
    client = Client(headers={"authorization": f"Bearer {key[:cut]}"})
    assert client.get("/api/v1/projects/agent").status_code == 401


@pytest.mark.parametrize("spelling", ["bearer {}", "BEARER {}", "Bearer {}"])
def test_the_scheme_is_read_in_any_case(project: Project, spelling: str) -> None:
    _, key = ApiKey.issue(project, "robot", by=None)
    client = Client(headers={"authorization": spelling.format(key)})
    assert client.get("/api/v1/projects/agent").status_code == 200


def test_the_use_of_a_key_is_noted_once_a_minute(project: Project) -> None:
    client = factories.api_client(project)
    noted = []
    for _ in range(3):
        client.get("/api/v1/projects/agent")
        noted.append(ApiKey.objects.get().last_used_at)
    assert noted[0] is not None
    assert len(set(noted)) == 1


def test_names_are_only_text_on_every_page_that_shows_them(as_owner: Client, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(name=MARKUP, description=MARKUP, incumbent=MARKUP)
    User.objects.filter(email="member@example.com").update(first_name=MARKUP)
    send(as_owner, "post", KEYS, {"name": MARKUP})
    for path in (PAGE, "/", "/projects/agent/", "/projects/agent/imports/", "/projects/agent/settings/privacy/"):
        page = as_owner.get(path).content.decode()
        assert "<img src=x" not in page
        assert re.search(r"&lt;img src=x", page)


def test_who_did_it_stands_in_the_diary(as_owner: Client, project: Project) -> None:
    send(as_owner, "post", KEYS, {"name": "robot"})
    send(as_owner, "put", MEMBERS, {"email": "viewer@example.com", "role": "member"})
    key = factories.api_client(project)
    send(key, "patch", "/api/v1/projects/agent", {"description": "by key"})
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "actor_label"))
    assert told[0] == ("key_created", "owner@example.com")
    assert told[1] == ("member_set", "owner@example.com")
    assert told[2][0] == "project_changed"
    assert told[2][1].startswith("API key test (netra_")


def test_the_diary_outlives_the_person(as_owner: Client, project: Project, owner: User) -> None:
    send(as_owner, "post", KEYS, {"name": "robot"})
    Membership.objects.filter(user=owner).delete()
    owner.delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_label) == (None, "owner@example.com")


@pytest.mark.parametrize("typed", ["", "AGENT", "agent2", "Agent", "agent/", "<b>"])
def test_a_project_is_deleted_by_its_very_name_only(as_owner: Client, project: Project, typed: str) -> None:
    page = as_owner.post(f"{PAGE}delete", {"slug": typed}).content.decode()
    assert Project.objects.filter(pk=project.pk).exists()
    assert "Type agent to confirm." in page or "This field is required." in page
