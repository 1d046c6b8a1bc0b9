"""How fast log lines are taken in: parsed, priced, hashed, de-duplicated and stored; a second import adds nothing.

    python benchmarks/import_lines.py [FILE] [--n 1000000] [--json]

Without a file, `n` simulated calls are written first (about 1.4 kB a line). A fresh data directory is used and removed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def made(folder: Path, n: int) -> Path:
    from netra.simulation.traffic import calls

    path = folder / "calls.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for call in calls(seed=2, n=n, incumbent="sim-large", until=datetime(2026, 11, 20, tzinfo=UTC)):
            file.write(json.dumps(call, ensure_ascii=False) + "\n")
    return path


def in_a_child(folder: Path, n: int) -> Path:
    """Made apart: what the writer uses must not count as the importer's memory."""
    child = os.fork()
    if child == 0:
        made(folder, n)
        os._exit(0)
    os.waitpid(child, 0)
    return folder / "calls.jsonl"


def measure(path: Path) -> dict[str, float]:
    import django

    django.setup()
    from django.core.management import call_command

    from projects import importing
    from projects.models import Import, Project

    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    call_command("sync_catalog", "--first-time", verbosity=0)
    project = Project.objects.create(slug="benchmark", name="Benchmark")
    began, cpu = time.perf_counter(), cpu_s()
    first = importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))
    wall, cpu = time.perf_counter() - began, cpu_s() - cpu
    again = importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))
    return {
        "lines": first.n_lines,
        "taken": first.n_taken,
        "events_per_s": round(first.n_lines / wall),
        "events_per_s_per_core": round(first.n_lines / cpu),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "reimport_added": again.n_taken + again.n_versioned + again.n_merged,
        "bytes_a_line": round(path.stat().st_size / max(first.n_lines, 1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="netra-benchmark-"))
    os.environ["NETRA_DATA_DIR"] = str(folder / "data")
    os.environ["DJANGO_SETTINGS_MODULE"] = "netra.settings"
    try:
        found = measure(asked.file or in_a_child(folder, asked.n))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<24} {value:>12,}")


if __name__ == "__main__":
    main()
