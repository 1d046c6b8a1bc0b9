"""The predictor's life: judged pairs are handed down, a task trains on them, the gateway holds what was learnt.

Words stay in the log: a pair names its call, and training reads the request there. A call that was deleted teaches
nothing any more, from the next training on. Private projects log no words, so there is nothing to learn from; what was
learnt before a project became private is not used from that moment, and dropped by the next task.

Live answers show where an option is no longer what it was. Pairs from before that teach nothing of what it is now: they
are left out, whether the option stands in them as itself or as the default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from netra import embeddings
from projects import log
from projects.models import Project
from routing.artefact import FORMAT, Unreadable, digest, packed, unpacked
from routing.demand import describe
from routing.features import surface
from routing.learning import Learnt, Lesson, as_pairs, learn_pairs
from routing.models import JudgedPair, LiveBelief, TrainedPredictor
from routing.predictor_report import report

MAX_PROMPTS = 8_000
CHUNK = 500
Seen = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """One prompt judged: the option's quality less the default's, in [-1, 1], and the logged call it came from.

    `answered_at` is when a live answer was given; None where the call was answered anew to be judged.
    `default_quality`, in [0, 1], is how well the default did by itself; None where only the two were compared.
    """

    event_id: str
    option: str
    difference: float
    answered_at: datetime | None = None
    default_quality: float | None = None


def learn(project: Project, rows: Iterable[Judged], *, default: str, source: str) -> int:
    """Keep judged pairs for the next training; a newer verdict on the same call replaces the older. Returns how many.

    What is no difference (not a number, outside [-1, 1]) is left out: half a lesson is worse than none.
    """
    now = timezone.now()
    kept = [
        JudgedPair(
            project=project,
            option=row.option,
            default_option=default,
            event_id=row.event_id,
            difference=row.difference,
            source=source[:120],
            learnt_at=now,
            answered_at=row.answered_at,
            default_quality=row.default_quality,
        )
        for row in {(each.option, each.event_id): each for each in rows}.values()
        if row.option != default and math.isfinite(row.difference) and abs(row.difference) <= 1
    ]
    JudgedPair.objects.bulk_create(
        kept,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=("project", "default_option", "option", "event_id"),
        update_fields=("difference", "default_quality", "source", "learnt_at", "answered_at"),
    )
    return len(kept)


def forget(project: Project, event_ids: Sequence[str]) -> None:
    """Drop the pairs of deleted calls; what was learnt of them goes with the training that this makes due."""
    for start in range(0, len(event_ids), CHUNK):
        JudgedPair.objects.filter(project=project, event_id__in=event_ids[start : start + CHUNK]).delete()


def due() -> list[Project]:
    """Projects with pairs that came or went since the last training, or whose predictor is not fit for use.

    That is one that an earlier version of Netra wrote, or one that a project keeps although it was made private.
    """
    trained = {
        (row.project_id, row.default_option): (row.n_pairs, row.trained_at)
        for row in TrainedPredictor.objects.current().only("project_id", "default_option", "n_pairs", "trained_at")
    }
    found: set[int] = set()
    by_default = JudgedPair.objects.order_by().values_list("project_id", "default_option")
    for project_id, default, n, last in by_default.annotate(n=Count("pk"), last=Max("learnt_at")):
        n_known, at = trained.pop((project_id, default), (None, None))
        if n != n_known or at is None or last > at:
            found.add(project_id)
    found |= {project_id for (project_id, _), (n, _) in trained.items() if n}  # all its pairs are gone
    learnt = TrainedPredictor.objects.current().exclude(sha256="")
    outdated = learnt.filter(Q(report__format__isnull=True) | ~Q(report__format=FORMAT))
    found |= set(outdated.values_list("project_id", flat=True))
    kept = learnt.filter(project__is_private=True).values("project_id")
    return list(Project.objects.filter(Q(pk__in=found, is_private=False) | Q(pk__in=kept)).order_by("pk"))


def train(project: Project) -> list[TrainedPredictor]:
    """Train against every default there are pairs of. Reads the log, embeds what it has not seen; minutes at most.

    A private project's training is of nothing: it replaces what was learnt from words by an empty version.
    """
    held_now = set(TrainedPredictor.objects.filter(project=project).current().values_list("default_option", flat=True))
    pairs = JudgedPair.objects.filter(project=project)
    defaults = sorted(held_now | set(pairs.values_list("default_option", flat=True).distinct()))
    return [_train(project, default) for default in defaults]


def _train(project: Project, default: str) -> TrainedPredictor:
    started_at = timezone.now()  # what is judged meanwhile makes the next training due
    known = [] if project.is_private else _known(project, default)
    rows = _of_today(known, _changes(project), default)
    newest = list(dict.fromkeys(lesson.prompt for lesson in reversed(rows)))[:MAX_PROMPTS]
    seen = _seen(project, newest)
    ids, pairs = as_pairs(rows, seen)
    learnt = learn_pairs(default, pairs) if ids else None
    content = packed(learnt) if learnt else b""
    told = report(learnt, ids, pairs, n_gone=len(newest) - len(ids))
    told |= {"n_outdated": len(known) - len(rows), "format": FORMAT}
    return _keep(
        TrainedPredictor(
            project=project,
            default_option=default,
            artefact=content,
            sha256=digest(content) if content else "",
            n_pairs=len(known),
            report=told,
            trained_at=started_at,
        )
    )


def _known(project: Project, default: str) -> list[tuple[Lesson, datetime]]:
    """With when each answer was given (at the latest), oldest lesson first."""
    found = JudgedPair.objects.filter(project=project, default_option=default).order_by("learnt_at", "event_id")
    told = ("event_id", "option", "difference", "default_quality", Coalesce("answered_at", "learnt_at"))
    return [(Lesson(*row[:-1]), row[-1]) for row in found.values_list(*told)]


def _changes(project: Project) -> dict[str, datetime]:
    """When each option was last seen to become another one; a default's change shows in what is judged against it."""
    seen = LiveBelief.objects.filter(project=project).exclude(changed_at=None).order_by()
    return dict(seen.values_list("option").annotate(Max("changed_at")))


