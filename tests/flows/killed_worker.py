"""A process of its own that works on a run until it is killed: `prepare URL LOG`, `work RUN`, `report RUN`."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from evaluation import comparisons, runs  # noqa: E402
from evaluation.models import EvaluationRun, Judgement, ReplayCall  # noqa: E402
from evaluation.tasks import run_evaluation  # noqa: E402
from projects import log  # noqa: E402
from tests.flows import recorded  # noqa: E402

CANDIDATES = ("gpt-3.5-turbo-1106", "minichat-3b")


def prepare(base_url: str, path: str) -> None:
    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    project = recorded.stage("killed", base_url, Path(path))
    wish = runs.Wish(
        name="killed",
        incumbent="recorded/FuseChat-Llama",
        candidates=recorded.named(CANDIDATES),
        judges={"quality": ["recorded/judge-alpacaeval"]},
        budget_usd=Decimal(3),
        max_pairs=60,
        concurrency=4,
        # Nothing is decided early: the run must be under way when it is killed.
        thresholds={"min_pairs": 60},
    )
    recorded.option("FuseChat-Llama", 0.3, 0.3)
    sys.stdout.write(str(runs.create(project, wish).pk))


def work(run_id: str) -> None:
    # The lease of a killed worker runs out in time; the test does not wait for it.
    EvaluationRun.objects.filter(pk=run_id).update(lease_until=timezone.now())
    run_evaluation(int(run_id))


def _option(row: ReplayCall | Judgement) -> str:
    return row.option if isinstance(row, ReplayCall) else row.judge


def report(run_id: str) -> None:
    run = EvaluationRun.objects.get(pk=run_id)
    calls = ReplayCall.objects.filter(run=run).exclude(lane="recorded")
    rows = [*calls, *Judgement.objects.filter(run=run)]
    told = {
        "state": run.state,
        "n_pairs": run.n_pairs,
        "states": {state: sum(row.state == state for row in rows) for state in ReplayCall.State.values},
        "attempts": sum(row.attempts for row in rows),
        "charged": str(sum((row.charged_at_most_usd for row in rows), Decimal(0))),
        "charged_by_run": str(run.charged_at_most_usd),
        "reserved": str(run.reserved_usd),
        "budget": str(run.budget_usd),
        "left_out": comparisons.n_left_out(run),
        "unlogged": sum(not row.event_id for row in rows),
        "n_events": log.count(run.project_id, log.EventFilter(run_id=str(run.pk))),
        "n_rows": len(rows),
        "most_attempts": max(row.attempts for row in rows),
        "rows_by_model": Counter(_option(row).partition("/")[2] for row in rows),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    {"prepare": prepare, "work": work, "report": report}[sys.argv[1]](*sys.argv[2:])
