"""Packed files: wherever the bytes are cut into chunks the same data comes out; what ends too early is never taken."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from projects.ingest import unpacking
from projects.ingest.verdicts import FLAGS, FileRefused

SKIPPABLE = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"idx"
Packer = Callable[[bytes], bytes]
PACKERS: dict[str, Packer] = {"gzip": gzip.compress, "zstd": zstd.compress}
packer = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


def unpacked(packed: bytes, *cuts: int) -> tuple[bytes, set[str]]:
    """What comes out when the bytes arrive in pieces that end at these places, and the flags of the file."""
    flags: set[str] = set()
    start = unpacking.of(packed[:4])
    assert start is not None
    return b"".join(start(pieces(packed, *cuts), flags)), flags


def pieces(data: bytes, *cuts: int) -> Iterator[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for begin, end in zip([0, *ends], ends, strict=False):
        yield data[begin:end]


@packer
def test_members_come_out_whole_wherever_a_chunk_ends(pack: Packer) -> None:
    packed = pack(b"a\n") + pack(b"b\n") + pack(b"c\n")
    assert all(unpacked(packed, cut) == (b"a\nb\nc\n", set()) for cut in range(1, len(packed)))


@packer
@given(texts=st.lists(st.binary(max_size=40), min_size=1, max_size=4), cuts=st.lists(st.integers(1, 200), max_size=6))
def test_any_members_in_any_chunks(pack: Packer, texts: list[bytes], cuts: list[int]) -> None:
    packed = b"".join(pack(text) for text in texts)
    assert unpacked(packed, *cuts) == (b"".join(texts), set())


@packer
@pytest.mark.parametrize("junk", [b"\0", b"\x1f", b"\x28", b"JUNK", b"\0" * 64], ids=repr)
def test_bytes_behind_the_last_member_are_flagged_not_read(pack: Packer, junk: bytes) -> None:
    packed = pack(b"a\n") + junk
    for cut in range(len(packed) - len(junk) - 2, len(packed)):
        assert unpacked(packed, cut) == (b"a\n", {unpacking.TRAILING})
    assert unpacking.TRAILING in FLAGS


@packer
def test_a_file_cut_anywhere_is_refused(pack: Packer) -> None:
    """Also inside the mark at its end: a sum that was not checked proves nothing."""
    packed = pack(b"one line\n" * 9)
    for length in range(4, len(packed)):
        with pytest.raises(FileRefused, match="truncated"):
            unpacked(packed[:length])


@packer
def test_a_cut_second_member_is_refused_though_the_first_was_whole(pack: Packer) -> None:
    whole = pack(b"a\n")
    with pytest.raises(FileRefused, match="truncated"):
        unpacked(whole + whole[:-1])


@pytest.mark.parametrize("at", range(4, 30, 5))
def test_a_gzip_file_with_a_flipped_bit_is_refused_or_whole(at: int) -> None:
    packed = bytearray(gzip.compress(b"one line\n" * 9, mtime=0))
    packed[at] ^= 0x10
    try:
        found, _ = unpacked(bytes(packed))
    except FileRefused as refused:
        assert refused.code == "truncated_gzip"
    else:  # the header's time and system say nothing of the data
        assert found == b"one line\n" * 9


@pytest.mark.parametrize(
    "packed",
    [
        SKIPPABLE + zstd.compress(b"a\n"),
        zstd.compress(b"a\n") + SKIPPABLE,
        SKIPPABLE + zstd.compress(b"a") + SKIPPABLE + SKIPPABLE + zstd.compress(b"\n"),
    ],
    ids=["first", "last", "between"],
)
def test_frames_that_parallel_writers_put_between_are_passed_over(packed: bytes) -> None:
    assert all(unpacked(packed, cut) == (b"a\n", set()) for cut in range(1, len(packed)))


@pytest.mark.parametrize(
    "head", [b"", b"{", b'{"id', b"PK\x03\x04", b"PAR1", b"\x1f", b"\x28\xb5\x2f", b"\x6a\x2a\x4d\x18"]
)
def test_other_files_are_taken_as_they_are(head: bytes) -> None:
    assert unpacking.of(head) is None


@packer
def test_tiny_members_are_copied_once(pack: Packer) -> None:
    """What is left of a chunk is copied after each member, so it is given in bites, and small pieces come together."""
    packed = pack(b"a")
    start = unpacking.of(packed)
    assert start is not None
    found = list(start(iter([packed * 30_000]), set()))
    given = [len(bite) for bite in unpacking._bites(iter([packed * 30_000]))]
    assert [len(piece) for piece in found] == [30_000]
    assert max(given) <= unpacking.BITE and sum(given) == 30_000 * len(packed)


@packer
def test_what_came_before_a_damaged_member_is_given_first(pack: Packer) -> None:
    packed = pack(b"a\n")
    start = unpacking.of(packed)
    assert start is not None
    found = start(iter([packed * 3 + packed[:-1]]), set())
    assert next(found).startswith(b"a\n" * 3)
    with pytest.raises(FileRefused):
        next(found)


@packer
def test_a_bomb_never_holds_more_than_a_chunk(pack: Packer) -> None:
    packed = pack(b"\0" * (8 << 20))
    start = unpacking.of(packed)
    assert start is not None and len(packed) < 20_000
    sizes = [len(piece) for piece in start(iter([packed]), set())]
    assert sum(sizes) == 8 << 20
    assert max(sizes) <= unpacking.CHUNK
