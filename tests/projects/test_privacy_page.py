"""The privacy page and its API: owners change, members see, strangers meet 404; all of it in the diary."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from projects import log, privacy_settings
from projects.log import EventFilter
from projects.models import Erasure, Project
from projects.privacy import MASKS
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PAGE = "/projects/agent/settings/privacy/"
FULL = {
    "is_private": "on",
    "masks": ["email", "iban"],
    "masked_terms": "Acme\n Road 5 \n\nAcme",
    "retention_days": "90",
}


def patch(client: Client, **body: Any) -> Any:
    return client.patch("/api/v1/projects/agent", data=json.dumps(body), content_type="application/json")


def diary(project: Project) -> str:
    return "\n".join(project.audit_entries.values_list("sentence", flat=True))


def test_an_owner_saves_and_the_diary_tells(as_owner: Client, project: Project) -> None:
    assert as_owner.post(PAGE, FULL)["Location"] == PAGE
    project.refresh_from_db()
    assert (project.is_private, project.masks, project.retention_days) == (True, ["email", "iban"], 90)
    assert project.masked_terms == ["Acme", "Road 5"]
    told = diary(project)
    assert "Turned privacy mode on." in told
    assert "Own terms masked at the door: 2." in told
    assert "Acme" not in told


def test_saving_the_same_again_notes_nothing(as_owner: Client, project: Project) -> None:
    for _ in range(2):
        as_owner.post(PAGE, FULL)
    assert project.audit_entries.filter(action="privacy_changed").count() == 4


def test_clearing_the_form_turns_everything_off(as_owner: Client, project: Project) -> None:
    as_owner.post(PAGE, FULL)
    as_owner.post(PAGE, {})
    project.refresh_from_db()
    assert (project.is_private, project.masks, project.masked_terms, project.retention_days) == (False, [], [], None)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("retention_days", "0", "between 1 and 36,500 days"),
        ("retention_days", "99999999999", "between 1 and 36,500 days"),
        ("retention_days", "many", "whole number"),
        ("masked_terms", "x", "between 2 and 200 characters"),
        ("masked_terms", "\n".join(f"term {n}" for n in range(501)), "At most 500 terms"),
        ("masks", "faces", "not one of the available choices"),
    ],
)
def test_wrong_values_get_a_sentence_and_change_nothing(
    as_owner: Client, project: Project, field: str, value: str, sentence: str
) -> None:
    page = as_owner.post(PAGE, {"is_private": "on", field: value})
    assert sentence in page.content.decode()
    project.refresh_from_db()
    assert project.is_private is False


def test_a_member_sees_and_cannot_change(as_member: Client, project: Project) -> None:
    assert "Only an owner changes these" in as_member.get(PAGE).content.decode()
    assert as_member.post(PAGE, FULL).status_code == 403


def test_a_member_may_try_it(as_member: Client, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(masks=["email"])
    page = as_member.post(PAGE, {"try": "1", "sample": "to ann@example.com"}).content.decode()
    assert "to [email]" in page


@pytest.mark.parametrize("path", ["", "retention", "person", "erase", "erased/1"])
def test_strangers_meet_404_and_others_403(as_stranger: Client, as_member: Client, project: Project, path: str) -> None:
    assert as_stranger.post(PAGE + path).status_code == 404
    assert as_member.post(PAGE + path).status_code == 403


def test_trying_saves_nothing_and_escapes(as_owner: Client, project: Project) -> None:
    given = {**FULL, "is_private": "", "try": "1", "sample": "<b>Acme</b> a@b.example"}
    page = as_owner.post(PAGE, given).content.decode()
    assert "&lt;b&gt;[term]&lt;/b&gt; [email]" in page
    project.refresh_from_db()
    assert project.masks == []


def test_trying_by_script_gives_the_fragment(as_owner: Client, project: Project) -> None:
    answer = as_owner.post(PAGE, {**FULL, "try": "1", "sample": "hello"}, headers={"hx-request": "true"})
    assert answer.content.decode().strip().startswith('<div id="tried"')
    assert "hash:" in answer.content.decode()


def test_a_text_too_long_to_try_is_refused(as_owner: Client, project: Project) -> None:
    page = as_owner.post(PAGE, {"try": "1", "sample": "x" * (privacy_settings.LONGEST_SAMPLE + 1)})
    assert "at most 20,000 characters" in page.content.decode()


def test_texts_from_before_are_counted(as_owner: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r")])
    Project.objects.filter(pk=project.pk).update(is_private=True)
    assert "1 calls</strong> from before still hold their texts" in as_owner.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("imports/new", "Only keyed hashes of the texts"), ("evaluations/new", "none can be started")],
)
def test_pages_say_what_privacy_mode_stops(as_owner: Client, project: Project, path: str, sentence: str) -> None:
    assert sentence not in as_owner.get(f"/projects/agent/{path}").content.decode()
    Project.objects.filter(pk=project.pk).update(is_private=True)
    assert sentence in as_owner.get(f"/projects/agent/{path}").content.decode()


def test_the_api_changes_what_is_given(as_owner: Client, project: Project) -> None:
    answer = patch(as_owner, is_private=True, masks=["card"], retention_days=30, name="New")
    assert answer.json()["retention_days"] == 30
    assert patch(as_owner, retention_days=None).json()["retention_days"] is None
    project.refresh_from_db()
    assert (project.is_private, project.masks, project.name) == (True, ["card"], "New")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"masks": ["faces"]}, "masks"),
        ({"masked_terms": ["x"]}, "masked_terms"),
        ({"retention_days": -1}, "retention_days"),
        ({"is_private": None}, "is_private"),
    ],
)
def test_the_api_names_the_field(as_owner: Client, project: Project, body: dict[str, Any], field: str) -> None:
    answer = patch(as_owner, name="Changed", **body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert Project.objects.get(pk=project.pk).name == "Agent"


def test_members_and_keys_may_not_change_privacy_by_the_api(as_member: Client, project: Project) -> None:
    assert patch(as_member, is_private=True).status_code == 403
    assert patch(factories.api_client(project), retention_days=1).status_code == 403
    assert patch(as_member, description="fine").status_code == 200


def test_the_api_tries_a_text(as_member: Client, as_stranger: Client, project: Project) -> None:
    def tried(client: Client, **body: Any) -> Any:
        path = "/api/v1/projects/agent/privacy/try"
        return client.post(path, data=json.dumps(body), content_type="application/json")

    assert tried(as_member, text="a@b.example").json() == {"text": "a@b.example"}
    assert tried(as_member, text="a@b.example", masks=list(MASKS)).json() == {"text": "[email]"}
    assert tried(as_stranger, text="x").status_code == 404


def test_retention_by_page_and_api(as_owner: Client, as_member: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r", started_at=factories.NOON.replace(year=2020))])
    Project.objects.filter(pk=project.pk).update(retention_days=365)
    assert "<strong>1</strong> would go now" in as_member.get(PAGE).content.decode()
    assert as_owner.get("/api/v1/logs/agent/retention").json()["n_waiting"] == 1
    assert as_member.post("/api/v1/logs/agent/retention").status_code == 403
    as_owner.post(f"{PAGE}retention")
    assert as_owner.post("/api/v1/logs/agent/retention").json()["n_events"] == 0
    assert "Deleted 1 events past their days." in diary(project)


def test_a_person_is_previewed_confirmed_and_deleted(as_owner: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r", user_id="ann"), factories.event("s", user_id="bob")])
    shown = as_owner.post(f"{PAGE}person", {"user_id": "ann"}).content.decode()
    assert "<strong>1 event</strong>" in shown
    wrong = as_owner.post(f"{PAGE}erase", {"user_id": "ann", "typed": "Ann"}).content.decode()
    assert "exactly as above" in wrong
    assert log.count(project.pk, EventFilter()) == 2
    assert as_owner.post(f"{PAGE}erase", {"user_id": "ann", "typed": "ann"})["Location"] == PAGE
    assert log.count(project.pk, EventFilter()) == 1


def test_a_deletion_is_listed_by_hash_and_can_be_taken_back(as_owner: Client, project: Project) -> None:
    as_owner.post(f"{PAGE}erase", {"user_id": "ann-the-person", "typed": "ann-the-person"})
    page = as_owner.get(PAGE).content.decode()
    row = Erasure.objects.get()
    assert row.fingerprint in page
    assert "ann-the-person" not in page + diary(project)
    as_owner.post(f"{PAGE}erased/{row.pk}")
    assert not Erasure.objects.exists()


def test_a_person_is_deleted_by_the_api(
    as_owner: Client, as_member: Client, as_stranger: Client, project: Project
) -> None:
    log.write(project.pk, [factories.event("r", user_id="team/ann")])
    path = "/api/v1/logs/agent/users/team%2Fann"
    assert [client.delete(path).status_code for client in (as_member, as_stranger)] == [403, 404]
    assert factories.api_client(project).delete(path).status_code == 403
    assert as_owner.delete(f"{path}?dry_run=true").json() == {"person": None, "n_events": 1, "erased": False}
    assert as_owner.delete(path).json()["n_events"] == 1
    assert log.count(project.pk, EventFilter()) == 0
