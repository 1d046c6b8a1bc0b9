"""Node and the packages of `package.json`, installed once a machine; processes of them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")


def ready() -> None:
    """Install what is not there yet, one process at a time. Skips where there is no Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed here.")
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    mark = MODULES / ".installed"
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            subprocess.run(INSTALL, cwd=HERE, check=True, timeout=600)
            mark.write_text(wanted)


class Driver:
    """`drive.mjs` under way: asked a line, it answers a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def play(self, client: str, scenario: str, **known: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"client": client, "scenario": scenario, **known}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def driver() -> Iterator[Driver]:
    ready()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(("node", "drive.mjs"), cwd=HERE, text=True, **pipes) as process:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()
