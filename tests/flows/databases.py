"""A database of its own for processes with Netra's own settings, where a database server is used."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest


@contextmanager
def own_database() -> Iterator[None]:
    """DATABASE_URL leads to a new database until the end, and then that is gone. SQLite lies in the data folder."""
    if not (url := os.environ.get("DATABASE_URL")):
        yield
        return
    name = f"killed_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DATABASE_URL", f"{url.rpartition('/')[0]}/{name}")
                yield
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
