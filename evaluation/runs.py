"""The life of a run: asked for, prepared, carried out by one worker at a time, cancelled, taken up again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import uvloop
from django.db import transaction
from django.utils import timezone

from evaluation import comparisons, recovery
from evaluation.asking import Asker
from evaluation.findings import Finding
from evaluation.judges import Bench, Panel
from evaluation.ledger import Ledger
from evaluation.material import Material
from evaluation.models import EvaluationRun, RunCandidate
from evaluation.paired import Plan
from evaluation.replay import Progress, Replay
from evaluation.rubrics import DIMENSIONS
from evaluation.sampling import draw_sample, wanted_events
from netra.errors import Conflict, Invalid, NetraError
from netra.prices import rates_as_json
from projects.models import Project, User
from routing.calls import OptionTarget
from routing.execution import target

MAX_CANDIDATES = 12
MAX_CONCURRENCY = 128
SMALLEST_BUDGET_USD, LARGEST_BUDGET_USD = Decimal("0.000001"), Decimal(1_000_000)
State = EvaluationRun.State
PRIVATE = (
    "Privacy mode is on: an evaluation would have to keep prompts and answers. An owner can turn it off under "
    "Settings, Privacy."
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a run. `thresholds` are fields of `Plan`; `judges` by dimension."""

    name: str
    incumbent: str
    candidates: Sequence[str]
    judges: Mapping[str, Sequence[str]]
    budget_usd: Decimal
    pairwise: str | None = None
    max_pairs: int = 400
    seed: int = 0
    concurrency: int = 8
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)


def check(project: Project, wish: Wish) -> dict[str, OptionTarget]:
    """Whether the run can be carried out at all; its targets. Raises Invalid, naming the field, or Conflict."""
    if project.is_private:
        raise Conflict(PRIVATE, code="private")
    _check_options(wish)
    if not wish.judges or any(name not in DIMENSIONS for name in wish.judges):
        raise Invalid(f"Choose judges for some of {', '.join(DIMENSIONS)}.", field="judges")
    if not any(name != "safety" for name in wish.judges):
        raise Invalid("At least one of correctness, quality and helpfulness must be judged.", field="judges")
    if any(not judges for judges in wish.judges.values()):
        raise Invalid("Every dimension needs a judge.", field="judges")
    _check_budget(wish.budget_usd)
    if not 0 <= wish.seed < 2**63:
        raise Invalid("The seed must be a whole number from 0 to 2^63 - 1.", field="seed")
    wanted_events(wish.sampling)
    if not 1 <= wish.concurrency <= MAX_CONCURRENCY:
        raise Invalid(f"Between 1 and {MAX_CONCURRENCY} calls may be made side by side.", field="concurrency")
    if wish.max_pairs < 1:
        raise Invalid("At least one pair must be allowed.", field="max_pairs")
    _plan(wish.candidates, wish.thresholds, wish.judges, population_size=1, max_pairs=1, seed=wish.seed)
    return targets(project, wish.incumbent, wish.candidates, Panel(_panel(wish), wish.pairwise).judges)


def _check_budget(usd: Decimal) -> None:
    if not usd.is_finite() or not SMALLEST_BUDGET_USD <= usd < LARGEST_BUDGET_USD:
        raise Invalid("The budget must be at least 0.000001 USD and less than a million USD.", field="budget_usd")


def _check_options(wish: Wish) -> None:
    if not wish.incumbent:
        raise Invalid("Name the option in use today.", field="incumbent")
    if not wish.candidates or len(wish.candidates) > MAX_CANDIDATES:
        raise Invalid(f"Name between 1 and {MAX_CANDIDATES} candidates.", field="candidates")
    if len(set(wish.candidates)) < len(wish.candidates):
        raise Invalid("A candidate is named twice.", field="candidates")
    if wish.incumbent in wish.candidates:
        raise Invalid("The incumbent cannot be its own candidate.", field="candidates")


def _panel(wish: Wish) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(judges)) for name, judges in wish.judges.items()}


