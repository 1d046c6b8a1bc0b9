"""Exports: JSON lines that come back as nothing new, Parquet with every column; streamed, never for strangers."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import AsyncClient, Client

from projects import exporting, log, log_exporting
from projects.log import EventFilter
from projects.models import ApiKey, Import, Project
from projects.workloads import Purpose
from tests import factories
from tests.projects.damaged import lines, netra_rows, openai_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()
API = "/api/v1/logs/agent/export"


def written(project: Project, n: int = 5) -> list[str]:
    started = [factories.NOON + timedelta(seconds=number) for number in range(n)]
    given = [factories.event(f"r-{number}", started_at=at, user_id="ann") for number, at in enumerate(started)]
    return log.write(project.pk, given).ids


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def rows(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body(answer).splitlines()]


def brought_back(slug: str, path: Path) -> Import:
    call_command("export_events", "agent", "--out", str(path), stderr=StringIO())
    call_command("import_logs", slug, str(path), stdout=StringIO())
    return Import.objects.latest("pk")


def test_what_was_exported_adds_nothing(project: Project, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([*lines(netra_rows()), *lines(openai_rows())]))
    call_command("import_logs", "agent", str(tmp_path / "in.jsonl"), "--format", "netra", stdout=StringIO())
    taking = brought_back("agent", tmp_path / "out.jsonl")
    assert (taking.n_taken, taking.n_versioned, taking.n_merged, taking.n_duplicate) == (0, 0, 0, 3)


def test_versions_merged_calls_and_replays_add_nothing_either(project: Project, tmp_path: Path) -> None:
    first = factories.event("v", duration_ms=1.0)
    told = {"provider_response_id": "resp-1"}
    log.write(project.pk, [first, factories.event("g", source="portkey", **told)])
    log.write(project.pk, [replace(first, duration_ms=2.0), factories.event("t", source="langfuse", **told)])
    log.write(project.pk, [factories.event("p", source="netra", purpose=Purpose.REPLAY)])
    n_before = log.count(project.pk, ALL)
    taking = brought_back("agent", tmp_path / "out.jsonl")
    assert (taking.n_duplicate, log.count(project.pk, ALL)) == (n_before, n_before)


def test_a_private_project_takes_its_export_back_as_nothing_new(project: Project, tmp_path: Path) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=True)
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines(netra_rows())))
    call_command("import_logs", "agent", str(tmp_path / "in.jsonl"), stdout=StringIO())
    assert brought_back("agent", tmp_path / "out.jsonl").n_duplicate == 3


def test_a_changed_copy_is_no_copy(project: Project, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines(netra_rows())))
    call_command("import_logs", "agent", str(tmp_path / "in.jsonl"), stdout=StringIO())
    text = "".join(line + "\n" for line in map(json.dumps, exporting.lines(project.pk, ALL)))
    forged = text.replace(text.split('"copy_of": "')[1][:32], "0" * 32)
    (tmp_path / "out.jsonl").write_text(forged)
    call_command("import_logs", "agent", str(tmp_path / "out.jsonl"), stdout=StringIO())
    assert log.count(project.pk, ALL) == 3


def test_replays_brought_elsewhere_are_no_demand(project: Project, tmp_path: Path) -> None:
    log.write(project.pk, [factories.event("p", source="netra", purpose=Purpose.REPLAY)])
    other = factories.project("other")
    brought_back("other", tmp_path / "out.jsonl")
    (row,) = log.events(other.pk, ALL).rows
    assert "synthetic" in row["flags"]
    assert row["is_replayable"] is False


def test_parquet_holds_every_event_and_column(project: Project) -> None:
    ids = written(project)
    table = pq.read_table(io.BytesIO(b"".join(exporting.parquet(project.pk, ALL))))
    assert table.schema.equals(log_exporting.SCHEMA)
    assert table["event_id"].to_pylist() == ids[::-1]
    assert json.loads(table["request"][0].as_py()) == factories.chat_request()


def test_nothing_to_export_is_a_whole_file_too(project: Project) -> None:
    table = pq.read_table(io.BytesIO(b"".join(exporting.parquet(project.pk, ALL))))
    assert (table.num_rows, table.schema.equals(log_exporting.SCHEMA)) == (0, True)
    assert b"".join(exporting.json_lines(project.pk, ALL)) == b""


def test_batches_meet_without_gap_or_repeat(project: Project) -> None:
    at = factories.NOON
    log.write(project.pk, [factories.event(f"r-{n}", started_at=at + timedelta(seconds=n // 4)) for n in range(23)])
    found = [row for table in log_exporting.tables(project.pk, ALL, batch=3) for row in table["event_id"].to_pylist()]
    assert len(found) == len(set(found)) == 23


def test_memory_is_that_of_a_batch(project: Project) -> None:
    written(project, 30)
    sizes = [table.num_rows for table in log_exporting.tables(project.pk, ALL, batch=7)]
    assert sizes == [7, 7, 7, 7, 2]


def test_the_api_streams_what_its_filters_ask(as_viewer: Client, project: Project) -> None:
    written(project)
    log.write(project.pk, [factories.event("x", user_id="bob")])
    answer = as_viewer.get(API, {"user_id": "bob"})
    assert answer["Content-Disposition"] == 'attachment; filename="agent-events.jsonl"'
    assert [row["user_id"] for row in rows(answer)] == ["bob"]


def test_the_api_gives_parquet(project: Project) -> None:
    written(project)
    answer = factories.api_client(project).get(API, {"format": "parquet"})
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(body(answer))).num_rows == 5


def test_another_format_is_refused(as_owner: Client, project: Project) -> None:
    answer = as_owner.get(API, {"format": "xlsx"})
    assert (answer.status_code, answer.json()["field"]) == (400, "format")


def test_the_page_exports_what_it_shows(as_member: Client, project: Project) -> None:
    written(project)
    log.write(project.pk, [factories.event("x", requested_model="gpt-x", served_model="gpt-x")])
    assert "format=parquet" in as_member.get("/projects/agent/logs/?model=gpt-x").content.decode()
    answer = as_member.get("/projects/agent/export?model=gpt-x&format=jsonl")
    assert [row["requested_model"] for row in rows(answer)] == ["gpt-x"]
    assert "Exported events as JSON lines." in project.audit_entries.values_list("sentence", flat=True)


@pytest.mark.parametrize("path", [API, "/projects/agent/export"])
def test_strangers_get_nothing(as_stranger: Client, project: Project, path: str) -> None:
    written(project)
    assert as_stranger.get(path).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_a_real_server_sends_piece_by_piece(project: Project) -> None:
    await sync_to_async(written)(project, 250)
    _, key = await sync_to_async(ApiKey.issue)(project, "test", by=None)
    answer = await AsyncClient().get(API, headers={"authorization": f"Bearer {key}"})
    pieces = [piece async for piece in answer.streaming_content]  # type: ignore[attr-defined]
    assert len(pieces) >= 3
    assert len(b"".join(pieces).splitlines()) == 250


def test_the_command_writes_parquet(project: Project, tmp_path: Path) -> None:
    written(project)
    call_command(
        "export_events", "agent", "--format", "parquet", "--out", str(tmp_path / "a.parquet"), stderr=StringIO()
    )
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 5


def test_the_command_says_what_it_cannot_write(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_events", "agent", "--out", str(tmp_path / "no" / "a.jsonl"))
