"""Netra's receiver in a process of its own, over NETRA_DATA_DIR, to be killed.

`receiver.py prepare` makes a project and tells its key; `serve` tells its address and takes in until it is killed;
`report` ships what is left and tells how often each record is in the log, with the ledger's counts; `taken`
tells what is taken of the project's budget.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django

django.setup()

import uvicorn  # noqa: E402
from django.core.management import call_command  # noqa: E402

from netra import clickhouse  # noqa: E402
from projects import log, shipping  # noqa: E402
from projects.models import ApiKey, Import, Project  # noqa: E402
from routing.models import Allowance, Spending  # noqa: E402
from tests import factories  # noqa: E402


def prepare() -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    project = Project.objects.create(slug="killed", name="Killed")
    if upstream := os.environ.get("NETRA_TEST_UPSTREAM"):
        factories.connection(
            project, "proxy", provider="openai_compatible", base_url=upstream, max_concurrency=64, deadline_s=10.0
        )
        factories.supply_option("proxy/foo")
    if budget := os.environ.get("NETRA_TEST_BUDGET"):
        Allowance.objects.create(project=project, budget_usd=Decimal(budget))
    return {"key": ApiKey.issue(project, "sender", by=None)[1]}


def taken() -> str:
    return format(Spending.objects.get().taken_usd, "f")


def serve() -> None:
    door = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": door.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config("netra.asgi:application", log_level="error", access_log=False)).run([door])


def report() -> dict[str, Any]:
    shipping.ship()
    project = Project.objects.get()
    # Straight from the table: a list by id would hide what is there twice.
    current = f"SELECT source_record_id AS name FROM workload_events WHERE {log.CURRENT}"  # noqa: S608
    found = Counter(row["name"] for row in clickhouse.rows(current, {"project_id": project.pk}))
    pushed = Import.objects.filter(project=project)
    return {
        "found": found,
        "n_lines": sum(each.n_lines for each in pushed),
        "n_told": sum(each.n_taken + each.n_duplicate + each.n_merged + each.n_versioned for each in pushed),
    }


if __name__ == "__main__":
    told = {"prepare": prepare, "serve": serve, "report": report, "taken": taken}[sys.argv[1]]()
    clickhouse.close()
    sys.stdout.write(json.dumps(told) + "\n")
