"""A file's format is told from its content, and a person confirms it: on the page, or by the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from netra.errors import Conflict
from projects import importing, log, previewing, uploads
from projects.ingest import formats
from projects.ingest.verdicts import FileRefused
from projects.log import EventFilter
from projects.models import Import, Project
from tests import factories
from tests.projects import fuzzing, truth
from tests.projects.damaged import lines, netra_rows, openai_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
TEXT = b"\n".join(lines(netra_rows()))


def upload(client: Client, content: bytes = TEXT, format_name: str = "") -> Import:
    file = SimpleUploadedFile("calls.jsonl", content)
    client.post("/projects/agent/imports/new", {"file": file, "format": format_name})
    return Import.objects.get()


def shown(client: Client, taking: Import, query: str = "") -> str:
    return client.get(taking.get_absolute_url() + query).content.decode()


def test_an_upload_waits_to_be_confirmed(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    assert taking.state == "asking" and not Import.objects.unfinished().exists()
    page = shown(as_member, taking)
    assert "Import as Netra JSON lines" in page and "gpt-4o-mini-2024-07-18" in page
    assert log.count(project.pk, EventFilter()) == 0


def test_confirmed_it_is_taken(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    as_member.post(f"{taking.get_absolute_url()}confirm", {"format": "netra"})
    taking.refresh_from_db()
    assert (taking.state, taking.format) == ("queued", "netra")
    assert importing.run(taking).n_taken == 3


def test_the_person_may_know_better(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    assert "Import as OpenAI requests and responses" in shown(as_member, taking, "?format=openai")
    as_member.post(f"{taking.get_absolute_url()}confirm", {"format": "openai"})
    taking.refresh_from_db()
    assert taking.format == "openai"


def test_declined_nothing_is_taken_and_the_copy_goes(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    as_member.post(f"{taking.get_absolute_url()}cancel")
    taking.refresh_from_db()
    assert (taking.state, taking.sealed_key, Path(taking.file_path).exists()) == ("cancelled", "", False)


def test_a_format_that_is_told_needs_no_confirming(as_member: Client, project: Project) -> None:
    assert upload(as_member, format_name="netra").state == "queued"


@pytest.mark.parametrize("content", [b"<html></html>", b"PK\x03\x04", b'{"error": "Unauthorized"}'])
def test_what_is_no_log_is_said_before_anything_is_taken(as_member: Client, project: Project, content: bytes) -> None:
    page = shown(as_member, upload(as_member, content))
    assert 'role="alert"' in page and "Import as" not in page


def test_an_empty_file_can_be_confirmed(as_member: Client, project: Project) -> None:
    assert "The file is empty." in shown(as_member, upload(as_member, b""))


def test_records_that_would_be_left_out_are_shown_with_why(as_member: Client, project: Project) -> None:
    broken = b"\n".join([*lines(netra_rows()), b'{"id": "4"}'])
    assert "The record has no time." in shown(as_member, upload(as_member, broken))


def test_privacy_mode_shows_nothing_of_the_texts(as_member: Client, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=True)
    assert "Privacy mode: only keyed hashes" in shown(as_member, upload(as_member))


def test_it_is_confirmed_once(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    uploads.confirm(taking, "netra")
    for again in (lambda: uploads.confirm(taking, "netra"), lambda: uploads.decline(taking)):
        with pytest.raises(Conflict):
            again()


@pytest.mark.parametrize("path", ["", "confirm", "cancel"])
def test_strangers_see_nothing_and_viewers_confirm_nothing(
    as_member: Client, as_viewer: Client, as_stranger: Client, project: Project, path: str
) -> None:
    taking = upload(as_member)
    address = taking.get_absolute_url() + path
    ask = Client.post if path else Client.get
    assert ask(as_stranger, address, {"format": "netra"}).status_code == 404
    assert ask(as_viewer, address, {"format": "netra"}).status_code == (403 if path else 200)
    taking.refresh_from_db()
    assert taking.state == "asking"


def asked(project: Project, content: bytes = TEXT) -> tuple[Client, dict[str, Any]]:
    client = factories.api_client(project)
    answer: HttpResponse = client.post(
        "/api/v1/logs/agent/import?preview=true", data=content, content_type="application/x-ndjson"
    )
    told: dict[str, Any] = json.loads(answer.content)
    return client, told


def test_the_api_previews_and_confirms(project: Project) -> None:
    client, told = asked(project)
    address = f"/api/v1/logs/agent/imports/{told['id']}"
    preview = client.get(f"{address}/preview").json()
    assert (told["state"], preview["format"], preview["is_certain"]) == ("asking", "netra", True)
    assert [row["n_input"] for row in preview["rows"]] == [12, 12, 12]
    answer = client.post(f"{address}/confirm", data={"format": "netra"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert client.get(f"{address}/preview").status_code == 409


def test_the_api_declines_and_refuses_unknown_formats(project: Project) -> None:
    client, told = asked(project)
    address = f"/api/v1/logs/agent/imports/{told['id']}"
    wrong = client.post(f"{address}/confirm", data={"format": "nope"}, content_type="application/json")
    assert wrong.status_code == 400 or wrong.status_code == 422
    assert client.post(f"{address}/cancel").json()["state"] == "cancelled"


def test_a_copy_that_is_gone_is_said(as_member: Client, project: Project) -> None:
    taking = upload(as_member)
    Path(taking.file_path).unlink()
    assert "is gone; import it again" in previewing.of(taking).sentence


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_is_recognised_by_its_own_records(name: str) -> None:
    records = fuzzing.samples()[name]
    assert formats.detect(records) == name


def test_real_files_are_recognised_without_doubt(shared_dir: Path, tmp_path: Path) -> None:
    names = "portkey,langfuse,litellm_standard,litellm_spendlogs,helicone,openai,otlp_genai,openinference"
    truth.write(shared_dir, tmp_path, names, n=30)
    for name, records in fuzzing.written(tmp_path).items():
        assert not records or list(formats.votes(records)) == [name]


def test_a_file_of_two_formats_is_the_one_most_records_are_in() -> None:
    pairs, named = openai_rows(), fuzzing.samples()["helicone"]
    assert formats.votes([*pairs, *named]) == {"openai": 3, "helicone": 1}
    assert formats.detect([*named, *named, *named, *named, *pairs]) == "helicone"


def test_a_record_of_nothing_known_is_refused_with_what_is_known() -> None:
    with pytest.raises(FileRefused, match="Portkey log exports"):
        formats.detect([{"level": "info", "msg": "started"}])
