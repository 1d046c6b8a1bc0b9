"""Records out of a file: lines, plain or packed, with any line ends; JSON arrays; tables. Memory stays that of one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from netra import sealed_files
from projects.ingest import arrays, tables, unpacking
from projects.ingest.verdicts import FileRefused

CHUNK = 1 << 20
LONGEST_LINE = 64 << 20
# A Parquet file is read from its end; a sealed copy can only be read from its beginning, and so goes into memory.
LARGEST_SEALED_TABLE = 512 << 20
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Line:
    """`data` is None for a line over the limit, or with another `problem` (one of REJECTIONS).

    `bytes_done` counts bytes of the file as it lies on disk.
    """

    number: int
    data: bytes | None
    bytes_done: int
    problem: str = ""


class Reader:
    """Iterates over the lines that are not blank. `flags` of the whole file are known once it is read."""

    def __init__(self, path: Path, *, sealed_key: str = "") -> None:
        """`sealed_key` opens a copy that lies encrypted on disk."""
        self.path, self._sealed_key = path, sealed_key
        self.flags: set[str] = set()
        self._bytes_done = 0

    def __iter__(self) -> Iterator[Line]:
        """Raises FileRefused for UTF-16, for packed files that are cut and for tables that cannot be read."""
        with self._open() as file:
            head = file.read(4)
            file.seek(0)
            yield from self._table(file) if head == tables.PARQUET else self._texts(self._chunks(head, file.read))

    def _open(self) -> BinaryIO | RawIOBase:
        return sealed_files.opened(self.path, self._sealed_key) if self._sealed_key else open(self.path, "rb")

    def _chunks(self, head: bytes, read: Callable[[int], bytes | None]) -> Iterator[bytes]:
        unpacked = unpacking.of(head)
        plain = self._plain(read)
        return plain if unpacked is None else unpacked(plain, self.flags)

    def _plain(self, read: Callable[[int], bytes | None]) -> Iterator[bytes]:
        while chunk := read(CHUNK):
            self._bytes_done += len(chunk)
            yield chunk

    def _texts(self, chunks: Iterator[bytes]) -> Iterator[Line]:
        head = next(chunks, b"")
        if head.startswith(UTF16):
            raise FileRefused("not_utf8", "The file is UTF-16; save it as UTF-8.")
        head = head.removeprefix(BOM)
        rest, first = _again(head, chunks), head.lstrip()
        if first[:1] == b"[":
            return self._elements(rest, arrays.Scanner())
        if first.split(b"\n", 1)[0].rstrip() == b"{":  # objects over several lines
            return self._elements(rest, arrays.Scanner(is_open=True))
        mark = tables.delimiter(head)
        return self._lines(rest) if mark is None else self._rows(rest, mark)

    def _rows(self, chunks: Iterator[bytes], mark: str) -> Iterator[Line]:
        for number, data in tables.rows(chunks, mark):
            yield Line(number, data, self._bytes_done, "" if data is not None else "column_count")

    def _table(self, file: BinaryIO | RawIOBase) -> Iterator[Line]:
        size = self.path.stat().st_size
        if self._sealed_key:
            if size > LARGEST_SEALED_TABLE:
                raise FileRefused("table_too_large", "A Parquet file to upload may have 512 MB; split it.")
            file = io.BytesIO(b"".join(self._plain(file.read)))
        for number, (data, share) in enumerate(tables.parquet_rows(cast("BinaryIO", file)), 1):
            yield Line(number, data, int(size * share))

    def _lines(self, chunks: Iterator[bytes]) -> Iterator[Line]:
        number, held, is_too_long = 0, b"", False
        for chunk in chunks:
            *whole, held_next = (held + chunk).split(b"\n")
            for data in whole:
                number += 1
                if is_too_long or data.strip():
                    yield Line(number, None if is_too_long else data, self._bytes_done)
                is_too_long = False
            held = held_next
            if len(held) > LONGEST_LINE:
                held, is_too_long = b"", True
        if is_too_long or held.strip():
            yield Line(number + 1, None if is_too_long else held, self._bytes_done)

    def _elements(self, chunks: Iterator[bytes], scanner: arrays.Scanner) -> Iterator[Line]:
        """The elements of an array, or objects that stand by themselves, counted from 1 like lines."""
        number = 0
        for chunk in chunks:
            for data in scanner.feed(chunk):
                number += 1
                yield Line(number, data, self._bytes_done)
        for data in scanner.rest():
            number += 1
            yield Line(number, data, self._bytes_done)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def peek(path: Path, n: int = 20, *, sealed_key: str = "") -> list[Any]:
    """The first records of a file that are objects, to tell its format by. Raises FileRefused for what is no log."""
    from projects.ingest.values import load

    lines = []
    for line in Reader(path, sealed_key=sealed_key):
        lines.append(line.data or b"")
        if len(lines) >= n:
            break
    found = [record for data in lines if isinstance(record := load(data, default=None), dict)]
    if lines and not found:
        raise _refusal(lines[0])
    return found


def _refusal(first: bytes) -> FileRefused:
    if first.startswith(b"PK\x03\x04"):
        return FileRefused("not_text", "The file is not text but a zip archive; unpack it and import what is in it.")
    if first.lstrip().startswith(b"<"):
        return FileRefused("not_json_lines", "The file is a web page or XML, not JSON Lines.")
    odd = sum(byte < 32 and byte not in (9, 10, 13, 27) for byte in first[:4096])
    try:
        first.decode()
        is_text = odd == 0
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        return FileRefused("not_text", "The file is not text.")
    return FileRefused("not_json_lines", "The file is not JSON Lines: its first lines are not JSON objects.")
