"""The command line: create, import, export; and the round trip loses nothing."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from projects import log
from projects.log import EventFilter
from projects.models import Membership, Project
from tests import factories
from tests.projects.damaged import lines, netra_rows, openai_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_project_is_made_with_its_owner() -> None:
    factories.user("owner@example.com")
    assert "ready" in _run("create_project", "support", "--owner", "owner@example.com", "--name", "Support desk")
    assert Membership.objects.get(project__slug="support").role == Membership.Role.OWNER


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["Not A Slug"], "valid"), (["fine", "--owner", "nobody@example.com"], "Nobody with the address")],
)
def test_what_cannot_be_made_is_said(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        _run("create_project", *arguments)
    assert not Project.objects.exists()


def test_files_are_imported_and_their_ledgers_printed(project: Project, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines(netra_rows()), b"broken"]))
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(lines(openai_rows())))
    told = _run("import_logs", "agent", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    assert "taken 3 · duplicate 0 · new version 0 · merged 0 · flagged 0 · rejected 1" in told
    assert "taken 0 · duplicate 0 · new version 0 · merged 3" in told, "the same response ids: the same calls"
    assert "rejected invalid_json: 1" in told
    assert log.count(project.pk, EventFilter()) == 3


def test_a_refused_or_missing_file_fails_the_command(project: Project, tmp_path: Path) -> None:
    (tmp_path / "page.jsonl").write_text("<html></html>")
    with pytest.raises(CommandError, match="Not taken"):
        _run("import_logs", "agent", str(tmp_path / "page.jsonl"), str(tmp_path / "gone.jsonl"))


def test_an_unknown_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="'nope'"):
        _run("import_logs", "nope", str(tmp_path))
    with pytest.raises(CommandError, match="'nope'"):
        _run("export_events", "nope")


def test_what_is_exported_imports_again_without_loss(project: Project, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([*lines(netra_rows()), *lines(openai_rows())]))
    _run("import_logs", "agent", str(tmp_path / "in.jsonl"), "--format", "netra")
    _run("export_events", "agent", "--out", str(tmp_path / "out.jsonl"))
    other = factories.project("other")
    _run("import_logs", "other", str(tmp_path / "out.jsonl"))
    left_out = {"project_id", "event_id", "ingested_at", "import_id", "content_hash"}

    def told(where: Project) -> list[str]:
        found = log.export(where.pk, EventFilter())
        return sorted(
            json.dumps(
                {name: value for name, value in row.items() if name not in left_out}, default=str, sort_keys=True
            )
            for row in found
        )

    assert told(other) == told(project)
    assert len(told(other)) == 3
