"""No address tells a stranger that a project is there, whatever the method; none lets those who only look change it.

The addresses are those the product has, read from its routes: a new one is tried as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from django.test import Client

from projects.models import AuditEntry, Project
from tests import addresses, factories
from tests.addresses import METHODS, Address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

HERE, NOWHERE = addresses.of_projects("agent"), addresses.of_projects("nowhere")
PAGES, API = [each for each in HERE if not each.is_api], [each for each in HERE if each.is_api]
REFUSED = range(400, 500)
# Where who only looks may send something: settings to try, and a view for nobody else.
FOR_VIEWERS = {"/projects/agent/views/save", "/projects/agent/settings/privacy/"}
Told = dict[tuple[str, str], int]


def told(client: Client, where: Iterable[Address], methods: Iterable[str] = METHODS) -> Told:
    """The status of each method at each address that has it; an empty body where one is sent."""
    client.raise_request_exception = False
    found = {}
    for address in where:
        for method in methods:
            sent = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
            status = getattr(client, method)(address.path, **sent).status_code
            if status != 405:
                found[method, address.route] = status
    return found


def outside(found: Told, expected: Iterable[int]) -> Told:
    return {which: status for which, status in found.items() if status not in expected}


def test_there_are_many_addresses_to_try() -> None:
    assert len(PAGES) > 60
    assert len(API) > 50


def test_a_stranger_cannot_tell_a_project_from_none(as_stranger: Client, project: Project) -> None:
    here = told(as_stranger, HERE)
    assert here == told(as_stranger, NOWHERE)
    assert outside(here, {400, 404, 422}) == {}


def test_a_key_of_another_project_cannot_either(project: Project) -> None:
    key = factories.api_client(factories.project("elsewhere"))
    here = told(key, API)
    assert here == told(key, [each for each in NOWHERE if each.is_api])
    assert outside(here, {400, 404, 422}) == {}


def test_nobody_is_sent_to_log_in_by_every_page(client: Client, project: Project) -> None:
    assert outside(told(client, PAGES), {302}) == {}
    assert all(client.get(each.path)["Location"].startswith("/accounts/login/?next=") for each in PAGES)


@pytest.mark.parametrize(
    "header", [None, "Bearer ", "Bearer netra_" + "x" * 43, "Bearer \u00fc", "Basic YTpi", "netra_x"]
)
def test_nobody_needs_a_key_everywhere(client: Client, project: Project, header: str | None) -> None:
    asking = client if header is None else Client(headers={"authorization": header})
    assert outside(told(asking, API), {401}) == {}


def test_a_revoked_key_opens_nothing(project: Project) -> None:
    key = factories.api_client(project)
    assert outside(told(key, API, ["get"]), range(200, 500)) == {}
    project.api_keys.get().revoke()
    assert outside(told(key, API), {401}) == {}


def test_who_only_looks_changes_nothing(as_viewer: Client, project: Project) -> None:
    """Pages look at who asks before they look at what is asked; the API's schemas come first."""
    before = AuditEntry.objects.count()
    pages = [each for each in PAGES if each.path not in FOR_VIEWERS]
    assert outside(told(as_viewer, pages, ["post"]), {403, 404}) == {}
    assert outside(told(as_viewer, API, METHODS[1:]), {400, 403, 404, 422}) == {}
    assert AuditEntry.objects.count() == before


def test_a_key_does_nothing_of_an_owners(project: Project) -> None:
    """Members, keys, credentials and deletion need a person who is logged in."""
    key = factories.api_client(project)
    owners = ("/keys", "/members", "/users/", "/providers", "/prices", "/retention", "/sources")
    where = [each for each in API if any(part in each.path for part in owners)]
    assert outside(told(key, where, METHODS[1:]), REFUSED) == {}
    assert AuditEntry.objects.count() == 0


def test_an_empty_project_answers_at_every_address(as_owner: Client, project: Project) -> None:
    """Whatever is asked with nothing in it: an answer, a refusal, or "not found"."""
    assert outside(told(as_owner, HERE), range(200, 500)) == {}


def test_a_form_from_another_site_is_refused_everywhere(owner: object, project: Project) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)  # type: ignore[arg-type]
    assert outside(told(client, HERE, METHODS[1:]), {403, 404}) == {}
    assert Project.objects.filter(slug="agent").exists()