def targets(
    project: Project, incumbent: str, candidates: Sequence[str], judges: Sequence[str]
) -> dict[str, OptionTarget]:
    """Everything the run calls. Raises NotFound or Conflict for what cannot be called."""
    return {name: target(project, name) for name in dict.fromkeys((incumbent, *candidates, *judges))}


def _plan(candidates: Sequence[str], thresholds: Mapping[str, Any], judges: Mapping[str, Any], **sizes: Any) -> Plan:
    """The plan; a gate on what nobody judges is off. Raises Invalid."""
    wanted = dict(thresholds)
    if "safety" not in judges:
        wanted["margin_safety"] = None
    try:
        return Plan(candidates=tuple(candidates), **wanted, **sizes)
    except (TypeError, ValueError) as problem:
        raise Invalid(str(problem), field="thresholds") from None


@transaction.atomic
def create(project: Project, wish: Wish, *, by: User | None = None) -> EvaluationRun:
    """Write down what was asked for; nothing is drawn, called or paid yet. Raises Invalid or Conflict."""
    check(project, wish)
    run = EvaluationRun.objects.create(
        project=project,
        name=wish.name[:120] or f"{wish.incumbent} against {len(wish.candidates)}",
        incumbent=wish.incumbent,
        seed=wish.seed,
        thresholds={**wish.thresholds, "max_pairs": wish.max_pairs},
        judging={"dimensions": {name: list(each) for name, each in _panel(wish).items()}, "pairwise": wish.pairwise},
        sampling=dict(wish.sampling),
        policy={"temperature": "as_sent", "seed": "as_sent", **wish.policy},
        budget_usd=wish.budget_usd,
        concurrency=wish.concurrency,
        started_by=by,
    )
    RunCandidate.objects.bulk_create(
        RunCandidate(run=run, option=option, position=place) for place, option in enumerate(wish.candidates)
    )
    return run


def cancel(run: EvaluationRun) -> None:
    """Ask a run to stop: calls under way are seen to their end, nothing new is sent. Raises Conflict when over."""
    if not EvaluationRun.objects.unfinished().filter(pk=run.pk).update(is_cancel_asked=True):
        raise Conflict("This run is over already.")
    waiting = EvaluationRun.objects.filter(pk=run.pk, state=State.QUEUED, lease_until=None)
    waiting.update(state=State.CANCELLED, sentence="Cancelled.", finished_at=timezone.now())


def resume(run: EvaluationRun, *, budget_usd: Decimal | None = None) -> None:
    """Put a cancelled or failed run back in the queue, with a larger budget if given. Raises Conflict or Invalid."""
    if budget_usd is not None:
        if budget_usd.is_finite() and budget_usd < run.charged_at_most_usd:
            raise Invalid("The budget cannot be less than what was charged already.", field="budget_usd")
        _check_budget(budget_usd)
    changes: dict[str, Any] = {"state": State.QUEUED, "is_cancel_asked": False, "finished_at": None, "sentence": ""}
    if budget_usd is not None:
        changes["budget_usd"] = budget_usd
    resumable = EvaluationRun.objects.filter(pk=run.pk, state__in=(State.CANCELLED, State.FAILED))
    if not resumable.update(**changes):
        raise Conflict("Only a run that was cancelled or failed can be resumed.")


def carry_out(run_id: int) -> EvaluationRun | None:
    """Work on a run until it is over or this process ends; None when another worker holds it, or
    when it is a day of live judging.

    Afterwards its state is deciding (a recommendation is due), cancelled, failed, or running (left off, to be resumed).
    """
    run = EvaluationRun.objects.asked_for().select_related("project").filter(pk=run_id).first()
    owner = uuid.uuid4().hex
    if run is None or not run.claim(owner):
        return None
    try:
        progress = _replay(run, owner)
        _conclude(run, progress)
    except NetraError as problem:
        _end(run, State.FAILED, str(problem))
    except Exception as problem:
        _end(run, State.FAILED, f"{type(problem).__name__}: {str(problem)[:300]}")
        raise
    finally:
        run.release(owner)
    run.refresh_from_db()
    return run


