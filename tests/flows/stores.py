"""ClickHouse servers for tests, as processes that can be killed and started again over the same folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SERVER = Path(__file__).resolve().parents[1] / "clickhouse_over_http.py"


@dataclass
class Store:
    folder: Path
    process: subprocess.Popen[str] | None = None
    address: str = ""

    def start(self) -> None:
        """On the port it had before, if it ran before."""
        port = [str(urlsplit(self.address).port)] if self.address else []
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(self.folder), *port], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(folder: Path) -> Iterator[Store]:
    store = Store(folder)
    store.start()
    try:
        yield store
    finally:
        store.kill()
