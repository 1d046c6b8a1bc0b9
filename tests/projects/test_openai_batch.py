"""OpenAI's batch files: input and output belong together by their custom id, whichever comes first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from projects import importing, log
from projects.log import EventFilter
from projects.models import Import, Project
from tests import factories
from tests.projects import truth

pytestmark = pytest.mark.django_db

INPUT, OUTPUT, ERRORS = "openai_batch_input.jsonl", "openai_batch_output.jsonl", "openai_batch_errors.jsonl"


def asked(name: str, text: str) -> dict[str, Any]:
    body = factories.chat_request(text)
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def answered(name: str, text: str, response_id: str) -> dict[str, Any]:
    body = factories.chat_response(text, id=response_id)
    return {"id": f"batch_req_{response_id}", "custom_id": name, "response": {"status_code": 200, "body": body}}


def take(project: Project, path: Path, *records: dict[str, Any]) -> Import:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))


def calls(project: Project) -> list[dict[str, Any]]:
    return sorted(log.export(project.pk, EventFilter()), key=lambda each: each["provider_response_id"] or "")


@pytest.mark.parametrize("files", [(INPUT, OUTPUT, ERRORS), (ERRORS, OUTPUT, INPUT)], ids=["input first", "input last"])
def test_every_call_comes_out_as_it_was(
    project: Project, events: None, shared_dir: Path, tmp_path: Path, files: tuple[str, ...]
) -> None:
    written = truth.write(shared_dir, tmp_path, "openai_batch_output", *files)
    found = {event["call_id"]: event for event in truth.take(project, written, format_name="openai_batch")}
    assert len(found) == len(written.calls) == log.count(project.pk, EventFilter())
    for call in written.calls:
        event = found[call["formats"]["openai_batch_output"]["record_id"]]
        assert list(truth.complaints(call, event, "openai_batch_output")) == [], call["call_id"]


def test_an_answer_and_its_question_are_one_replayable_call(project: Project, events: None, tmp_path: Path) -> None:
    take(project, tmp_path / "out.jsonl", answered("row-1", "Four.", "chatcmpl-1"))
    (alone,) = calls(project)
    assert alone["not_replayable"] == ["no_request"]
    assert take(project, tmp_path / "in.jsonl", asked("row-1", "2 + 2?")).n_merged == 1
    (whole,) = calls(project)
    assert whole["is_replayable"] and "no_body" not in whole["flags"] and whole["version"] == 2


def test_two_batches_that_use_the_same_names_stay_apart(project: Project, events: None, tmp_path: Path) -> None:
    take(project, tmp_path / "in1.jsonl", asked("row-1", "2 + 2?"))
    take(project, tmp_path / "out1.jsonl", answered("row-1", "Four.", "chatcmpl-1"))
    take(project, tmp_path / "in2.jsonl", asked("row-1", "3 + 3?"))
    take(project, tmp_path / "out2.jsonl", answered("row-1", "Six.", "chatcmpl-2"))
    told = [(each["request"]["messages"][-1]["content"], each["provider_response_id"]) for each in calls(project)]
    assert told == [("2 + 2?", "chatcmpl-1"), ("3 + 3?", "chatcmpl-2")]


def test_an_expired_item_is_a_failure_with_its_code(project: Project, events: None, tmp_path: Path) -> None:
    expired = {
        "id": "b",
        "custom_id": "row-9",
        "response": None,
        "error": {"code": "batch_expired", "message": "Late."},
    }
    take(project, tmp_path / "errors.jsonl", expired)
    (call,) = calls(project)
    assert (call["outcome"], call["error_type"]) == ("provider_error", "batch_expired")
    assert "batch" in call["flags"] and call["duration_ms"] is None