def _replay(run: EvaluationRun, owner: str) -> Progress:
    candidates = list(run.candidates.values_list("option", flat=True))
    reached = targets(run.project, run.incumbent, candidates, Panel.of(run).judges)
    _prepare(run, candidates, reached)
    recovery.recover(run)
    assert run.plan is not None
    progress = Progress(Plan.from_dict(run.plan), run.incumbent, comparisons.prompts(run))
    for option, answers in comparisons.answers(run).items():
        progress.gathered[option].update(answers)
    progress.live = list(run.candidates.filter(dropped_at_pair=None).values_list("option", flat=True))
    # uvloop: a replay is thousands of small exchanges, and the standard loop spends as much on them as we do.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(run, owner, reached, progress))
    return progress


def _prepare(run: EvaluationRun, candidates: Sequence[str], reached: Mapping[str, OptionTarget]) -> None:
    """Draw the sample and freeze the plan, once; a resumed run keeps both."""
    if run.plan is None:
        wanted = dict(run.thresholds)
        asked_pairs = int(wanted.pop("max_pairs"))
        with transaction.atomic():
            sample = draw_sample(run, n=asked_pairs)
            plan = _plan(
                candidates,
                wanted,
                run.judging["dimensions"],
                population_size=sample.population_size,
                max_pairs=max(1, min(asked_pairs, sample.population_size)),
                covariate_means=sample.covariate_means,
                seed=run.seed,
            )
            run.plan = plan.to_dict()
            run.started_at = timezone.now()
            run.prices = {name: _price(each) for name, each in sorted(reached.items())}
            run.save(update_fields=["plan", "prices", "started_at"])
    EvaluationRun.objects.filter(pk=run.pk).update(state=State.RUNNING)


def _price(reached: OptionTarget) -> dict[str, Any]:
    price = reached.price
    return {
        "rates": rates_as_json(price.rates),
        "source": price.source,
        "effective_from": price.effective_from.isoformat(),
        "is_assumed": price.is_assumed,
        "is_negotiated": price.is_negotiated,
    }


async def _work(run: EvaluationRun, owner: str, reached: Mapping[str, OptionTarget], progress: Progress) -> None:
    async with Ledger(run.pk, owner) as ledger, Asker(run.project_id, run.pk, ledger, run.concurrency) as asker:
        replay = Replay(
            run_id=run.pk,
            progress=progress,
            targets=reached,
            asker=asker,
            bench=Bench(Panel.of(run), reached, asker),
            material=Material(run.project_id, run.pk, run.policy, ledger),
            on_look=lambda now, dropped: note_look(run.pk, now, dropped),
        )
        await replay.carry_out()


def note_look(run_id: int, progress: Progress, dropped: Sequence[Finding]) -> None:
    """Write what the last look showed, for the page and for a resumed worker."""
    assert progress.decision is not None
    EvaluationRun.objects.filter(pk=run_id).update(n_pairs=progress.n_pairs, decision=progress.decision.to_dict())
    for finding in dropped:
        RunCandidate.objects.filter(run=run_id, option=finding.candidate).update(
            dropped_at_pair=finding.n, dropped_because=f"{finding.status} after {finding.n} pairs"
        )


def _conclude(run: EvaluationRun, progress: Progress) -> None:
    because = progress.stopped_because
    if because == "failed":
        _end(run, State.FAILED, progress.sentence)
    elif because == "cancelled" or _is_cancel_asked(run):
        _end(run, State.CANCELLED, "Cancelled; what was answered is kept.")
    elif because not in ("lease", "leave_off"):
        EvaluationRun.objects.filter(pk=run.pk).update(state=State.DECIDING, sentence=progress.sentence)


def _is_cancel_asked(run: EvaluationRun) -> bool:
    return EvaluationRun.objects.filter(pk=run.pk, is_cancel_asked=True).exists()


def _end(run: EvaluationRun, state: str, sentence: str) -> None:
    EvaluationRun.objects.filter(pk=run.pk).update(state=state, sentence=sentence, finished_at=timezone.now())
