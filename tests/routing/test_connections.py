"""What may be entered for a connection, and that no secret can be read back."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database

from netra.errors import Conflict, Invalid, NotFound
from projects.models import Project
from routing import connections
from routing.models import ProviderConnection
from routing.targets import destination
from tests.routing.scripted import CANARY

pytestmark = pytest.mark.django_db
HOST = "http://127.0.0.1:9/v1"


def make(project: Project | None, name: str = "mine", **given: Any) -> ProviderConnection:
    provider = given.pop("provider", "openai_compatible")
    return connections.create(project, name=name, provider=provider, given={"base_url": HOST, **given})


def test_a_key_is_sealed_in_the_database(project: Project) -> None:
    row = make(project, key=CANARY, headers={"X-Team": f"{CANARY}-header"})
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM routing_providerconnection")
        kept = repr(cursor.fetchall())
    assert CANARY not in kept and CANARY not in repr(row.__dict__)
    assert row.key_shown == f"…{CANARY[-4:]}"
    there = destination(row)
    assert there.key == CANARY and there.headers == {"X-Team": f"{CANARY}-header"}


def test_of_a_short_key_nothing_is_shown(project: Project) -> None:
    assert make(project, key="abc123").key_shown == "set"
    assert make(project, "other").key_shown == "none"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "ftp://x/v1",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "https://user:secret@host/v1",
        "https://user@host/v1",
        "https://host/v1?key=secret",
        "https://host/v1#x",
        "http://[broken",
        "http://host:99999999/v1",
        "host:8000/v1",
    ],
)
def test_addresses_that_are_refused(project: Project, base_url: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(project, base_url=base_url)
    assert refused.value.field == "base_url" and "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "192.168.1.1", "0.0.0.0", "nowhere.invalid",
     "[::ffff:10.0.0.1]", "2130706433"],
)  # fmt: skip
def test_private_addresses_can_be_closed_off(project: Project, settings: Any, host: str) -> None:
    settings.PRIVATE_PROVIDERS = False
    with pytest.raises(Invalid, match="private"):
        make(project, base_url=f"http://{host}/v1")


def test_private_addresses_are_open_on_ones_own_machine(project: Project) -> None:
    assert make(project).base_url == HOST


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 100_000}, "max_concurrency"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": float("nan")}, "deadline_s"),
        ({"deadline_s": float("inf")}, "deadline_s"),
        ({"unsupported_parameters": "guess"}, "unsupported_parameters"),
        ({"key": "a\r\nX-Evil: 1"}, "key"),
        ({"key": "schlüssel"}, "key"),
        ({"key": "x" * 5_000}, "key"),
        ({"headers": {"X-A": "a\r\nX-Evil: 1"}}, "headers"),
        ({"headers": {"X A": "1"}}, "headers"),
        ({"headers": {"": "1"}}, "headers"),
        ({"headers": {"Host": "elsewhere"}}, "headers"),
        ({"headers": {f"X-{n}": "1" for n in range(30)}}, "headers"),
        ({"provider": "nobody"}, "provider"),
    ],
)
def test_values_that_are_refused(project: Project, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(project, **given)
    assert refused.value.field == field
    assert ProviderConnection.objects.count() == 0


@pytest.mark.parametrize("name", ["", "Has Space", "../x", "x" * 61, "-x", "ä", "a/b"])
def test_names_that_are_refused(project: Project, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(project, name)
    assert refused.value.field == "name"


def test_a_name_is_taken_once_in_a_project(project: Project) -> None:
    make(project)
    with pytest.raises(Conflict):
        make(project)
    make(None)
    with pytest.raises(Conflict):
        make(None)


def test_a_key_stays_when_something_else_changes(project: Project) -> None:
    row = connections.change(make(project, key=CANARY), {"max_concurrency": 2})
    assert destination(row).key == CANARY and row.max_concurrency == 2


def test_a_key_does_not_move_along_to_another_address(project: Project) -> None:
    row = make(project, key=CANARY, headers={"X-Team": CANARY})
    with pytest.raises(Invalid) as refused:
        connections.change(row, {"base_url": "https://elsewhere.example/v1"})
    assert refused.value.field == "key"
    moved = connections.change(row, {"base_url": "https://elsewhere.example/v1", "key": "new"})
    assert (destination(moved).key, dict(destination(moved).headers)) == ("new", {})


def test_the_same_address_written_otherwise_is_no_move(project: Project) -> None:
    row = connections.change(make(project, key=CANARY), {"base_url": f" {HOST}/ "})
    assert destination(row).key == CANARY


def test_a_key_can_be_taken_away(project: Project) -> None:
    row = connections.change(make(project, key=CANARY), {"key": ""})
    assert (row.sealed_key, row.key_shown) == ("", "none")


def test_only_the_projects_own_connection_is_found(project: Project) -> None:
    make(None)
    with pytest.raises(NotFound):
        connections.find(project, "mine")
