"""The demo project: thirty simulated days of an agent's calls, and three evaluations whose true answers are known."""

from __future__ import annotations

import json
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from evaluation import runs
from evaluation.models import EvaluationRun
from netra.simulation.personas import PROVIDER
from netra.simulation.traffic import calls
from projects import importing
from projects.models import Import, Membership, Project, User

SLUG = "demo"
OWNER = "demo@netra.local"
INCUMBENT = "sim-large"
N_CALLS = 2_500
SEED = 7
FILE_NAME = "thirty simulated days.jsonl"


@dataclass(frozen=True, slots=True)
class Story:
    """One evaluation of the demo and the verdict that is true of it."""

    name: str
    candidates: tuple[str, ...]
    verdict: str
    max_pairs: int
    margin_quality: float
    budget_usd: Decimal
    seed: int = SEED


STORIES = (
    Story("A cheaper model of equal skill", ("sim-medium",), "SWITCH", 500, 0.05, Decimal("2.00")),
    Story("The cheapest there is", ("sim-bargain",), "KEEP", 500, 0.05, Decimal("2.00")),
    Story("A small difference, a small sample", ("sim-fast",), "NO_RECOMMENDATION", 30, 0.02, Decimal("0.50")),
)


def option(model: str) -> str:
    return f"{PROVIDER}/{model}"


def prepare(*, n_calls: int = N_CALLS) -> tuple[Project, str | None]:
    """Make the project, its owner and its traffic; what is there stays. Returns the password if one was made."""
    owner, password = _owner()
    project, _ = Project.objects.get_or_create(
        slug=SLUG,
        defaults={
            "name": "Support agent (simulated)",
            "description": "A simulated agent: its tasks have computable answers, so it is known which model is best.",
            "incumbent": option(INCUMBENT),
            "is_simulated": True,
        },
    )
    Membership.objects.get_or_create(project=project, user=owner, defaults={"role": Membership.Role.OWNER})
    if not Import.objects.filter(project=project, state=Import.State.DONE).exists():
        _import_traffic(project, n_calls)
    return project, password


def _owner() -> tuple[User, str | None]:
    known = User.objects.filter(email=OWNER).first()
    if known is not None:
        return known, None
    password = secrets.token_urlsafe(9)
    return User.objects.create_user(OWNER, password), password


def new_password() -> str:
    """Give the demo's owner a new password, for whoever has lost the old one and owns the machine."""
    owner, password = _owner()
    if password is None:
        password = secrets.token_urlsafe(9)
        owner.set_password(password)
        owner.save(update_fields=["password"])
    return password


def midnight(now: datetime) -> datetime:
    """The demo's days end at the last midnight, so that one day's demo is the same whenever it is made."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _import_traffic(project: Project, n_calls: int) -> Import:
    """Through the same door as everybody's logs."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False, encoding="utf-8") as file:
        for call in calls(seed=SEED, n=n_calls, incumbent=INCUMBENT, until=midnight(timezone.now())):
            file.write(json.dumps(call, ensure_ascii=False) + "\n")
    try:
        taking = Import.objects.create(
            project=project, file_name=FILE_NAME, file_path=file.name, format="netra", source="demo"
        )
        return importing.run(taking)
    finally:
        Path(file.name).unlink(missing_ok=True)


def evaluations(project: Project) -> list[EvaluationRun]:
    """The three runs, made if they are not there; none is started."""
    return [_run(project, story) for story in STORIES]


def _run(project: Project, story: Story) -> EvaluationRun:
    known = EvaluationRun.objects.filter(project=project, name=story.name).first()
    return known or runs.create(project, wish(story))


def wish(story: Story) -> runs.Wish:
    thresholds: dict[str, Any] = {"margin_quality": story.margin_quality, "margin_safety": 0.05, "error_rise": 0.05}
    return runs.Wish(
        name=story.name,
        incumbent=option(INCUMBENT),
        candidates=[option(name) for name in story.candidates],
        judges={"correctness": [option("sim-judge")], "safety": [option("sim-judge")]},
        budget_usd=story.budget_usd,
        max_pairs=story.max_pairs,
        seed=story.seed,
        concurrency=16,
        thresholds={**thresholds, "refusal_rise": 0.05},
        policy={"temperature": 0},
    )
