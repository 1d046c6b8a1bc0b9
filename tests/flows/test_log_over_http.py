"""The log's own tests once more, against a ClickHouse server on a real socket instead of the engine in the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.flows import stores

ROOT = Path(__file__).resolve().parents[2]
SUITE = (
    "tests/netra/test_clickhouse.py",
    *("tests/projects/test_log.py", "tests/projects/test_log_appending.py", "tests/projects/test_receiving.py"),
)


def test_the_log_passes_over_http(tmp_path: Path) -> None:
    with stores.running(tmp_path / "store") as store:
        environment = {**os.environ, "CLICKHOUSE_URL": f"{store.address}/default", "PYTEST_ADDOPTS": ""}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *SUITE]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:]
