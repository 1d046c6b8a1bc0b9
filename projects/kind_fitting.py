"""Fitting a project's kinds of work: draw, embed, group, match with the fit before, name, and keep what is known."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from netra import celery
from netra.errors import Busy, Invalid, NetraError
from projects import kind_answers, kind_sample, kind_vectors
from projects.clusters import grouping, texts
from projects.clusters.grouping import Groups, Vectors
from projects.clusters.repeats import Asked
from projects.kind_sample import Drawn, Window
from projects.kind_writing import Embedded, keep, newest_done
from projects.models import KindFit, Project, User

DAYS = 30
CALLS, FEWEST_CALLS, MOST_CALLS = 1_200, 4, 5_000
RUN = 2_000  # newest calls that are read for repeats
BATCHED = 20_000  # newest calls that are looked at for batches, without reading them
COMPARED = 300  # of the run, the newest that are embedded as they are
STALE = timedelta(minutes=10)
MAX_SEED = 2**31


class Interrupted(Exception):
    """Cancelled, or the process is asked to stop."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the sample: its calls with their texts, values left out."""

    drawn: list[Drawn]
    asked: list[str]
    system: list[str]

    @property
    def is_with_system(self) -> bool:
        return len(set(self.system)) > 1


def start(project: Project, *, by: User | None = None, seed: int | None = None) -> KindFit:
    """Note a fit; the caller sends the task. The one under way, if there is one. Raises Invalid for a wrong seed."""
    if seed is not None and not 0 <= seed < MAX_SEED:
        raise Invalid(f"A seed is a number from 0 to {MAX_SEED - 1:,}.", field="seed")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        under_way = KindFit.objects.unfinished().filter(project=project).first()
        chosen = secrets.randbelow(MAX_SEED) if seed is None else seed
        return under_way or KindFit.objects.create(project=project, seed=chosen, started_by=by)


def cancel(fit: KindFit) -> None:
    """Stop at the next step; the fit before goes on to hold."""
    unfinished = KindFit.objects.unfinished().filter(pk=fit.pk)
    unfinished.update(state=KindFit.State.CANCELLED, finished_at=timezone.now(), heartbeat_at=None)


def run(fit: KindFit) -> KindFit:
    """Fit from the beginning; returns it as it ends. Safe to run again after a kill. Raises Unavailable."""
    now = timezone.now()
    KindFit.objects.filter(pk=fit.pk).update(
        state=KindFit.State.RUNNING, started_at=now, heartbeat_at=now, n_done=0, n_total=0, sentence=""
    )
    fit.refresh_from_db()
    try:
        _fit(fit)
    except Interrupted:
        KindFit.objects.filter(pk=fit.pk).update(heartbeat_at=None)
    except NetraError as problem:
        if problem.retry and not isinstance(problem, Busy):
            raise
        fail(fit, str(problem))
    fit.refresh_from_db()
    return fit


def fail(fit: KindFit, sentence: str) -> None:
    KindFit.objects.unfinished().filter(pk=fit.pk).update(
        state=KindFit.State.FAILED, sentence=sentence, finished_at=timezone.now(), heartbeat_at=None
    )


def _fit(fit: KindFit) -> None:
    _look(fit, "Choosing calls")
    until = timezone.now()
    within = kind_sample.window(fit.project_id, days=DAYS)
    if within is None:
        raise Invalid("The log of this project is empty; import a log that holds prompts.")
    fit.since, fit.until, fit.assigned_until = within.since, within.until, until
    fit.n_calls, fit.n_private, fit.n_without_prompt = within.n_calls, within.n_private, within.n_without_prompt
    newest = kind_sample.newest(fit.project_id, within, n=BATCHED)
    fit.report = {"batch": kind_answers.batch_report(fit.project_id, newest), "n_batch_seen": len(newest)}
    calls, compared = _run_of(fit, newest)
    fit.report["cache"] = kind_answers.cache_report([each for each, _ in calls], [], None)
    found = _read(fit, within)
    if len(found.drawn) < FEWEST_CALLS:
        fit.save(update_fields=["since", "until", "n_calls", "n_private", "n_without_prompt", "report"])
        raise Invalid(_too_few(fit, len(found.drawn)))
    embedded = _embed(fit, found)
    _compare(fit, calls, compared)
    _look(fit, "Grouping")
    groups = _group(fit, embedded)
    _look(fit, "Naming")
    keep(fit, embedded, groups)


def _too_few(fit: KindFit, n: int) -> str:
    if fit.n_private:
        return (
            f"Privacy mode keeps hashes of {fit.n_private:,} prompts: what they are about cannot be told. "
            "Repeats and batches can, and stand below."
        )
    return f"Only {n} calls of the last {DAYS} days hold a prompt; import a log with at least {FEWEST_CALLS}."


