"""Files on their way in: encrypted into the data directory as they arrive, within a limit, then imported by a task."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from netra.errors import Conflict, Invalid, TooLarge
from netra.sealed_files import KeptFile
from projects.ingest import formats
from projects.models import Import, Project, User


def receive(
    project: Project,
    chunks: Iterable[bytes],
    *,
    file_name: str,
    by: User | None,
    format_name: str = "",
    is_to_confirm: bool = False,
) -> Import:
    """Keep what arrives and note the import; the caller sends the task. Raises TooLarge and Invalid.

    `is_to_confirm`: it waits until a person has seen what it seems to be.
    """
    if format_name and format_name not in formats.FORMATS:
        raise Invalid(f"There is no format {format_name[:40]!r}.", field="format")
    kept = _kept(chunks)
    return Import.objects.create(
        project=project,
        file_name=os.path.basename(file_name)[:255] or "upload",
        file_path=str(kept.path),
        is_file_ours=True,
        sealed_key=kept.sealed_key,
        format=format_name,
        bytes_total=kept.n_bytes,
        started_by=by,
        state=Import.State.ASKING if is_to_confirm else Import.State.QUEUED,
    )


def confirm(taking: Import, format_name: str) -> None:
    """A person has seen what the file is; the caller sends the task. Raises Conflict when it does not wait for that."""
    if format_name not in formats.FORMATS:
        raise Invalid(f"There is no format {format_name[:40]!r}.", field="format")
    _leave_waiting(taking, state=Import.State.QUEUED, format=format_name)


def decline(taking: Import) -> None:
    """Nothing of the file is taken, and its copy goes. Raises Conflict when it does not wait to be confirmed."""
    _leave_waiting(taking, state=Import.State.CANCELLED, finished_at=timezone.now())
    remove_copy(taking)
    taking.save(update_fields=["sealed_key"])


def _leave_waiting(taking: Import, **fields: Any) -> None:
    """Once, whoever comes first."""
    if not Import.objects.filter(pk=taking.pk, state=Import.State.ASKING).update(**fields):
        raise Conflict("This import does not wait to be confirmed.")
    taking.refresh_from_db()


def _kept(chunks: Iterable[bytes]) -> KeptFile:
    """An encrypted copy (docs/decisions/0007-uploads-are-sealed.md)."""
    kept = KeptFile(Path(settings.MEDIA_ROOT))
    try:
        for chunk in chunks:
            kept.write(chunk)
            if kept.n_bytes > settings.IMPORT_MAX_BYTES:
                raise TooLarge(f"The file is larger than {settings.IMPORT_MAX_BYTES / 1e9:.0f} GB.")
        kept.close()
    except BaseException:
        kept.discard()
        raise
    return kept


def remove_copy(taking: Import) -> None:
    """The copy goes, and its key with it. A file that was only pointed at stays."""
    if taking.is_file_ours:
        Path(taking.file_path).unlink(missing_ok=True)
        taking.sealed_key = ""


def remove_strays(*, older_than: timedelta = timedelta(days=1)) -> int:
    """Copies of imports that are over, or of none: a process was killed in between. Returns how many."""
    wanted = set(Import.objects.unfinished().values_list("file_path", flat=True))
    before, n_removed = time.time() - older_than.total_seconds(), 0
    for path in Path(settings.MEDIA_ROOT).glob("*"):
        if str(path) not in wanted and path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            n_removed += 1
    return n_removed
