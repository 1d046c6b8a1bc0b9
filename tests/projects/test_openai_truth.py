"""Real prompts in OpenAI's format against the truth that was written beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects.models import Project
from tests.projects import truth

pytestmark = pytest.mark.django_db


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, "openai", "openai.jsonl")


def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="openai")
    assert len(found) == len(written.calls)
    by_id = {event["provider_response_id"]: event for event in found if event["provider_response_id"]}
    for call in written.calls:
        if (record_id := call["formats"]["openai"]["record_id"]) is not None:  # failures carry no id
            assert list(truth.complaints(call, by_id[record_id], "openai")) == [], call["call_id"]


def test_failures_are_calls_too(project: Project, events: None, written: truth.Written) -> None:
    failed = [call for call in written.calls if call["formats"]["openai"]["record_id"] is None]
    found = truth.take(project, written, format_name="openai")
    without = [event for event in found if event["provider_response_id"] is None]
    assert len(without) == len(failed)
    assert all("no_time" in event["flags"] for event in without)


def test_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first = truth.take(project, written, format_name="openai")
    again = truth.take(project, written, format_name="openai")
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}


def test_the_totals_are_those_of_the_summary(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="openai")
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in found) == total
    assert sum(event["tok_input_fresh"] is not None for event in found) == written.totals["calls_with_tokens"]
