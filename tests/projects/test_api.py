"""The API of the demand side: works, refuses, and tells strangers nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from projects import log
from projects.models import ApiKey, Import, Project
from projects.tasks import run_import
from tests import factories
from tests.projects.damaged import lines, netra_rows

pytestmark = pytest.mark.django_db
JSON = "application/json"


def _send(client: Client, method: str, path: str, body: Any = None) -> Any:
    send = getattr(client, method)
    return send(f"/api/v1{path}", data=json.dumps(body or {}), content_type=JSON)


def test_without_a_key_or_session_nothing(client: Client, project: Project) -> None:
    answer = client.get("/api/v1/projects")
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


def test_a_project_is_made_seen_and_changed(as_owner: Client) -> None:
    made = _send(as_owner, "post", "/projects", {"slug": "support", "name": "Support"})
    assert made.status_code == 201
    assert _send(as_owner, "patch", "/projects/support", {"incumbent": "openai/gpt-4o"}).status_code == 200
    assert as_owner.get("/api/v1/projects/support").json()["incumbent"] == "openai/gpt-4o"
    assert [each["slug"] for each in as_owner.get("/api/v1/projects").json()] == ["support"]


def test_names_are_taken_once(as_owner: Client, project: Project) -> None:
    answer = _send(as_owner, "post", "/projects", {"slug": "agent", "name": "Again"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "body", [{"slug": "UPPER", "name": "x"}, {"slug": "ok-slug"}, {"slug": "ok", "name": "x", "z": 1}]
)
def test_malformed_projects_name_the_field(as_owner: Client, body: dict[str, Any]) -> None:
    answer = _send(as_owner, "post", "/projects", body)
    assert answer.status_code == 422
    assert answer.json()["field"] in {"slug", "name", "z"}


PATHS = [
    ("get", "/projects/agent"),
    ("patch", "/projects/agent"),
    ("get", "/logs/agent"),
    ("get", "/logs/agent/stats"),
    ("get", "/logs/agent/events/abc"),
    ("get", "/logs/agent/imports"),
    ("get", "/logs/agent/imports/1"),
    ("post", "/logs/agent/imports/1/cancel"),
    ("post", "/logs/agent/import"),
    ("get", "/logs/agent/export"),
    ("get", "/logs/agent/retention"),
    ("post", "/logs/agent/retention"),
    ("delete", "/logs/agent/users/ann"),
    ("get", "/logs/agent/ledger?import_id=1"),
    ("get", "/projects/agent/keys"),
    ("get", "/projects/agent/members"),
    ("delete", "/projects/agent/keys/1"),
    ("delete", "/projects/agent/members/owner@example.com"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_stranger_meets_404_everywhere(
    as_stranger: Client, project: Project, events: None, method: str, path: str
) -> None:
    answer = _send(as_stranger, method, path) if method != "get" else as_stranger.get(f"/api/v1{path}")
    assert answer.status_code == 404


@pytest.mark.parametrize(("method", "path"), [PATHS[1], PATHS[8]])
def test_a_viewer_may_not_change(as_viewer: Client, project: Project, method: str, path: str) -> None:
    assert _send(as_viewer, method, path, {"name": "x"}).status_code == 403


def test_a_key_is_shown_once_and_opens_its_project(as_owner: Client, project: Project, events: None) -> None:
    made = _send(as_owner, "post", "/projects/agent/keys", {"name": "ci"}).json()
    listed = as_owner.get("/api/v1/projects/agent/keys").json()
    assert made["key"].startswith(made["shown_prefix"])
    assert "key" not in listed[0]
    by_key = Client(headers={"authorization": f"Bearer {made['key']}"})
    assert by_key.get("/api/v1/logs/agent").status_code == 200
    assert _send(as_owner, "delete", f"/projects/agent/keys/{made['id']}").status_code == 204
    assert by_key.get("/api/v1/logs/agent").status_code == 401


def test_a_member_may_not_make_keys(as_member: Client, project: Project) -> None:
    assert _send(as_member, "post", "/projects/agent/keys", {"name": "x"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_a_key_cannot_make_keys_or_projects(project: Project) -> None:
    client = factories.api_client(project)
    assert _send(client, "post", "/projects/agent/keys", {"name": "x"}).status_code == 403
    assert _send(client, "post", "/projects", {"slug": "other", "name": "x"}).status_code == 403


def test_members_come_and_go_but_an_owner_stays(as_owner: Client, project: Project) -> None:
    factories.user("new@example.com")
    put = _send(as_owner, "put", "/projects/agent/members", {"email": "new@example.com", "role": "member"})
    assert put.json() == {"email": "new@example.com", "role": "member"}
    assert _send(as_owner, "delete", "/projects/agent/members/new@example.com").status_code == 204
    assert _send(as_owner, "delete", "/projects/agent/members/owner@example.com").status_code == 409
    unknown = _send(as_owner, "put", "/projects/agent/members", {"email": "x@example.com", "role": "member"})
    assert (unknown.status_code, unknown.json()["field"]) == (400, "email")


def _taken(answer: Any) -> Import:
    assert answer.status_code == 202, answer.content
    run_import(answer.json()["id"])
    return Import.objects.get(pk=answer.json()["id"])


def test_lines_in_the_body_are_imported(project: Project, events: None) -> None:
    client = factories.api_client(project)
    body = b"\n".join(lines(netra_rows()))
    taking = _taken(client.post("/api/v1/logs/agent/import", data=body, content_type="application/x-ndjson"))
    assert (taking.state, taking.n_taken) == ("done", 3)
    listed = client.get("/api/v1/logs/agent").json()
    assert [row["outcome"] for row in listed["events"]] == ["ok"] * 3


def test_an_uploaded_file_is_imported_and_its_ledger_told(as_member: Client, project: Project, events: None) -> None:
    good = lines(netra_rows())
    file = SimpleUploadedFile("calls.jsonl", b"\n".join([*good, b"broken", good[0]]))
    taking = _taken(as_member.post("/api/v1/logs/agent/import", {"file": file}))
    told = as_member.get(f"/api/v1/logs/agent/imports/{taking.pk}").json()
    assert (told["n_taken"], told["n_rejected"], told["n_duplicate"]) == (3, 1, 1)
    ledger = as_member.get(f"/api/v1/logs/agent/ledger?import_id={taking.pk}&outcome=rejected").json()
    assert [(line["line_number"], line["code"]) for line in ledger["lines"]] == [(4, "invalid_json")]


def test_too_large_a_file_is_refused(project: Project, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 100
    client = factories.api_client(project)
    answer = client.post("/api/v1/logs/agent/import", data=b"x" * 200, content_type="application/x-ndjson")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not Import.objects.exists()


def test_unknown_formats_are_refused(project: Project) -> None:
    client = factories.api_client(project)
    answer = client.post("/api/v1/logs/agent/import?format=xml", data=b"{}", content_type="application/x-ndjson")
    assert (answer.status_code, answer.json()["field"]) == (400, "format")


def test_one_event_whole_with_its_versions(as_viewer: Client, project: Project, events: None) -> None:
    for ms in (100.0, 200.0):
        (event_id,) = log.write(project.pk, [factories.event("r", duration_ms=ms)]).ids
    found = as_viewer.get(f"/api/v1/logs/agent/events/{event_id}").json()
    assert (found["duration_ms"], found["versions"]) == (200.0, [2, 1])
    assert found["tokens"]["cache_read"] is None
    assert found["request"]["messages"][0]["content"] == "What is 2 + 2?"
    old = as_viewer.get(f"/api/v1/logs/agent/events/{event_id}?version=1").json()
    assert old["duration_ms"] == 100.0


def test_totals_of_nothing_are_unknown_not_zero(as_viewer: Client, project: Project, events: None) -> None:
    totals = as_viewer.get("/api/v1/logs/agent/stats").json()
    assert (totals["n_calls"], totals["spent_usd"], totals["p95_ms"], totals["first_at"]) == (0, None, None, None)


def test_totals_leave_out_replay(as_viewer: Client, project: Project, events: None) -> None:
    given = [factories.event(f"r-{n}", duration_ms=100.0 * n) for n in range(1, 5)]
    log.write(project.pk, [*given, factories.event("replay", purpose="replay", duration_ms=9e9)])
    totals = as_viewer.get("/api/v1/logs/agent/stats").json()
    assert (totals["n_calls"], totals["n_errors"], totals["p50_ms"]) == (4, 0, 250.0)


def test_limits_are_said(as_viewer: Client, project: Project, events: None) -> None:
    answer = as_viewer.get("/api/v1/logs/agent?limit=5000")
    assert (answer.status_code, answer.json()["field"]) == (400, "limit")
