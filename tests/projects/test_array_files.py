"""JSON arrays: an element that cannot be read costs itself and no other, however the bytes arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.ingest.arrays import Scanner

GOOD = [{"id": n, "text": 'a ] } \\ " [ {'} for n in range(3)]


def elements(data: bytes, *, size: int = 1 << 20, is_open: bool = False) -> list[bytes]:
    """What a file of these bytes is cut into, read so many bytes at a time."""
    scanner = Scanner(is_open=is_open)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    return [*(found for chunk in chunks for found in scanner.feed(chunk)), *scanner.rest()]


def array(*parts: bytes) -> bytes:
    return b"[" + b", ".join(parts) + b"]"


def opened(found: list[bytes]) -> list[Any]:
    return [json.loads(each) for each in found]


ODD = {
    "a number of 5,000 digits": b'{"n": ' + b"1" * 5_000 + b"}",
    "nested beyond any reading": b'{"deep": ' + b"[" * 3_000 + b"]" * 3_000 + b"}",
    "a word that is no JSON": b'{"n": undefined, "m": [1, {"k": "]"}]}',
    "a single quote": b"{'n': 1}",
    "a missing comma": b'{"a": 1 "b": 2}',
    "a line end in a text": b'{"text": "one\ntwo"}',
    "a lone surrogate": b'{"text": "\\ud800"}',
    "NaN": b'{"n": NaN}',
    "a list": b'[{"id": 9}]',
    "a text": b'"text with ] and }"',
    "null": b"null",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_odd_element_costs_only_itself(odd: bytes, size: int) -> None:
    first, *others = (json.dumps(each).encode() for each in GOOD)
    found = elements(array(first, odd, *others), size=size)
    assert found == [first, odd, *others]


@pytest.mark.parametrize("between", [b"", b"\n", b",\n", b" \r\n\t"], ids=repr)
def test_arrays_one_behind_the_other_are_one_list(between: bytes) -> None:
    each = json.dumps(GOOD).encode()
    assert opened(elements(each + between + each)) == [*GOOD, *GOOD]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"[", []),
        (b"[,,]", []),
        (b'[{"id": 1},]', [{"id": 1}]),
        (b'[{"id": 1}', [{"id": 1}]),
        (b"[[],[[1]]]", [[], [[1]]]),
    ],
)
def test_the_edges_of_an_array(data: bytes, expected: list[Any]) -> None:
    assert opened(elements(data)) == expected


@pytest.mark.parametrize("cut", range(2, 30))
def test_an_array_that_is_cut_off_tells_of_what_is_left(cut: int) -> None:
    """The torn element comes out as it is, so that the ledger counts it."""
    whole = b'[{"id": 1, "a": [1]}, {"id": 2, "text": "abc"}]'
    found = elements(whole[:-cut])
    assert found[0] == b'{"id": 1, "a": [1]}' or len(found) == 1
    assert whole.startswith(b"[" + b", ".join(found).rstrip())


@given(
    values=st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers() | st.lists(st.none(), max_size=2)),
        max_size=5,
    ),
    size=st.integers(1, 9),
    indent=st.sampled_from([None, 2]),
    is_ascii=st.booleans(),
)
def test_any_objects_in_chunks_of_any_size(values: list[Any], size: int, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=is_ascii)
    data = text.encode("utf-8", "surrogatepass") if is_ascii else text.encode("utf-8", "replace")
    assert opened(elements(data, size=size)) == json.loads(data)


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_objects_over_several_lines_stand_by_themselves(size: int) -> None:
    data = b"\n".join(json.dumps(each, indent=2).encode() for each in GOOD)
    assert opened(elements(data, size=size, is_open=True)) == GOOD


def test_bytes_that_are_no_text_spoil_their_element_only() -> None:
    found = elements(b'[{"a": "\xff"}, {"a": "\xc3\xa4"}]')
    assert opened(found) == [{"a": "\ufffd"}, {"a": "\u00e4"}]
