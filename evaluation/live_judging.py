"""A sitting: live answers judged beside the default's, within the day's budget; what is learnt is handed down.

Each day is a run of its own (`LiveDay`), so that reservations, the cap over a kill, deletion and the list of calls are
those of any run. Nothing here is asked twice: pairs are taken before the first call, and a later sitting goes on with
what an earlier one left.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop
from django.db import IntegrityError, transaction
from django.utils import timezone

from evaluation import live_sample, live_settings, recovery
from evaluation.asking import Asker, together
from evaluation.judges import Bench, Panel
from evaluation.ledger import Ledger
from evaluation.live_court import Court
from evaluation.live_interval import believed
from evaluation.models import EvaluationRun, LiveDay, LiveJudging, LivePair, SampledPrompt
from netra.errors import NetraError
from projects import log
from projects.models import Project
from routing import beliefs, predictor
from routing.calls import OptionTarget
from routing.execution import target

MOST_A_SITTING = 50
CONCURRENCY = 4
SOURCE = "live judging"
State = EvaluationRun.State


@dataclass(frozen=True, slots=True)
class Sitting:
    """What a sitting came to: pairs judged and given up, and why it ended; USD of the day so far, at most."""

    n_judged: int
    n_unscored: int
    sentence: str
    run: EvaluationRun


def sit(project: Project) -> Sitting | None:
    """Judge what is drawn, up to fifty pairs. None where it is switched off, or another process is at it."""
    wanted = live_settings.of(project)
    if not wanted.is_on or project.is_private:
        return None
    run, owner = _day(project, wanted), uuid.uuid4().hex
    EvaluationRun.objects.filter(pk=run.pk).exclude(state__in=EvaluationRun.UNFINISHED).update(state=State.QUEUED)
    if not run.claim(owner):
        return None
    sentence = ""
    try:
        recovery.recover(run)
        _take(project, run, live_sample.drawn(project, wanted.sample_share))
        sentence = _judge(project, run, owner, wanted)
    finally:
        # Done between sittings: an unfinished run is one that a worker is at.
        ended = EvaluationRun.objects.filter(pk=run.pk, lease_owner=owner)
        ended.update(state=State.DONE, sentence=sentence, finished_at=timezone.now())
        run.release(owner)
    return _told(project, run, sentence)


def _told(project: Project, run: EvaluationRun, sentence: str) -> Sitting:
    n_judged, n_unscored = teach(project), LivePair.objects.filter(prompt__run=run).exclude(unscored_because="").count()
    run.refresh_from_db()
    return Sitting(n_judged, n_unscored, sentence, run)


def _day(project: Project, wanted: LiveJudging) -> EvaluationRun:
    """Today's run, made with the day's budget when it is first asked for."""
    run = live_settings.today(project)
    day = timezone.now().date()
    if run is None:
        try:
            with transaction.atomic():
                run = EvaluationRun.objects.create(
                    project=project,
                    name=f"Live answers of {day:%Y-%m-%d}",
                    incumbent=project.incumbent,
                    budget_usd=wanted.daily_budget_usd,
                    concurrency=CONCURRENCY,
                    started_at=timezone.now(),
                )
                LiveDay.objects.create(project=project, day=day, run=run)
        except IntegrityError:  # another process was first
            run = LiveDay.objects.select_related("run").get(project=project, day=day).run
    return run


@transaction.atomic
def _take(project: Project, run: EvaluationRun, drawn: Sequence[live_sample.Candidate]) -> None:
    """Make answers ours before anything is paid for them: as many as one sitting judges."""
    n_open = LivePair.objects.open().filter(project=project).count()
    start = SampledPrompt.objects.filter(run=run).count()
    for number, each in enumerate(drawn[: max(0, MOST_A_SITTING - n_open)]):
        prompt = SampledPrompt.objects.create(
            run=run, position=start + number, event_id=each.event_id, stratum=each.policy, prompt_hash=""
        )
        LivePair.objects.create(
            project=project,
            prompt=prompt,
            event_id=each.event_id,
            copy_event_id=each.copy_event_id,
            option=each.option,
            default_option=each.default,
            policy=each.policy[:80],
            probability=each.probability,
            answered_at=each.answered_at,
        )


def _judge(project: Project, run: EvaluationRun, owner: str, wanted: LiveJudging) -> str:
    """Judge every pair that is open; a sentence why it ended."""
    # A pair of an earlier day was paid for by that day's budget: it is given up, not paid for again.
    stale = LivePair.objects.open().filter(project=project).exclude(prompt__run=run)
    stale.update(unscored_because="left_over", judged_at=timezone.now())
    pairs = list(LivePair.objects.open().filter(project=project).select_related("prompt"))
    panel = Panel({wanted.dimension: tuple(wanted.judges)})
    run.judging = {"dimensions": {wanted.dimension: list(wanted.judges)}, "pairwise": None}
    run.save(update_fields=["judging"])
    try:
        reached = {name: target(project, name) for name in panel.judges}
    except NetraError as problem:
        return str(problem)
    reached |= _reachable(project, {pair.default_option for pair in pairs})
    logged = log.requests(project.pk, [name for pair in pairs for name in (pair.event_id, pair.copy_event_id) if name])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(run, owner, panel, reached, pairs, logged))


def _reachable(project: Project, names: set[str]) -> dict[str, OptionTarget]:
    found = {}
    for name in names:
        try:
            found[name] = target(project, name)
        except NetraError:
            continue  # its pairs are given up, with that as the reason
    return found


async def _work(
    run: EvaluationRun,
    owner: str,
    panel: Panel,
    reached: Mapping[str, OptionTarget],
    pairs: Sequence[LivePair],
    logged: Mapping[str, Mapping[str, Any]],
) -> str:
    async with Ledger(run.pk, owner) as ledger, Asker(run.project_id, run.pk, ledger, CONCURRENCY) as asker:
        court = Court(run, asker, Bench(panel, reached, asker), reached, logged)
        places = asyncio.Semaphore(CONCURRENCY)
        await together(court.hear(pair, places) for pair in pairs)
        return court.sentence


def teach(project: Project) -> int:
    """Hand down what was judged since: their interval to the beliefs, each pair to the predictor. Safe to repeat.

    Returns how many pairs were new.
    """
    fresh = list(LivePair.objects.judged().filter(project=project, taught_at=None))
    by_default: dict[str, list[LivePair]] = {}
    for pair in fresh:
        by_default.setdefault(pair.default_option, []).append(pair)
    # Beliefs first: a change they find is known before the new pairs make a training due.
    for option, default in {(pair.option, pair.default_option) for pair in fresh}:
        believe(project, option, default)
    for default, pairs in by_default.items():
        rows = [
            predictor.Judged(each.event_id, each.option, each.difference or 0.0, each.answered_at) for each in pairs
        ]
        predictor.learn(project, rows, default=default, source=SOURCE)
    LivePair.objects.filter(pk__in=[pair.pk for pair in fresh]).update(taught_at=timezone.now())
    return len(fresh)


def believe(project: Project, option: str, default: str) -> None:
    """The belief that all judged pairs of an option give now."""
    rows = LivePair.objects.judged().filter(project=project, option=option, default_option=default)
    told = list(rows.order_by("answered_at", "pk").values_list("difference", "probability", "answered_at"))
    found = believed([row[0] for row in told if row[0] is not None], [row[1] for row in told])
    if found is None:
        beliefs.forget_live(project, option, default)
        return
    belief = beliefs.Belief(found.mean, found.low, found.high, found.n)
    since = told[found.start][2]
    beliefs.learn_live(project, option, default, belief, since=since, has_changed=found.has_changed)
