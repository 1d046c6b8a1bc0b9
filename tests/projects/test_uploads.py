"""Uploads on their way in: sealed on disk, gone when taken, resumed after a kill, and no stray stays behind."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from netra.errors import Invalid, TooLarge
from projects import importing, log, uploads
from projects.log import EventFilter
from projects.models import Import, Project
from projects.tasks import run_import
from tests.projects.damaged import lines, netra_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
TEXT = b"\n".join(lines(netra_rows()))


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: object) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"  # type: ignore[attr-defined]
    return tmp_path / "uploads"


def received(project: Project, data: bytes = TEXT) -> Import:
    return uploads.receive(project, [data[:50], data[50:]], file_name="../a/calls.jsonl", by=None)


def test_its_words_are_not_on_disk_and_its_events_are_taken(project: Project, media: Path) -> None:
    taking = received(project)
    assert b"Question" not in Path(taking.file_path).read_bytes()
    run_import(taking.pk)
    taking.refresh_from_db()
    assert (taking.state, taking.n_taken, taking.file_name) == ("done", 3, "calls.jsonl")


def test_copy_and_key_are_gone_when_it_is_over(project: Project, media: Path) -> None:
    taking = importing.run(received(project))
    taking.refresh_from_db()
    assert taking.sealed_key == ""
    assert list(media.iterdir()) == []


def test_a_gzip_copy_is_read_too(project: Project) -> None:

    assert importing.run(received(project, gzip.compress(TEXT))).n_taken == 3


def test_progress_is_told_in_bytes_of_the_file(project: Project) -> None:
    taking = importing.run(received(project))
    assert taking.bytes_total == taking.bytes_done == len(TEXT)


def test_a_copy_that_was_changed_fails_with_a_sentence(project: Project) -> None:
    taking = received(project)
    path = Path(taking.file_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    importing.run(taking)
    assert taking.state == Import.State.FAILED
    assert "changed" in taking.sentence


def test_privacy_mode_turned_on_meanwhile_meets_the_rest(project: Project) -> None:
    taking = received(project)
    Project.objects.filter(pk=project.pk).update(is_private=True)
    importing.run(taking)
    assert log.count(project.pk, EventFilter(flag="private")) == 3


def test_what_is_too_large_or_of_no_format_leaves_nothing(project: Project, media: Path, settings: object) -> None:
    settings.IMPORT_MAX_BYTES = 20  # type: ignore[attr-defined]
    with pytest.raises(TooLarge):
        received(project)
    with pytest.raises(Invalid):
        uploads.receive(project, [TEXT], file_name="x", by=None, format_name="nope")
    assert list(media.iterdir()) == []


def test_strays_of_a_killed_process_go_and_wanted_copies_stay(project: Project, media: Path) -> None:
    wanted, stray, fresh = received(project), media / "stray.sealed", media / "fresh.sealed"
    for path in (stray, fresh):
        path.write_bytes(b"x")
    for path in (stray, Path(wanted.file_path)):
        os.utime(path, (0, time.time() - 200_000))
    assert uploads.remove_strays() == 1
    assert sorted(media.iterdir()) == sorted([fresh, Path(wanted.file_path)])


def test_a_large_form_upload_goes_the_same_way(as_owner: Client, project: Project, settings: object) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10  # type: ignore[attr-defined]
    answer = as_owner.post(
        "/projects/agent/imports/new", {"file": SimpleUploadedFile("calls.jsonl", TEXT), "format": ""}
    )
    assert answer.status_code == 302
    taking = importing.run(Import.objects.get())
    assert taking.n_taken == 3
