"""Importing: counted, cancellable, resumable; and whatever a line holds, only Rejected comes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra import celery
from projects import importing, ledger, log
from projects.ingest import formats, parsing
from projects.ingest.reader import Reader
from projects.ingest.verdicts import Rejected
from projects.log import EventFilter
from projects.models import Import, Project
from projects.tasks import resume_imports, run_import
from tests.projects.damaged import netra_rows, openai_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def _file(folder: Path, n: int) -> Path:
    path = folder / "calls.jsonl"
    row = netra_rows()[0]
    path.write_text("".join(json.dumps({**row, "id": f"c-{number}"}) + "\n" for number in range(n)))
    return path


def _import(project: Project, path: Path, **fields: Any) -> Import:
    return Import.objects.create(project=project, file_name=path.name, file_path=str(path), **fields)


@pytest.mark.django_db
def test_reimport_adds_nothing(project: Project, events: None, tmp_path: Path) -> None:
    path = _file(tmp_path, 30)
    first, second = importing.run(_import(project, path)), importing.run(_import(project, path))
    assert (first.n_taken, second.n_taken, second.n_duplicate) == (30, 0, 30)
    assert log.count(project.pk, EventFilter()) == 30


@pytest.mark.django_db
def test_an_interrupted_import_goes_on_and_its_counts_end_true(
    project: Project, events: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BATCH_LINES", 10)
    path = _file(tmp_path, 35)
    taking = _import(project, path)
    written: list[int] = []
    write = log.write

    def dies_after_writing(*args: Any, **options: Any) -> log.WriteReport:
        report = write(*args, **options)
        written.append(report.taken)
        if len(written) == 2:
            raise KeyboardInterrupt  # as a kill would: the log has the batch, the ledger does not
        return report

    monkeypatch.setattr(log, "write", dies_after_writing)
    with pytest.raises(KeyboardInterrupt):
        importing.run(taking)
    monkeypatch.setattr(log, "write", write)
    again = importing.run(Import.objects.get(pk=taking.pk))
    assert (again.state, again.n_lines, again.n_taken, again.n_duplicate) == ("done", 35, 35, 0)
    assert log.count(project.pk, EventFilter()) == 35


@pytest.mark.django_db
def test_cancelling_stops_after_the_batch(
    project: Project, events: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BATCH_LINES", 10)
    taking = _import(project, _file(tmp_path, 35))
    settle = importing.settle

    def cancels(*args: Any, **options: Any) -> None:
        settle(*args, **options)
        importing.cancel(Import.objects.get(pk=taking.pk))

    monkeypatch.setattr(importing, "settle", cancels)
    importing.run(taking)
    taking.refresh_from_db()
    assert (taking.state, taking.n_taken) == ("cancelled", 10)


@pytest.mark.django_db
def test_stopping_the_server_leaves_it_unfinished(project: Project, events: None, tmp_path: Path) -> None:
    celery.stopping.set()
    try:
        taking = importing.run(_import(project, _file(tmp_path, 3)))
    finally:
        celery.stopping.clear()
    assert taking.state == "running"
    run_import(taking.pk)  # still held by its heartbeat
    Import.objects.filter(pk=taking.pk).update(heartbeat_at=None)
    run_import(taking.pk)
    taking.refresh_from_db()
    assert (taking.state, taking.n_taken) == ("done", 3)


@pytest.mark.django_db
def test_finished_imports_are_not_run_again(project: Project, events: None, tmp_path: Path) -> None:
    taking = importing.run(_import(project, _file(tmp_path, 3)))
    finished = taking.finished_at
    run_import(taking.pk)
    resume_imports()
    taking.refresh_from_db()
    assert taking.finished_at == finished


@pytest.mark.django_db
def test_an_uploaded_copy_is_removed_but_a_person_s_file_is_not(project: Project, events: None, tmp_path: Path) -> None:
    path = _file(tmp_path, 3)
    importing.run(_import(project, path))
    assert path.exists()
    importing.run(_import(project, path, is_file_ours=True))
    assert not path.exists()


@pytest.mark.django_db
def test_a_missing_file_fails_with_a_sentence(project: Project, events: None, tmp_path: Path) -> None:
    taking = importing.run(_import(project, tmp_path / "gone.jsonl"))
    assert (taking.state, taking.sentence) == ("failed", "The file cannot be read: No such file or directory.")


@pytest.mark.django_db
def test_examples_are_limited_and_counts_exact(
    project: Project, events: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "EXAMPLES_A_CODE", 5)
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(netra_rows()[0]) + "\n" + "not json\n" * 50)
    taking = importing.run(_import(project, path))
    assert taking.reject_counts == {"invalid_json": 50}
    assert taking.lines.filter(outcome="rejected").count() == 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("kind", ["openai", "netra"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_spoilt_records_are_taken_or_rejected(kind: str, data: st.DataObject) -> None:
    """Replace a value anywhere in a good record by anything."""
    record = (openai_rows if kind == "openai" else netra_rows)()[0]
    spot: Any = record
    while True:
        key = data.draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else range(len(spot))))
        if not isinstance(spot[key], (dict, list)) or not spot[key] or data.draw(st.booleans()):
            spot[key] = data.draw(json_values)
            break
        spot = spot[key]
    (found,) = parsing.line(formats.named(kind), json.dumps(record).encode(), NOW)
    assert found.code if isinstance(found, Rejected) else found.source


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_rejected(data: bytes) -> None:
    for kind in formats.FORMATS:
        (found,) = parsing.line(formats.named(kind), data, NOW)
        assert isinstance(found, Rejected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30), max_size=8), st.booleans())
def test_lines_of_an_array_are_its_elements(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], wide: bool
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a.json"
    path.write_text(json.dumps([{"t": text} for text in texts], indent=2 if wide else None))
    assert [json.loads(line.data or b"")["t"] for line in Reader(path)] == texts
