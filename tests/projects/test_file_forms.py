"""The same records as lines, arrays, tables and packed: what a file looks like changes nothing of what is in it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from netra.sealed_files import KeptFile
from projects import importing, log
from projects.ingest import reader, tables
from projects.ingest.reader import Reader
from projects.ingest.verdicts import FileRefused
from projects.log import EventFilter
from projects.models import Import, Project
from tests.projects import test_portkey
from tests.projects.damaged import lines, netra_rows
from tests.projects.test_langfuse import ROW as OBSERVATION

Rows = list[dict[str, Any]]
SNAKES = {"traceId": "trace_id", "startTime": "start_time", "endTime": "end_time", "usageDetails": "usage_details"}


def as_lines(rows: Rows) -> bytes:
    return b"\n".join(lines(rows))


def as_csv(rows: Rows, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    table.writeheader()
    for row in rows:
        table.writerow({k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()})
    return out.getvalue().encode()


def as_parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    told = [{k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(told), out)
    return out.getvalue()


FORMS: dict[str, Callable[[Rows], bytes]] = {
    "lines": as_lines,
    "array": lambda rows: json.dumps(rows).encode(),
    "wide array": lambda rows: json.dumps(rows, indent=2).encode(),
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "CSV": as_csv,
    "CSV with semicolons": lambda rows: as_csv(rows, ";"),
    "TSV": lambda rows: as_csv(rows, "\t"),
    "CSV with a mark": lambda rows: b"\xef\xbb\xbf" + as_csv(rows),
    "Parquet": as_parquet,
    "gzip": lambda rows: gzip.compress(as_lines(rows)),
    "zstd": lambda rows: zstd.compress(as_lines(rows)),
    "zstd in two frames": lambda rows: zstd.compress(as_lines(rows[:1]) + b"\n") + zstd.compress(as_lines(rows[1:])),
    "packed CSV": lambda rows: gzip.compress(as_csv(rows)),
}


def observations() -> Rows:
    """Rows of a Langfuse blob export: snake case."""
    names = {**SNAKES, "parentObservationId": "parent_observation_id", "providedModelName": "provided_model_name"}
    told = [{names.get(k, k): v for k, v in OBSERVATION.items()} for _ in range(3)]
    return [{**row, "id": f"obs-{n}"} for n, row in enumerate(told)]


def portkey_rows() -> Rows:
    return [test_portkey.row(id=f"pk-{n}", trace_id=f"tr-{n}") for n in range(3)]


def helicone_rows() -> Rows:
    told = {
        "request_created_at": "2026-11-05T08:00:00.000Z",
        "response_created_at": "2026-11-05T08:00:01.310Z",
        "response_status": 200,
        "provider": "OPENAI",
        "request_model": "gpt-5-mini",
        "prompt_tokens": 455,
        "completion_tokens": 70,
        "delay_ms": 1310,
        "cost": 0.000254,
        "properties": {"Helicone-Session-Id": "s-1", "env": "prod"},
        "request_body": {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "A, or\nB?"}]},
    }
    return [{"request_id": f"hr-{n}", **told} for n in range(3)]


KINDS: dict[str, Callable[[], Rows]] = {
    "netra": netra_rows,
    "portkey": portkey_rows,
    "langfuse": observations,
    "helicone": helicone_rows,
}


def take(project: Project, path: Path, content: bytes, **fields: Any) -> Import:
    path.write_bytes(content)
    return importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path), **fields))


def told(project: Project) -> list[dict[str, Any]]:
    left_out = {"ingested_at", "import_id", "usage_raw", "content_hash"}
    found = [{k: v for k, v in each.items() if k not in left_out} for each in log.export(project.pk, EventFilter())]
    return sorted(found, key=lambda each: str(each["source_record_id"]))


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_every_form_holds_the_same_calls(project: Project, events: None, tmp_path: Path, kind: str) -> None:
    rows = KINDS[kind]()
    expected: list[dict[str, Any]] = []
    for name, form in FORMS.items():
        taking = take(project, tmp_path / "file", form(rows))
        assert (taking.state, taking.format, taking.n_taken, taking.n_lines) == ("done", kind, 3, 3), (
            name,
            taking.sentence,
        )
        expected = expected or told(project)
        assert told(project) == expected, name
        log.delete_project(project.pk)


def numbers(path: Path, content: bytes) -> list[tuple[int, str]]:
    path.write_bytes(content)
    return [(line.number, line.problem) for line in Reader(path)]


def test_rows_are_numbered_by_the_line_they_begin_on(tmp_path: Path) -> None:
    content = b'id,name,started_at\n1,"a\nb",x\n\n2,c,y\n3,"d\n\ne",z\n4,f,w\n'
    assert [number for number, _ in numbers(tmp_path / "a.csv", content)] == [2, 5, 6, 9]


@pytest.mark.django_db
def test_a_row_of_the_wrong_width_is_rejected_by_its_line(project: Project, events: None, tmp_path: Path) -> None:
    rows = as_csv(netra_rows()).split(b"\r\n")
    taking = take(project, tmp_path / "a.csv", b"\r\n".join([*rows[:2], b"1,2,3", *rows[2:]]))
    (line,) = taking.lines.filter(outcome="rejected")
    assert (taking.n_taken, line.line_number, line.code) == (3, 3, "column_count")


def test_a_table_cut_inside_a_quoted_cell_loses_that_row_only(tmp_path: Path) -> None:
    assert numbers(tmp_path / "a.csv", b'id,name,started_at\n1,a,x\n2,"b') == [(2, ""), (3, "column_count")]


@pytest.mark.parametrize(
    "head", [b"a, b, c\n1,2,3\n", b"ERROR: disk full, retry, later\n", b"id,name\n", b"\xff,\xfe,id\n"]
)
def test_plain_text_with_commas_is_no_table(head: bytes) -> None:
    assert tables.delimiter(head) is None


def test_bytes_that_are_no_text_are_repaired_and_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,name,started_at\n1,fr\xe4ge,x\n")
    (line,) = Reader(path)
    assert json.loads(line.data or b"") == {"id": "1", "name": "fr\udce4ge", "started_at": "x"}


@pytest.mark.parametrize("content", [as_parquet(netra_rows())[:-30], b"PAR1" + b"\0" * 400, b"PAR1"])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FileRefused, match="Parquet"):
        list(Reader(tmp_path / "a.parquet"))


@pytest.mark.parametrize("content", [zstd.compress(b"x" * 99)[:-3], b"\x28\xb5\x2f\xfd" + b"\xff" * 40])
def test_a_damaged_zstd_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zst").write_bytes(content)
    with pytest.raises(FileRefused, match="zstd"):
        list(Reader(tmp_path / "a.zst"))


def test_junk_after_a_zstd_frame_is_flagged(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(zstd.compress(as_lines(netra_rows())) + b"JUNK")
    read = Reader(tmp_path / "a.zst")
    assert (len(list(read)), read.flags) == (3, {"trailing_data"})


def test_a_bomb_is_unpacked_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(zstd.compress(b"\n" * (80 << 20)))
    assert list(Reader(tmp_path / "a.zst")) == []


def test_a_sealed_table_is_read_too(tmp_path: Path, db: None) -> None:
    kept = KeptFile(tmp_path)
    kept.write(as_parquet(netra_rows()))
    kept.close()
    assert len(list(Reader(kept.path, sealed_key=kept.sealed_key))) == 3


def test_a_zip_archive_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04\x14\x00" + b"\0" * 40)
    with pytest.raises(FileRefused, match="unpack it"):
        reader.peek(tmp_path / "a.zip")


def test_times_maps_and_numbers_of_a_parquet_file_keep_their_meaning(tmp_path: Path) -> None:
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    table = {"id": ["a"], "at": [at], "naive": [at.replace(tzinfo=None)], "cost": [float("nan")], "raw": [b"x"]}
    usage = pa.array([[("input", 3)]], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({**table, "usage": usage}), tmp_path / "a.parquet")
    (line,) = Reader(tmp_path / "a.parquet")
    told = {"id": "a", "at": "2026-11-02T12:00:00+00:00", "naive": "2026-11-02T12:00:00+00:00", "raw": "x"}
    assert json.loads(line.data or b"") == {**told, "cost": None, "usage": {"input": 3}}
