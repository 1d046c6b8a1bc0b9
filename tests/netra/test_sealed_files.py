"""Files on their way in: nothing of them can be read on disk, and what comes back is what went in."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from django.core.files.uploadhandler import FileUploadHandler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra.sealed_files import FRAME_BYTES, KeptFile, PassingFile, SealedUploadHandler, opened

SECRET = b"a very telling sentence "
LONG = SECRET * (3 * FRAME_BYTES // len(SECRET))


def kept(folder: Path, *pieces: bytes) -> KeptFile:
    made = KeptFile(folder)
    for piece in pieces:
        made.write(piece)
    made.close()
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    st.lists(st.binary(max_size=3_000), max_size=5),
    st.sampled_from([0, 1, FRAME_BYTES - 1, FRAME_BYTES, 2 * FRAME_BYTES]),
)
def test_any_bytes_come_back(tmp_path: Path, pieces: list[bytes], more: int) -> None:
    made = kept(tmp_path, *pieces, b"x" * more)
    with opened(made.path, made.sealed_key) as file:
        assert file.read() == b"".join(pieces) + b"x" * more
    assert made.n_bytes == sum(map(len, pieces)) + more


def test_nothing_of_it_stands_on_disk(tmp_path: Path) -> None:
    made = kept(tmp_path, LONG)
    assert SECRET[:8] not in made.path.read_bytes()
    assert made.path.stat().st_mode & 0o077 == 0
    assert SECRET[:8].decode() not in made.sealed_key


def test_it_can_be_read_again_from_the_beginning(tmp_path: Path) -> None:
    made = kept(tmp_path, LONG)
    with opened(made.path, made.sealed_key) as file:
        file.read(2)
        file.seek(0)
        assert file.read() == LONG
        with pytest.raises(io.UnsupportedOperation):
            file.seek(5)


@pytest.mark.parametrize("spoil", ["flip", "swap", "drop", "mark"])
def test_a_changed_file_is_noticed(tmp_path: Path, spoil: str) -> None:
    made = kept(tmp_path, LONG)
    data, frame = bytearray(made.path.read_bytes()), FRAME_BYTES + 16 + 4
    if spoil == "flip":
        data[100] ^= 1
    elif spoil == "swap":
        data[:frame], data[frame : 2 * frame] = data[frame : 2 * frame], data[:frame]
    elif spoil == "mark":
        data[0] ^= 0x80
    else:
        del data[:frame]
    made.path.write_bytes(bytes(data))
    with opened(made.path, made.sealed_key) as file, pytest.raises(OSError, match="changed"):
        file.read()


@pytest.mark.parametrize("n_left", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * FRAME_BYTES, LONG], ids=["empty", "short", "a frame", "long"]
)
def test_a_file_that_was_cut_is_noticed_even_between_two_frames(tmp_path: Path, content: bytes, n_left: int) -> None:
    """A disk that was full, or a hand that took the end away: a shorter log must not pass for a whole one."""
    made, frame = kept(tmp_path, content), FRAME_BYTES + 16 + 4
    data = made.path.read_bytes()
    made.path.write_bytes(data[: min(n_left * frame, len(data) - 1)])
    with opened(made.path, made.sealed_key) as file, pytest.raises(OSError, match="cut or changed"):
        file.read()


def test_the_key_of_another_file_opens_nothing(tmp_path: Path) -> None:
    one, other = kept(tmp_path, b"one"), kept(tmp_path, b"other")
    with opened(one.path, other.sealed_key) as file, pytest.raises(OSError):
        file.read()


def test_a_short_body_never_touches_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    body = PassingFile()
    body.write(SECRET)
    body.seek(0)
    assert body.read() == SECRET


def test_a_long_body_is_sealed_and_comes_back(tmp_path: Path, settings: object) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path  # type: ignore[attr-defined]
    with PassingFile() as body:
        body.write(LONG)
        body.seek(0)
        assert body._sealing is not None
        on_disk = os.pread(body._sealing.file.fileno(), 10 * FRAME_BYTES, 0)
        assert len(on_disk) > FRAME_BYTES
        assert SECRET[:8] not in on_disk
        assert body.read() == LONG
    assert list(tmp_path.iterdir()) == []


def test_a_large_upload_of_a_form_goes_through_it() -> None:
    handler: FileUploadHandler = SealedUploadHandler()
    handler.new_file("file", "calls.jsonl", "text/plain", None)
    for start in range(0, len(LONG), 65_536):
        handler.receive_data_chunk(LONG[start : start + 65_536], start)
    file = handler.file_complete(len(LONG))
    assert file is not None
    assert b"".join(file.chunks()) == LONG
    assert (file.name, file.size) == ("calls.jsonl", len(LONG))
