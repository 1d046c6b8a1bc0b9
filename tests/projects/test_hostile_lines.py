"""One hostile line in a file: it is told of by its number, and every line around it is taken."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from projects import ledger, log, previewing
from projects.ingest.values import DEEPEST
from projects.log import EventFilter
from projects.models import Import, Project
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


def line(name: str, **fields: Any) -> bytes:
    at = factories.NOON.isoformat()
    told = {"id": name, "started_at": at, "request": factories.chat_request(), "response": factories.chat_response()}
    return json.dumps(told | fields).encode()


def nested(n: int) -> bytes:
    """A good line with so many levels of lists in its request."""
    return line("deep", request={**factories.chat_request(), "x": "HERE"}).replace(b'"HERE"', b"[" * n + b"]" * n)


def imported(project: Project, path: Path, *lines: bytes) -> Import:
    path.write_bytes(b"\n".join(lines))
    call_command("import_logs", project.slug, str(path), "--format", "netra", stdout=StringIO())
    return Import.objects.latest("pk")


def outcome(taking: Import) -> tuple[str, int, list[tuple[int, str]]]:
    told = taking.lines.filter(outcome="rejected").values_list("line_number", "code")
    return taking.state, taking.n_taken, list(told)


HOSTILE = {
    "a little too deep": (nested(DEEPEST + 1), "nested_too_deeply"),
    "deeper than the writer goes": (nested(300), "nested_too_deeply"),
    "deeper than Python goes": (nested(900), "nested_too_deeply"),
    "deeper than any reader goes": (nested(100_000), "nested_too_deeply"),
    "a cost that rounds to a million": (line("m", cost_usd="999999.9999999999999"), "number_out_of_range"),
    "a cost without end": (line("m", cost_usd="9" * 5_000), "number_out_of_range"),
    "a cost below nothing": (line("m", cost_usd="-" + "1" * 50_000), "negative_cost"),
    "tokens beyond 64 bits": (line("t", tokens={"input_fresh": 10**25}), "number_out_of_range"),
    "a start before there were clocks": (line("a", started_at="1900-01-01T00:00:00Z"), "invalid_timestamp"),
    "an id of a megabyte": (line("i" * 1_000_000), "id_too_long"),
    "cut in the middle": (line("c")[:-40], "invalid_json"),
    "another encoding": ('{"id": "ü"}'.encode("latin-1"), "not_utf8"),
    "a number as a record": (b"1e5", "not_an_object"),
}


@pytest.mark.parametrize(("hostile", "code"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("door", [{}, {"is_private": True}, {"masks": ["email"]}], ids=["open", "private", "masked"])
def test_it_costs_only_itself(
    project: Project, tmp_path: Path, hostile: bytes, code: str, door: dict[str, Any]
) -> None:
    Project.objects.filter(pk=project.pk).update(**door)
    taking = imported(project, tmp_path / "a.jsonl", line("one"), hostile, line("two"))
    assert outcome(taking) == ("done", 2, [(2, code)])
    assert max(map(len, taking.lines.values_list("sentence", flat=True))) < 400


@pytest.mark.parametrize("levels", [1, 100, DEEPEST - 2])
@pytest.mark.parametrize("is_private", [False, True])
def test_what_is_nested_within_the_limit_is_kept_whole(
    project: Project, tmp_path: Path, levels: int, is_private: bool
) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=is_private)
    taking = imported(project, tmp_path / "a.jsonl", nested(levels))
    assert outcome(taking) == ("done", 1, [])
    (listed,) = log.events(project.pk, EventFilter()).rows
    stored = log.event(project.pk, listed["event_id"])
    assert json.dumps(stored["request"]["x"]) == "[" * levels + "]" * levels


def test_a_preview_of_hostile_lines_shows_each_with_its_reason(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([line("one"), *(hostile for hostile, _ in HOSTILE.values())]))
    shown = previewing.of(Import(project=project, file_path=str(path)), "netra").rows
    assert [row["is_call"] for row in shown] == [True] + [False] * (previewing.SHOWN - 1)
    assert all(row["sentence"] and len(row["sentence"]) < 400 for row in shown[1:])


ODD_TEXTS = {
    "NUL": "a\0b",
    "a lone surrogate": "a\ud800b",
    "a right-to-left override": "a\u202eb",
    "an astral character": "a\U0001f600b",
    "line ends": "a\r\nb\u2028c",
    "markup": "<script>alert(1)</script>",
    "a formula": "=1+1",
}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_characters_in_every_field_are_stored_or_marked(project: Project, tmp_path: Path, text: str) -> None:
    fields = dict.fromkeys(("session_id", "user_id", "served_model", "error_type", "environment"), text)
    told = {**fields, "request": factories.chat_request(text), "metadata": {text: text}, "tags": [text]}
    assert outcome(imported(project, tmp_path / "a.jsonl", line(f"r{text}", **told))) == ("done", 1, [])
    (listed,) = log.events(project.pk, EventFilter()).rows
    stored = log.event(project.pk, listed["event_id"])
    kept = text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    assert [stored[name] for name in fields] == [kept] * len(fields)
    assert (stored["metadata"], stored["tags"]) == ({kept: kept}, [kept])
    assert stored["request"]["messages"][0]["content"] == kept
    assert ("text_repaired" in stored["flags"]) is (kept != text)


def test_the_summary_of_a_hostile_file_stays_a_few_lines(project: Project, tmp_path: Path) -> None:
    taking = imported(project, tmp_path / "a.jsonl", *(hostile for hostile, _ in HOSTILE.values()))
    lines = ledger.summary(taking)
    assert len(lines) < 12
    assert sum(taking.reject_counts.values()) == taking.n_rejected == len(HOSTILE)


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\n\n \n"], ids=repr)
def test_any_line_ends_and_a_mark_at_the_beginning(project: Project, tmp_path: Path, ends: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + ends.join([line("one"), line("two")]) + ends)
    call_command("import_logs", project.slug, str(path), stdout=StringIO())
    assert outcome(Import.objects.latest("pk")) == ("done", 2, [])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("\ufeff{}".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 64, "not text"),
        (b"once upon a time\n", "not JSON Lines"),
        (b"\x1f\x8b\x08\x00", "truncated"),
    ],
    ids=["UTF-16", "zip", "html", "binary", "prose", "gzip header"],
)
def test_a_file_that_is_no_log_is_refused_in_a_sentence(
    project: Project, tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    taking = Import.objects.create(project=project, file_name="a", file_path=str(tmp_path / "a.jsonl"))
    assert sentence in previewing.of(taking).sentence
    with pytest.raises(CommandError, match="Not taken"):
        call_command("import_logs", project.slug, str(tmp_path / "a.jsonl"), stdout=StringIO())
    refused = Import.objects.latest("pk")
    assert (refused.state, refused.n_taken) == ("refused", 0)
    assert sentence in refused.sentence
