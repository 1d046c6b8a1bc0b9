"""Packed bytes unpacked as they come: gzip and zstd, several members one after the other. Pure.

Never more than a chunk of output at a time, so that a bomb is only long, not large.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from backports import zstd

from projects.ingest.verdicts import FileRefused

CHUNK = 1 << 20
BITE = 1 << 14
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"
TRAILING = "trailing_data"
Chunks = Iterator[bytes]


def of(head: bytes) -> Callable[[Chunks, set[str]], Chunks] | None:
    """How a file that begins so is unpacked; None when it is not packed."""
    unpack = _gzip if head.startswith(GZIP) else _zstd if _is_frame(head) else None
    return None if unpack is None else lambda packed, flags: _gathered(unpack(_bites(packed), flags))


def _gzip(packed: Chunks, flags: set[str]) -> Chunks:
    inflater, held = zlib.decompressobj(wbits=31), b""
    for given in packed:
        waiting, held = held + given, b""
        while waiting:
            if inflater.eof:
                if len(waiting) < len(GZIP):  # the mark of a next member may be cut by the end of a chunk
                    held = waiting
                    break
                if not waiting.startswith(GZIP):
                    flags.add(TRAILING)
                    return
                inflater = zlib.decompressobj(wbits=31)
            try:
                piece = inflater.decompress(waiting, CHUNK)
            except zlib.error:
                raise FileRefused("truncated_gzip", "The gzip file is damaged.") from None
            waiting = inflater.unconsumed_tail or inflater.unused_data
            if piece:
                yield piece
    if not inflater.eof:
        raise FileRefused("truncated_gzip", "The gzip file is truncated: it ends before its data does.")
    flags.update({TRAILING} if held else ())


def _zstd(packed: Chunks, flags: set[str]) -> Chunks:
    inflater, held = zstd.ZstdDecompressor(), b""
    for given in packed:
        waiting, held = held + given, b""
        while waiting or not (inflater.eof or inflater.needs_input):
            if inflater.eof:
                if len(waiting) < len(ZSTD):
                    held = waiting
                    break
                if not _is_frame(waiting):
                    flags.add(TRAILING)
                    return
                inflater = zstd.ZstdDecompressor()
            try:
                piece = inflater.decompress(waiting, CHUNK)
            except zstd.ZstdError:
                raise FileRefused("truncated_zstd", "The zstd file is damaged.") from None
            waiting = inflater.unused_data if inflater.eof else b""
            if piece:
                yield piece
    if not inflater.eof:
        raise FileRefused("truncated_zstd", "The zstd file is truncated: it ends before its data does.")
    flags.update({TRAILING} if held else ())


def _bites(packed: Chunks) -> Chunks:
    """What is left after a member is copied, so a chunk of thousands of tiny members is not given whole."""
    for chunk in packed:
        for at in range(0, len(chunk), BITE):
            yield chunk[at : at + BITE]


def _gathered(pieces: Chunks) -> Chunks:
    """Tiny pieces together: whoever puts lines together copies a long one with every piece."""
    held = bytearray()
    try:
        for piece in pieces:
            if held and len(held) + len(piece) > CHUNK:
                yield bytes(held)
                held.clear()
            held += piece
    except FileRefused:
        yield bytes(held)
        raise
    if held:
        yield bytes(held)


def _is_frame(data: bytes) -> bool:
    """Of zstd: data, or a skippable frame (RFC 8878, 3.1.2), which parallel and seekable writers put between."""
    return data.startswith(ZSTD) or (data[1:4] == SKIPPABLE and data[0] >> 4 == 5)
