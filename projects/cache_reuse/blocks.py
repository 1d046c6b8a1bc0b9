"""Prefix blocks: a prompt cut into blocks, each named by everything before it and itself."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

from netra.errors import Invalid

ID_BYTES = 8  # a million blocks collide with a probability of 3e-8


def of_text(text: str, block_chars: int, *, root: str = "") -> list[int]:
    """Ids of the whole blocks of a text. Equal ids mean equal texts from the start up to that block's end.

    `root` names what prefixes are never shared across: another model's keys and values are of no use.
    Raises Invalid when the block has no size.
    """
    _checked(block_chars)
    whole = len(text) // block_chars * block_chars
    return chained(
        (text[at : at + block_chars].encode("utf-8", "replace") for at in range(0, whole, block_chars)), root
    )


def of_tokens(tokens: Sequence[int], block_tokens: int, *, root: str = "") -> list[int]:
    """The same over token ids. Raises Invalid when the block has no size."""
    _checked(block_tokens)
    whole = len(tokens) // block_tokens * block_tokens
    return chained((array("q", tokens[at : at + block_tokens]).tobytes() for at in range(0, whole, block_tokens)), root)


def chained(chunks: Iterable[bytes], root: str = "") -> list[int]:
    """Each chunk's id is the hash of the id before it and of the chunk (as paged key-value caches do)."""
    return list(_links(chunks, hashlib.blake2b(root.encode("utf-8", "replace"), digest_size=ID_BYTES).digest()))


def _links(chunks: Iterable[bytes], link: bytes) -> Iterator[int]:
    for chunk in chunks:
        link = hashlib.blake2b(link + chunk, digest_size=ID_BYTES).digest()
        yield int.from_bytes(link, "big", signed=True)


def _checked(size: int) -> None:
    if size < 1:
        raise Invalid("A block holds at least one token or character.", field="block_tokens")