def _look(fit: KindFit, step: str, n_more: int = 0) -> None:
    """Say what is being done; raises Interrupted when the fit should end."""
    fit.n_done += n_more
    going = KindFit.objects.filter(pk=fit.pk, state=KindFit.State.RUNNING)
    told = {"step": step, "n_done": fit.n_done, "n_total": fit.n_total, "heartbeat_at": timezone.now()}
    if celery.stopping.is_set() or not going.update(**told):
        raise Interrupted
    fit.step = step


def _run_of(fit: KindFit, newest: Sequence[dict[str, object]]) -> tuple[list[tuple[Asked, str]], list[int]]:
    """The newest calls as a response cache sees them, and which of them are to be compared by meaning."""
    _look(fit, "Reading the newest calls")
    calls = [kind_answers.asked(*each) for each in kind_sample.bodies(fit.project_id, newest[-RUN:])]
    readable = [at for at, (_, text) in enumerate(calls) if text.strip()]
    return calls, readable[-COMPARED:]


def _read(fit: KindFit, within: Window) -> Read:
    _look(fit, "Reading the sample")
    return read(fit.project_id, kind_sample.draw(fit.project_id, within, n=_bounded(), seed=fit.seed))


def read(project_id: int, drawn: Sequence[Drawn]) -> Read:
    """The texts of calls, without those that hold none."""
    by_id = {each.row["event_id"]: each for each in drawn}
    found = Read([], [], [])
    for row, request, _ in kind_sample.bodies(project_id, [each.row for each in drawn]):
        prompt = texts.prompt(request)
        if prompt.is_readable:
            found.drawn.append(by_id[row["event_id"]])
            found.asked.append(texts.shortened(texts.without_values(prompt.asked)))
            found.system.append(texts.shortened(texts.without_values(prompt.system)))
    return found


def _bounded() -> int:
    """A fit takes at most half of what a day allows, so that a second one and newcomers have room."""
    return max(FEWEST_CALLS, min(CALLS, int(settings.EMBEDDINGS_PER_DAY) // 2))


def _embed(fit: KindFit, found: Read) -> Embedded:
    before = newest_done(fit.project)
    needs_system = found.is_with_system or (before is not None and before.is_with_system)
    wanted = [texts.spoken(text) for text in [*found.asked, *(found.system if needs_system else [])]]
    fit.n_total = fit.n_embedded = len(dict.fromkeys(wanted))
    spent = _seconds(fit)
    vectors = kind_vectors.encode(fit.project, wanted, lambda n: _look(fit, "Embedding prompts", n))
    fit.is_with_system, fit.embedding_model = found.is_with_system, settings.EMBEDDING_MODEL
    fit.seconds += _seconds(fit) - spent
    asked, system = vectors[: len(found.asked)], vectors[len(found.asked) :] if needs_system else None
    fit.n_sampled = len(found.drawn)
    return Embedded(found.drawn, found.asked, found.system, asked, system)


def _seconds(fit: KindFit) -> float:
    today = kind_vectors.days(fit.project, 1)
    return today[0].seconds if today else 0.0


def _compare(fit: KindFit, calls: Sequence[tuple[Asked, str]], compared: Sequence[int]) -> None:
    """By meaning, as far as today's embeddings reach; the exact part stands already."""
    chosen = [calls[at] for at in compared][-kind_vectors.left(fit.project) :] if kind_vectors.left(fit.project) else []
    different = {text for _, text in chosen}
    fit.n_total += len(different)
    fit.n_embedded += len(different)
    spent = _seconds(fit)
    vectors: Vectors = kind_vectors.encode(
        fit.project, [text for _, text in chosen], lambda n: _look(fit, "Comparing questions", n)
    )
    fit.seconds += _seconds(fit) - spent
    fit.report["cache"] = kind_answers.cache_report([each for each, _ in calls], [each for each, _ in chosen], vectors)
    fit.report["n_compared"] = len(chosen)


def _group(fit: KindFit, embedded: Embedded) -> Groups:
    """Of different prompts; each counts for the calls seen with it, so that strays are told by what was seen."""
    vectors = embedded.vectors(is_with_system=fit.is_with_system)
    digests = embedded.digests()
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    for at, digest in enumerate(digests):
        first.setdefault(digest, at)
        counts[digest] = counts.get(digest, 0) + 1
    places = np.asarray(list(first.values()))
    before = newest_done(fit.project)
    return grouping.find(vectors[places], list(counts.values()), seed=fit.seed, usual=before.cut if before else None)
