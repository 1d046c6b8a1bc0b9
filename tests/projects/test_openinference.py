"""OpenInference spans: real calls, flat and nested, against the truth written beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects.models import Project
from tests.projects import truth

pytestmark = pytest.mark.django_db


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, "openinference", "openinference.jsonl")


def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = {event["source_record_id"]: event for event in truth.take(project, written, format_name="openinference")}
    assert len(found) == len(written.calls)
    for call in written.calls:
        event = found[call["formats"][written.format]["record_id"]]
        assert list(truth.complaints(call, event, written.format)) == [], call["call_id"]
        assert (event["trace_id"], event["span_id"]) == (call["trace_id"], call["span_id"])
        assert event["parent_span_id"] == call["parent_span_id"]


def test_tags_metadata_and_environment_are_kept(project: Project, events: None, written: truth.Written) -> None:
    found = {event["source_record_id"]: event for event in truth.take(project, written, format_name="openinference")}
    for call in written.calls:
        event = found[call["formats"][written.format]["record_id"]]
        assert (event["environment"], list(event["tags"])) == (call["environment"], call["tags"])
        assert call["metadata"].items() <= event["metadata"].items()


def test_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first = truth.take(project, written, format_name="openinference")
    again = truth.take(project, written, format_name="openinference")
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}


def test_the_totals_are_those_of_the_summary(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="openinference")
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in found) == total
    assert sum(event["tok_input_fresh"] is not None for event in found) == written.totals["calls_with_tokens"]
