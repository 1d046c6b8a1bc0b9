"""Pages of the demand side: shown to members, hidden from strangers, safe with hostile content, honest when empty."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from projects import log
from projects.models import ApiKey, Import, Membership, Project, User
from projects.tasks import run_import
from tests import factories
from tests.projects.damaged import lines, netra_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

PAGES = [
    "",
    "logs/",
    "imports/",
    "imports/new",
    "settings/",
    "providers/",
    "evaluations/",
    "evaluations/new",
    "recommendations/",
]


@pytest.mark.parametrize("path", PAGES)
def test_members_see_it_and_strangers_do_not(
    as_member: Client, as_stranger: Client, project: Project, path: str
) -> None:
    assert as_member.get(f"/projects/agent/{path}").status_code == 200
    assert as_stranger.get(f"/projects/agent/{path}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/projects/agent/", "/supply/", "/account/"])
def test_nobody_is_asked_to_log_in(client: Client, project: Project, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["imports/new", "evaluations/new"])
def test_a_viewer_is_told_they_may_only_look(as_viewer: Client, project: Project, path: str) -> None:
    answer = as_viewer.get(f"/projects/agent/{path}")
    assert answer.status_code == 403
    assert "not change it" in answer.content.decode()


def test_an_empty_project_says_what_to_do_next(as_owner: Client, project: Project) -> None:
    page = as_owner.get("/projects/agent/").content.decode()
    assert "Import a log" in page
    assert "$0.00" not in page


def test_a_project_is_made_and_its_maker_owns_it(as_owner: Client, owner: User) -> None:
    answer = as_owner.post("/projects/new", {"name": "Support", "slug": "support", "incumbent": "openai/gpt-4o"})
    assert answer["Location"] == "/projects/support/"
    assert Membership.objects.get(project__slug="support").role == Membership.Role.OWNER


def test_wrong_values_get_a_sentence_at_the_field(as_owner: Client, project: Project) -> None:
    page = as_owner.post("/projects/new", {"name": "Again", "slug": "agent"}).content.decode()
    assert "Project with this Slug already exists" in page or "already exists" in page


def test_figures_of_the_overview_are_those_of_the_log(as_viewer: Client, project: Project) -> None:
    log.write(project.pk, [factories.event(f"r-{n}", duration_ms=1000.0) for n in range(7)])
    page = as_viewer.get("/projects/agent/").content.decode()
    assert ">7<" in page
    assert "1.00 s" in page


def test_hostile_content_is_only_text(as_viewer: Client, project: Project) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    given = factories.event(
        "r",
        request=factories.chat_request(attack, user=attack),
        response=factories.chat_response(attack),
        requested_model=attack,
        session_id=attack,
        tags=(attack,),
        metadata={attack: attack},
    )
    (event_id,) = log.write(project.pk, [given]).ids
    for path in ("", "logs/", f"logs/{event_id}/"):
        page = as_viewer.get(f"/projects/agent/{path}").content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_odd_bodies_do_not_break_the_page(as_viewer: Client, project: Project) -> None:
    odd = [
        {"messages": "text"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        {"messages": [{"content": None}, {"role": 7, "content": {"a": 1}}]},
    ]
    report = log.write(project.pk, [factories.event(f"r-{n}", request=body) for n, body in enumerate(odd)])
    for event_id in report.ids:
        assert as_viewer.get(f"/projects/agent/logs/{event_id}/").status_code == 200


def test_recorded_and_computed_cost_stand_beside_each_other(as_viewer: Client, project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r", cost_recorded_usd=Decimal("1.25"))]).ids
    page = as_viewer.get(f"/projects/agent/logs/{event_id}/").content.decode()
    assert "$1.25" in page
    assert "Residual" in page


def test_an_unknown_event_is_404(as_viewer: Client, project: Project) -> None:
    assert as_viewer.get("/projects/agent/logs/nonsense/").status_code == 404


@pytest.mark.parametrize("query", ["?days=x", "?outcome=nonsense", "?after=broken", "?days=-1"])
def test_spoilt_filters_get_an_answer_not_an_error(as_viewer: Client, project: Project, query: str) -> None:
    assert as_viewer.get(f"/projects/agent/logs/{query}").status_code in (200, 400)


def test_htmx_gets_the_fragment_only(as_viewer: Client, project: Project) -> None:
    page = as_viewer.get("/projects/agent/logs/", headers={"hx-request": "true"}).content.decode()
    assert 'id="events"' in page
    assert "<html" not in page


def _upload(client: Client, content: bytes) -> Import:
    answer = client.post(
        "/projects/agent/imports/new", {"file": SimpleUploadedFile("calls.jsonl", content), "format": ""}
    )
    taking = Import.objects.get()
    assert answer["Location"] == taking.get_absolute_url()
    client.post(f"{taking.get_absolute_url()}confirm", {"format": "netra"})
    run_import(taking.pk)
    taking.refresh_from_db()
    return taking


def test_an_upload_ends_in_a_ledger_with_reasons(as_member: Client, project: Project) -> None:
    good = lines(netra_rows())
    taking = _upload(as_member, b"\n".join([*good, b"broken", good[1]]))
    page = as_member.get(taking.get_absolute_url()).content.decode()
    assert "The line is not valid JSON." in page
    assert "hx-trigger" not in page.split("<main")[1]
    narrowed = as_member.get(f"{taking.get_absolute_url()}?outcome=duplicate").content.decode()
    assert "The same record again." in narrowed
    assert "line-rejected" not in narrowed


def test_a_refused_file_says_why(as_member: Client, project: Project) -> None:
    page = SimpleUploadedFile("calls.jsonl", b"<!DOCTYPE html><html></html>")
    as_member.post("/projects/agent/imports/new", {"file": page, "format": ""})
    taking = Import.objects.get()
    assert "web page or XML" in as_member.get(taking.get_absolute_url()).content.decode()


def test_a_waiting_import_refreshes_itself_and_can_be_cancelled(as_member: Client, project: Project) -> None:
    taking = Import.objects.create(project=project, file_name="x")
    assert 'hx-trigger="every 1s"' in as_member.get(taking.get_absolute_url()).content.decode()
    as_member.post(f"{taking.get_absolute_url()}cancel")
    taking.refresh_from_db()
    assert taking.state == "cancelled"


def test_another_project_s_import_is_404(as_stranger: Client, project: Project) -> None:
    taking = Import.objects.create(project=project, file_name="x")
    assert as_stranger.get(f"/projects/elsewhere/imports/{taking.pk}/").status_code == 404


def test_a_new_key_is_shown_once_and_never_cached(as_owner: Client, project: Project) -> None:
    answer = as_owner.post("/projects/agent/settings/keys", {"name": "ci"})
    key = ApiKey.objects.get()
    assert answer["Cache-Control"] == "no-store"
    shown = answer.content.decode().split('class="secret mono">')[1].split("<")[0]
    assert shown.startswith(key.shown_prefix)
    assert shown not in as_owner.get("/projects/agent/settings/").content.decode()


@pytest.mark.parametrize("path", ["settings/keys", "settings/members", "settings/members/remove", "settings/delete"])
def test_owners_matters_are_the_owners(as_member: Client, project: Project, path: str) -> None:
    assert as_member.post(f"/projects/agent/{path}", {"name": "x", "slug": "agent"}).status_code == 403
    assert Project.objects.filter(slug="agent").exists()


def test_members_are_set_on_the_page(as_owner: Client, project: Project) -> None:
    factories.user("new@example.com")
    as_owner.post("/projects/agent/settings/members", {"email": "new@example.com", "role": "viewer"})
    assert Membership.objects.get(user__email="new@example.com").role == "viewer"
    refused = as_owner.post("/projects/agent/settings/members", {"email": "no@example.com", "role": "viewer"})
    assert "Nobody with this address" in refused.content.decode()


def test_deleting_takes_the_name_and_the_events(as_owner: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r")])
    refused = as_owner.post("/projects/agent/settings/delete", {"slug": "other"}).content.decode()
    assert "Type agent to confirm" in refused
    as_owner.post("/projects/agent/settings/delete", {"slug": "agent"})
    assert not Project.objects.filter(slug="agent").exists()
    assert log.count(project.pk or 0, log.EventFilter()) == 0


def test_times_are_the_reader_s(as_owner: Client, owner: User, project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("r")]).ids
    as_owner.post("/account/", {"time_zone": "Asia/Tokyo"})
    assert "2026-11-02 21:00 JST" in as_owner.get(f"/projects/agent/logs/{event_id}/").content.decode()


def test_the_theme_is_kept_without_script_and_leads_nowhere_else(as_owner: Client) -> None:
    as_owner.post("/theme", {"theme": "dark", "next": "/account/"})
    assert 'data-theme="dark"' in as_owner.get("/account/").content.decode()
    away = as_owner.post("/theme", {"theme": "light", "next": "https://evil.example/"})
    assert away["Location"] == "/"


def test_every_page_carries_the_strict_policy(as_owner: Client, project: Project) -> None:
    policy = as_owner.get("/projects/agent/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["", "logs/", "settings/", "evaluations/new"])
def test_no_page_holds_inline_script_or_style(as_owner: Client, project: Project, path: str) -> None:
    page = as_owner.get(f"/projects/agent/{path}").content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page
    assert all("src=" in tag for tag in page.split("<script")[1:])
