"""JSON values one after the other, out of an array or over several lines each, as their bytes come. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from projects.ingest.verdicts import FileRefused

LONGEST = 64 << 20
_BETWEEN = "], \t\r\n"
# Texts, also one that is cut at the end, and brackets outside of them.
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class Scanner:
    """Cuts `[…, …]` into its elements by trying the JSON decoder at each; raw_decode stops where a value ends.

    `is_open`: there is no array, the values stand by themselves.
    """

    def __init__(self, *, is_open: bool = False) -> None:
        # Values are read again one by one: here they only need an end, however long a number or odd a text is.
        self._decoder = json.JSONDecoder(parse_int=str, strict=False)
        self._text = ""
        self._bytes = b""
        self._need = 0
        self._is_open = is_open

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._bytes += chunk
        text, used = _decode_prefix(self._bytes)
        self._bytes = self._bytes[used:]
        self._text += text
        if len(self._text) < self._need:
            return
        yield from self._cut()
        # Doubling what to wait for keeps a long element from being tried again at every chunk.
        self._need = 2 * len(self._text)
        if len(self._text) > LONGEST:
            raise FileRefused("line_too_long", "An element of the array is longer than 64 MB, or is not JSON.")

    def _cut(self) -> Iterator[bytes]:
        at = 0
        while (start := self._skip(at)) < len(self._text) and (end := self._end(start)) is not None:
            yield self._text[start:end].encode("utf-8", "surrogatepass")
            at = end
        self._text = self._text[start:]

    def _end(self, start: int) -> int | None:
        """Where the value that begins here ends; None when that is still to come."""
        try:
            return self._decoder.raw_decode(self._text, start)[1]
        except (ValueError, RecursionError):
            return _balanced_end(self._text, start)

    def _skip(self, at: int) -> int:
        """Past what stands between elements, also where one array follows another."""
        while at < len(self._text):
            character = self._text[at]
            if character not in _BETWEEN and (self._is_open or character != "["):
                return at
            if character in "[]":
                self._is_open = character == "["
            at += 1
        return at

    def rest(self) -> Iterator[bytes]:
        """What is left at the end: elements that waited for more, and one that was cut off."""
        yield from self._cut()
        left = self._text.strip().strip("]").strip().encode("utf-8", "surrogatepass") + self._bytes
        if left:
            yield left


def _balanced_end(text: str, start: int) -> int | None:
    """Where the last bracket closes of a value that is complete and yet no JSON, or nested beyond any reading.

    Only that value is lost then, and not what follows. None where no bracket opens, or not all of them close.
    """
    depth = 0
    for found in _MARKS.finditer(text, start) if text[start] in "[{" else ():
        depth += (found[0] in "[{") - (found[0] in "]}")
        if depth == 0:
            return found.end()
    return None


def _decode_prefix(data: bytes) -> tuple[str, int]:
    """The text of all but a character that is cut at the end; bytes that are no UTF-8 become a mark."""
    for cut in range(4):
        end = len(data) - cut
        try:
            return data[:end].decode(), end
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace"), len(data)
