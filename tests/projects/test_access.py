"""Permission is a look-up: what each of the cast gets."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest
from django.test import RequestFactory

from netra.errors import Forbidden
from projects import access
from projects.models import Membership, Project, User
from tests import factories


def _request(who: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = who
    return request


@pytest.mark.parametrize("name", ["owner", "member", "viewer"])
def test_everyone_in_the_project_may_look(request: pytest.FixtureRequest, project: Project, name: str) -> None:
    assert access.readable(_request(request.getfixturevalue(name)), "agent") == project


def test_a_stranger_learns_nothing(project: Project, stranger: User) -> None:
    for look_up in (access.readable, access.writable, access.owned):
        with pytest.raises(Http404):
            look_up(_request(stranger), "agent")


def test_nobody_learns_nothing(project: Project) -> None:
    with pytest.raises(Http404):
        access.readable(_request(AnonymousUser()), "agent")


def test_a_viewer_may_not_change(project: Project, viewer: User) -> None:
    with pytest.raises(Forbidden):
        access.writable(_request(viewer), "agent")


def test_a_member_may_change_but_not_own(project: Project, member: User) -> None:
    assert access.writable(_request(member), "agent") == project
    with pytest.raises(Forbidden, match="Only an owner"):
        access.owned(_request(member), "agent")


def test_the_owner_may_everything(project: Project, owner: User) -> None:
    assert access.owned(_request(owner), "agent") == project


def test_staff_see_and_own_all(project: Project) -> None:
    staff = factories.user("staff@example.com", is_staff=True)
    assert access.owned(_request(staff), "agent") == project


def test_a_key_opens_its_own_project_only(project: Project, stranger: User) -> None:
    request = _request(AnonymousUser())
    request.key_project = project  # type: ignore[attr-defined]
    assert access.writable(request, "agent") == project
    with pytest.raises(Http404):
        access.readable(request, "elsewhere")
    with pytest.raises(Forbidden):
        access.owned(request, "agent")


def test_lists_hold_only_what_may_be_seen(project: Project, member: User, stranger: User) -> None:
    assert access.visible_projects(_request(member)) == [project]
    assert [found.slug for found in access.visible_projects(_request(stranger))] == ["elsewhere"]


def test_a_project_of_two_memberships_is_listed_once(project: Project, owner: User) -> None:
    assert Membership.objects.filter(project=project).count() == 3
    assert len(access.visible_projects(_request(owner))) == 1


def test_the_command_line_says_which_slug_is_missing(db: None) -> None:
    with pytest.raises(Http404, match="'nope'"):
        access.by_slug("nope")