def _of_today(known: Sequence[tuple[Lesson, datetime]], changes: Mapping[str, datetime], default: str) -> list[Lesson]:
    """Without the answers from before a change of either option."""
    return [
        lesson
        for lesson, at in known
        if all(at >= changes[name] for name in (lesson.option, default) if name in changes)
    ]


@transaction.atomic
def _keep(made: TrainedPredictor) -> TrainedPredictor:
    before = TrainedPredictor.objects.filter(project=made.project, default_option=made.default_option)
    made.version = (before.aggregate(last=Max("version"))["last"] or 0) + 1
    before.filter(is_current=True).update(is_current=False, artefact=b"")
    made.save()
    return made


def _seen(project: Project, event_ids: Sequence[str]) -> Seen:
    """What the predictor sees of logged requests; those that are gone, or say nothing in words, are left out."""
    told: Seen = {}
    for start in range(0, len(event_ids), CHUNK):
        logged = log.requests(project.pk, event_ids[start : start + CHUNK])
        bodies = {name: event["request"] for name, event in logged.items() if isinstance(event["request"], Mapping)}
        demands = {name: describe(body) for name, body in bodies.items()}
        spoken = {name: demand for name, demand in demands.items() if demand.text.strip()}
        vectors = embeddings.encode([demand.text for demand in spoken.values()])
        for (name, demand), vector in zip(spoken.items(), vectors, strict=True):
            told[name] = vector, surface(demand.text, demand.needs)
    return told


def current(project: Project) -> list[TrainedPredictor]:
    """The versions in use, without their bytes."""
    return list(TrainedPredictor.objects.filter(project=project).current().defer("artefact"))


def of_default(project: Project, default: str) -> TrainedPredictor | None:
    """The version in use against a default, without its bytes."""
    return TrainedPredictor.objects.filter(project=project, default_option=default).current().defer("artefact").first()


def held(project: Project) -> dict[str, Learnt]:
    """What routing goes by, by default; what cannot be read is left out, and the plain beliefs decide."""
    if project.is_private:
        return {}
    rows = TrainedPredictor.objects.filter(project=project).current().exclude(sha256="")
    found = {row.default_option: _read(row.pk, row.sha256) for row in rows.defer("artefact")}
    return {default: learnt for default, learnt in found.items() if learnt is not None}


@lru_cache(maxsize=64)
def _read(pk: int, sha256: str) -> Learnt | None:
    content = TrainedPredictor.objects.filter(pk=pk).values_list("artefact", flat=True).first()
    try:
        return unpacked(bytes(content or b""), sha256)
    except Unreadable:
        return None
