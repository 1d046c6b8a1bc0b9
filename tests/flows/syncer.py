"""A process of its own that reads a source until it is killed: `prepare KIND URL`, `work`, `report`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from netra import clickhouse  # noqa: E402
from projects import log, syncing  # noqa: E402
from projects.models import Import, Project, Source, SourceSync  # noqa: E402
from projects.tasks import run_sync  # noqa: E402
from tests.projects import vendors  # noqa: E402


def prepare(kind: str, base_url: str) -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    row = vendors.source(Project.objects.create(slug="killed", name="Killed"), kind, base_url, history_days=1)
    return {"sync": syncing.start(row, cause=SourceSync.Cause.BUTTON).pk}


def work() -> dict[str, Any]:
    # The claim of a killed worker runs out in time; the test does not wait for it.
    Import.objects.update(heartbeat_at=None)
    run_sync(SourceSync.objects.get().pk)
    return {}


def report() -> dict[str, Any]:
    """Straight from the table: a list by id would hide what is there twice."""
    sync = SourceSync.objects.select_related("taking").get()
    rows = f"SELECT source_record_id AS name FROM workload_events WHERE {log.CURRENT}"  # noqa: S608
    found = Counter(row["name"] for row in clickhouse.rows(rows, {"project_id": sync.taking.project_id}))
    counts = ("n_lines", "n_taken", "n_duplicate", "n_versioned", "n_merged", "n_rejected")
    return {
        "found": found,
        "state": sync.taking.state,
        "ledger": {name: getattr(sync.taking, name) for name in counts},
        "n_received": sync.n_received,
        "is_reconciled": sync.is_reconciled,
        "cursor": sorted(Source.objects.get().cursor),
    }


if __name__ == "__main__":
    told = {"prepare": prepare, "work": work, "report": report}[sys.argv[1]](*sys.argv[2:])
    clickhouse.close()
    sys.stdout.write(json.dumps(told) + "\n")
