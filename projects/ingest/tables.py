"""Tables of calls, CSV and Parquet, a record a row: what exports of consoles and to object storage often are.

Cells that hold JSON objects or lists are opened, empty ones are left out. Rows of a CSV are numbered by the line of the
file they begin on, rows of a Parquet file from 1.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from projects.ingest import values
from projects.ingest.verdicts import FileRefused

PARQUET = b"PAR1"
ROWS = 500
_NAME = re.compile(r"[A-Za-z_][\w .\-/()]{0,79}")
# One of these is in every table of calls; a line of plain text with commas has none.
_KNOWN = frozenset(
    {
        *("id", "request_id", "trace_id", "traceId", "span_id", "started_at", "created_at", "start_time"),
        *("startTime", "request_created_at", "context.span_id"),
    }
)
csv.field_size_limit(64 << 20)


def delimiter(head: bytes) -> str | None:
    """What parts the columns when a file begins with a table's header; None when it does not."""
    first = head.lstrip().split(b"\n", 1)[0].strip()
    if not first or first[:1] in b"{[<":
        return None
    try:
        line = first.decode()
    except UnicodeDecodeError:
        return None
    for mark in ",;\t":
        names = _names(next(csv.reader([line], delimiter=mark), []))
        if len(names) >= 3 and names and _KNOWN & set(names) and all(_NAME.fullmatch(name) for name in names):
            return mark
    return None


def _names(header: Iterable[str]) -> list[str]:
    return [name.strip() for name in header]


def rows(chunks: Iterator[bytes], mark: str) -> Iterator[tuple[int, bytes | None]]:
    """The rows of a CSV as JSON, each with the number of the line it begins on.

    None stands for a row with more or fewer cells than there are columns: cut, or quoted wrongly.
    """
    reader = csv.reader(_texts(chunks), delimiter=mark)
    names, begins = _names(next(reader, [])), reader.line_num + 1
    while (cells := _next(reader)) is not None:
        if cells == [""] or any(cell.strip() for cell in cells):
            yield begins, _json(dict(zip(names, cells, strict=True))) if len(cells) == len(names) else None
        begins = reader.line_num + 1


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """None at the end. What the reader refuses (a cell of 64 MB, a stray end of line) is a row that fits nothing."""
    try:
        return next(reader, None)
    except csv.Error:
        return [""]


def _texts(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines with their ends; bytes that are no UTF-8 become lone surrogates, which are repaired and flagged later."""
    stream = io.TextIOWrapper(io.BufferedReader(_Chunks(chunks)), "utf-8", errors="surrogateescape", newline="")
    yield from stream


class _Chunks(io.RawIOBase):
    """Chunks as a file that is read from its beginning."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._held:
            held = next(self._chunks, None)
            if held is None:
                return 0
            self._held = held
        piece = self._held[: len(into)]
        into[: len(piece)], self._held = piece, self._held[len(piece) :]
        return len(piece)


def parquet_rows(file: BinaryIO) -> Iterator[tuple[bytes, float]]:
    """The rows of a Parquet file as JSON, each with the share of the file that is read. Raises FileRefused."""
    try:
        table = pq.ParquetFile(file)
        n_rows, n = max(table.metadata.num_rows, 1), 0
        for batch in table.iter_batches(batch_size=ROWS):
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                n += 1
                yield _json(row), n / n_rows
    except (pa.ArrowException, OSError) as problem:
        raise FileRefused("damaged_parquet", f"The Parquet file cannot be read: {str(problem)[:200]}.") from None


def _json(row: Mapping[str, Any]) -> bytes:
    told = {name: _cell(cell) for name, cell in row.items() if cell is not None and cell != ""}
    try:
        return orjson.dumps(told, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return values.dumps(told, default=_plain)


def _cell(cell: Any) -> Any:
    if isinstance(cell, str):
        if cell[:1] in ("{", "["):
            found = values.load(cell.encode("utf-8", "surrogatepass"), default=None)
            return cell if found is None else found
        return cell
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).isoformat()
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _plain(cell: Any) -> Any:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return str(cell) if not isinstance(cell, Decimal) else format(cell, "f")
