"""One writer of a project's log at a time: two that look before either writes would both take the same call as new."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction

# Tells these locks from others in the same database: "log" as a number.
_SPACE = 0x6C6F67


@contextmanager
def turn(project_id: int) -> Iterator[None]:
    """Wait for the others, and hold the project's log: with PostgreSQL for every machine, else for this one."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, project_id])
            yield
        return
    folder = settings.DATA_DIR / "turns"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(folder / f"{project_id}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # goes with the file, so with the process too
        yield
