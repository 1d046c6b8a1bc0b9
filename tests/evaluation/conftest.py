"""The stage of evaluations: a project whose traffic, models and judges are simulated, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evaluation import runs
from evaluation.models import EvaluationRun
from netra.simulation.traffic import calls
from projects import importing
from projects.models import Import, Membership, Project
from routing import catalog_sync
from tests import factories

Starter = Callable[..., EvaluationRun]


@pytest.fixture
def simulated(transactional_db: None, events: None, tmp_path: Path) -> Project:
    """A project with 150 simulated calls; transactional, because a run writes from threads of its own."""
    catalog_sync.apply(catalog_sync.plans()[1])
    owner = factories.user("owner@example.com")
    project = factories.project("agent", owner=owner, incumbent="simulated/sim-large", is_simulated=True)
    factories.join(project, factories.user("viewer@example.com"), Membership.Role.VIEWER)
    path = tmp_path / "calls.jsonl"
    traffic = calls(seed=3, n=150, incumbent="sim-large", until=factories.NOON)
    path.write_text("\n".join(json.dumps(call) for call in traffic), encoding="utf-8")
    importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path), format="netra"))
    return project


def wish(**changed: Any) -> runs.Wish:
    """Forty pairs of sim-large against sim-medium, judged for correctness."""
    given: dict[str, Any] = {
        "name": "a test",
        "incumbent": "simulated/sim-large",
        "candidates": ["simulated/sim-medium"],
        "judges": {"correctness": ["simulated/sim-judge"]},
        "budget_usd": Decimal(5),
        "max_pairs": 40,
        "seed": 1,
        "thresholds": {"margin_quality": 0.05},
    }
    return runs.Wish(**given | changed)


@pytest.fixture
def start(simulated: Project) -> Starter:
    """Create a run in the simulated project; keyword arguments change the wish."""
    return lambda **changed: runs.create(simulated, wish(**changed))
