"""The public trace gives the published figures, and the benchmark says plainly what it cannot read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "cache_reuse.py"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def test_the_mooncake_conversation_trace(shared_dir: Path) -> None:
    done = _run("--trace", str(shared_dir / "data/traffic/mooncake_conversation.jsonl.gz"), "--json")
    told = json.loads(done.stdout)
    assert told["unlimited"] == pytest.approx(0.366, abs=0.002)
    sizes = [told[f"lru_{size}"] for size in (1_000, 10_000, 50_000)]
    assert sizes == pytest.approx([0.045, 0.211, 0.355], abs=0.002)


def test_a_trace_by_hand(tmp_path: Path) -> None:
    lines = [{"timestamp": 1000 * at, "hash_ids": ids} for at, ids in enumerate(([1, 2], [1, 3], [1, 2]))]
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, lines)))
    told = json.loads(_run("--trace", str(tmp_path / "trace.jsonl"), "--json", "--sizes", "2,3").stdout)
    # 3 of 6 blocks without limit (1, then 1 and 2); with room for two, 2 is gone when it is asked for.
    assert (told["unlimited"], told["lru_2"], told["lru_3"]) == (0.5, pytest.approx(2 / 6), 0.5)


def test_without_json_it_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").write_text('{"timestamp": 0, "hash_ids": [1]}\n')
    assert "unlimited" in _run("--trace", str(tmp_path / "trace.jsonl")).stdout


@pytest.mark.parametrize("content", ["{}", "[]", "nonsense", '{"timestamp": "x", "hash_ids": []}'])
def test_a_line_that_is_no_call_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "trace.jsonl").write_text(content)
    done = _run("--trace", str(tmp_path / "trace.jsonl"))
    assert done.returncode == 1
    assert "trace.jsonl, line 1: no call" in done.stderr


def test_a_missing_or_empty_file_is_said(tmp_path: Path) -> None:
    assert "There is no file" in _run("--trace", str(tmp_path / "gone")).stderr
    (tmp_path / "empty.jsonl").write_text("")
    assert json.loads(_run("--trace", str(tmp_path / "empty.jsonl"), "--json").stdout)["unlimited"] is None
