"""Files on their way in, encrypted on disk: what is not let in must not lie there either, not for a minute.

Each file has a key of its own. A temporary file's key is only in memory, so what a killed process leaves cannot be
read by anyone; a kept file's key stands beside its row, itself encrypted, and is deleted with the row's need of it.
"""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from netra import vault

FRAME_BYTES = 1 << 20
_LENGTH_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
# In the length of a frame: nothing follows it.
_LAST = 1 << 31


class _Sealing:
    """Frames under one key, numbered, the last of them marked: none can be left out, moved or changed unnoticed."""

    def __init__(self, file: IO[bytes], key: bytes) -> None:
        self.file, self._cipher, self._number, self._held = file, AESGCM(key), 0, bytearray()

    def write(self, data: Any) -> None:
        self._held += memoryview(data)
        while len(self._held) >= FRAME_BYTES:
            self._put(bytes(self._held[:FRAME_BYTES]))
            del self._held[:FRAME_BYTES]

    def finish(self) -> None:
        self._put(bytes(self._held), mark=_LAST)
        self._held.clear()

    def _put(self, frame: bytes, *, mark: int = 0) -> None:
        head = (len(frame) + _TAG_BYTES | mark).to_bytes(_LENGTH_BYTES, "big")
        self.file.write(head + self._cipher.encrypt(self._number.to_bytes(_NONCE_BYTES, "big"), frame, head))
        self._number += 1


class _Opening(io.RawIOBase):
    """The bytes of a sealed file, from its beginning. Raises OSError for a wrong key or a file that was changed."""

    def __init__(self, file: IO[bytes], key: bytes) -> None:
        self._file, self._cipher = file, AESGCM(key)
        self._rewind()

    def _rewind(self) -> None:
        self._file.seek(0)
        self._number, self._frame, self._at, self._is_ended = 0, b"", 0, False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only back to the beginning."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("A sealed file is read from its beginning.")
        self._rewind()
        return 0

    def readinto(self, into: Any) -> int:
        if self._at >= len(self._frame):
            self._frame, self._at = self._next(), 0
        piece = self._frame[self._at : self._at + len(into)]
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _next(self) -> bytes:
        if self._is_ended:
            return b""
        head = self._file.read(_LENGTH_BYTES)
        length = int.from_bytes(head, "big")
        sealed = self._file.read(length & ~_LAST)
        try:
            frame = self._cipher.decrypt(self._number.to_bytes(_NONCE_BYTES, "big"), sealed, head)
        except (InvalidTag, ValueError):
            raise OSError(5, "its encrypted copy was cut or changed") from None
        self._number += 1
        self._is_ended = bool(length & _LAST)
        return frame

    def close(self) -> None:
        self._file.close()
        super().close()


class KeptFile:
    """A sealed file being written; `sealed_key` opens it again later. Remove it by its path."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".sealed")
        key = AESGCM.generate_key(256)
        self.path, self.sealed_key, self.n_bytes = Path(name), vault.seal(base64.b64encode(key).decode()), 0
        self._sealing = _Sealing(open(handle, "wb"), key)  # noqa: SIM115 (closed by close or discard)

    def write(self, data: bytes) -> None:
        self._sealing.write(data)
        self.n_bytes += len(data)

    def close(self) -> None:
        self._sealing.finish()
        self._sealing.file.close()

    def discard(self) -> None:
        self._sealing.file.close()
        self.path.unlink(missing_ok=True)


def opened(path: Path, sealed_key: str) -> io.RawIOBase:
    """The content of a kept file. Raises OSError, and Unavailable when its key cannot be decrypted."""
    key = base64.b64decode(vault.unseal(sealed_key))
    return _Opening(open(path, "rb"), key)


class PassingFile(io.RawIOBase):
    """What a request's body is held in: up to a megabyte in memory, a longer one sealed in a nameless file.

    Written first, then read from `seek(0)` on.
    """

    def __init__(self) -> None:
        self._memory = io.BytesIO()
        self._sealing: _Sealing | None = None
        self._opening: _Opening | None = None
        self._key = b""

    def writable(self) -> bool:
        return self._opening is None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._sealing is not None:
            self._sealing.write(data)
        else:
            self._memory.write(data)
            if self._memory.tell() > FRAME_BYTES:
                self._move_out()
        return memoryview(data).nbytes

    def _move_out(self) -> None:
        self._key = AESGCM.generate_key(256)
        nameless = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 (closed with this)
        self._sealing = _Sealing(nameless, self._key)
        self._sealing.write(self._memory.getvalue())
        self._memory = io.BytesIO()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._sealing is None:
            return self._memory.seek(offset, whence)
        if self._opening is None:
            self._sealing.finish()
            self._opening = _Opening(self._sealing.file, self._key)
        return self._opening.seek(offset, whence)

    def readinto(self, into: Any) -> int:
        if self._sealing is None:
            return self._memory.readinto(into)
        if self._opening is None:
            self.seek(0)
        assert self._opening is not None
        return self._opening.readinto(into)

    def close(self) -> None:
        if self._sealing is not None:
            self._sealing.file.close()
        super().close()


class SealedUploadHandler(FileUploadHandler):
    """Files of a form too large for memory. Django's own handler writes them out in the clear."""

    def new_file(self, *args: Any, **options: Any) -> None:
        super().new_file(*args, **options)
        self._passing = PassingFile()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._passing.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        self._passing.seek(0)
        file = cast("IO[bytes]", self._passing)
        return UploadedFile(file, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra)

    def upload_interrupted(self) -> None:
        if hasattr(self, "_passing"):
            self._passing.close()
