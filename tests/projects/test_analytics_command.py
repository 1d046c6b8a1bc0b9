"""Analytics from the command line: the same answers, and sentences for what cannot be."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from netra import clickhouse
from projects import log
from projects.models import Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
QUESTION = {"analysis": "aggregate", "since": "2026-11-02T00:00:00Z", "until": "2026-11-03T00:00:00Z"}


def run(tmp_path: Path, *arguments: str, question: object = QUESTION, slug: str = "agent") -> str:
    path, out = tmp_path / "question.json", io.StringIO()
    path.write_text(json.dumps(question))
    call_command("analyse", slug, str(path), *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_table_and_json(project: Project, tmp_path: Path) -> None:
    log.write(project.pk, [factories.event("r")])
    assert run(tmp_path).split() == ["calls", "1"]
    assert json.loads(run(tmp_path, "--format", "json"))["rows"] == [[1]]


def test_a_file(project: Project, tmp_path: Path) -> None:
    run(tmp_path, "--format", "parquet", "--out", str(tmp_path / "answer.parquet"))
    assert (tmp_path / "answer.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize("question", [{"analysis": "sql"}, [], "x", QUESTION | {"figures": ["drop"]}])
def test_questions_that_cannot_be_asked(project: Project, tmp_path: Path, question: object) -> None:
    with pytest.raises(CommandError):
        run(tmp_path, question=question)


def test_projects_that_are_not_there(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no project"):
        run(tmp_path, slug="nowhere")


def test_rebuilding_says_what_it_did(project: Project) -> None:
    log.write(project.pk, [factories.event("r")])
    clickhouse.command("TRUNCATE TABLE event_hours")
    told = []
    for _ in range(2):
        out = io.StringIO()
        call_command("rebuild_rollups", stdout=out)
        told.append(out.getvalue().strip())
    assert told == ["Summed up 1 hours again.", "Every hour agrees with the log."]
