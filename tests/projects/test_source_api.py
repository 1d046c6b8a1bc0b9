"""The API of sources: who may do what, what is refused, and that secrets go in and never come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from projects import syncing
from projects.models import AuditEntry, Project, Source, SourceSync
from projects.tasks import run_sync
from tests import factories
from tests.projects import vendors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

HOME = "/api/v1/logs/agent"
SECRET = "sk-lf-canary-0123456789"
GIVEN: dict[str, Any] = {
    "name": "tracer",
    "kind": "langfuse",
    "base_url": "http://127.0.0.1:9",
    "account": "pk-lf-1",
    "secret": SECRET,
}
JSON = "application/json"


@pytest.fixture
def row(project: Project) -> Source:
    return vendors.source(project, "langfuse", "http://127.0.0.1:9", name="tracer", secret=SECRET)


def test_an_owner_adds_one_and_its_secret_never_comes_back(as_owner: Client, project: Project) -> None:
    answer = as_owner.post(f"{HOME}/sources", GIVEN, content_type=JSON)
    assert (answer.status_code, answer.json()["secret_shown"]) == (201, "…6789")
    for path in ("sources", "sources/tracer", "sources/tracer/syncs"):
        assert SECRET not in as_owner.get(f"{HOME}/{path}").content.decode()
    assert all(SECRET not in entry.sentence for entry in AuditEntry.objects.all())


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"kind": "mystery"}, 400, "kind"),
        ({"base_url": "javascript:alert(1)"}, 400, "base_url"),
        ({"every_minutes": 1}, 400, "every_minutes"),
        ({"account": ""}, 400, "account"),
        ({"secret": ""}, 422, "secret"),
        ({"secret_env": "HOME"}, 422, "secret_env"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(
    as_owner: Client, project: Project, change: dict[str, Any], status: int, field: str
) -> None:
    answer = as_owner.post(f"{HOME}/sources", GIVEN | change, content_type=JSON)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert not Source.objects.exists()


def test_a_name_is_taken_once(as_owner: Client, row: Source) -> None:
    answer = as_owner.post(f"{HOME}/sources", GIVEN, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


def test_a_schedule_is_changed_and_taken_away(as_owner: Client, row: Source) -> None:
    as_owner.patch(f"{HOME}/sources/tracer", {"every_minutes": 15}, content_type=JSON)
    answer = as_owner.patch(f"{HOME}/sources/tracer", {"every_minutes": None}, content_type=JSON).json()
    assert (answer["every_minutes"], answer["history_days"]) == (None, 60)


def test_a_new_address_needs_the_secret_again(as_owner: Client, row: Source) -> None:
    answer = as_owner.patch(f"{HOME}/sources/tracer", {"base_url": "https://evil.example"}, content_type=JSON)
    assert (answer.status_code, answer.json()["field"]) == (400, "secret")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "sources"),
        ("get", "sources/tracer"),
        ("get", "sources/tracer/syncs"),
        ("get", "syncs/1"),
        ("post", "sync"),
        ("post", "syncs/1/cancel"),
        ("post", "sources"),
        ("patch", "sources/tracer"),
        ("delete", "sources/tracer"),
    ],
)
def test_strangers_see_nothing_and_do_nothing(as_stranger: Client, row: Source, method: str, path: str) -> None:
    body = GIVEN if (method, path) == ("post", "sources") else {}
    assert getattr(as_stranger, method)(f"{HOME}/{path}", body, content_type=JSON).status_code == 404
    assert Source.objects.count() == 1 and not SourceSync.objects.exists()


def test_a_sync_of_one_project_is_not_in_another(as_stranger: Client, row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.API)
    assert as_stranger.get(f"/api/v1/logs/elsewhere/syncs/{sync.pk}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("post", "sources"), ("patch", "sources/tracer"), ("delete", "sources/tracer")]
)
def test_credentials_are_the_owners(as_member: Client, row: Source, method: str, path: str) -> None:
    body = GIVEN if method == "post" else {}
    assert getattr(as_member, method)(f"{HOME}/{path}", body, content_type=JSON).status_code == 403


def test_a_key_may_sync_but_not_see_to_credentials(row: Source) -> None:
    program = factories.api_client(row.project)
    assert program.generic("POST", f"{HOME}/sync").status_code == 202
    assert program.delete(f"{HOME}/sources/tracer").status_code == 403


def test_a_viewer_may_not_sync(as_viewer: Client, row: Source) -> None:
    assert as_viewer.post(f"{HOME}/sync", {}, content_type=JSON).status_code == 403


def test_sync_answers_at_once_and_tells_later(as_member: Client, project: Project, shared_dir: Path) -> None:
    with vendors.serving(shared_dir, n=20) as base_url:
        vendors.source(project, "portkey", base_url)
        (told,) = as_member.post(f"{HOME}/sync", {"source": "portkey"}, content_type=JSON).json()
        assert (told["ledger"]["state"], told["n_received"]) == ("queued", 0)
        run_sync(told["id"])
    told = as_member.get(f"{HOME}/syncs/{told['id']}").json()
    assert (told["ledger"]["n_taken"], told["n_expected"], told["is_reconciled"]) == (20, 20, True)


def test_asking_twice_is_one_sync(as_member: Client, row: Source) -> None:
    first, second = (as_member.post(f"{HOME}/sync", {}, content_type=JSON).json() for _ in range(2))
    assert first[0]["id"] == second[0]["id"]


def test_without_a_source_there_is_nothing_to_sync(as_member: Client, project: Project) -> None:
    assert as_member.post(f"{HOME}/sync", {}, content_type=JSON).status_code == 404


@pytest.mark.parametrize("since", ["2999-01-01T00:00:00Z", "1970-01-01T00:00:00"])
def test_a_start_that_cannot_be_meant_is_refused(as_member: Client, row: Source, since: str) -> None:
    answer = as_member.post(f"{HOME}/sync", {"since": since}, content_type=JSON)
    assert (answer.status_code, answer.json()["field"]) == (400, "since")


def test_a_sync_is_cancelled(as_member: Client, row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.API)
    told = as_member.post(f"{HOME}/syncs/{sync.pk}/cancel").json()
    assert told["ledger"]["state"] == "cancelled"


def test_removing_keeps_the_ledger(as_owner: Client, row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.API)
    assert as_owner.delete(f"{HOME}/sources/tracer").status_code == 204
    assert as_owner.get(f"{HOME}/imports/{sync.taking_id}").json()["state"] == "cancelled"
