"""New calls join the kinds of work as they come, within what is left of the day's embeddings."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from django.conf import settings
from django.utils import timezone

from projects import kind_sample, kind_vectors, log_deleting
from projects.clusters import texts
from projects.clusters.grouping import NONE
from projects.kind_fitting import DAYS, Read, read
from projects.kind_writing import Embedded, groups_of, newest_done, write_members
from projects.models import Cleaning, Erasure, KindFit, KindMember, Project

CALLS = 400  # looked at in one go; they stand for all that came
FEWEST = 20  # embeddings left below which newcomers wait for tomorrow
CHUNK = 1_000
# Calls are in the log a moment after their time of ingestion.
SETTLED = timedelta(seconds=20)
MOST_MEMBERS = 5_000


def waiting_projects() -> list[Project]:
    """Projects with kinds of work."""
    return list(Project.objects.filter(kind_fits__state=KindFit.State.DONE).distinct().order_by("pk"))


def join(project: Project) -> int:
    """Look at what came since the last look; returns how many calls were put in a kind or found unlike any.

    Idempotent; a call whose text was seen before is not embedded again. Raises Busy when another used up the day's
    embeddings meanwhile, Unavailable when a store is down.
    """
    fit = newest_done(project)
    if fit is None or fit.assigned_until is None or fit.embedding_model != settings.EMBEDDING_MODEL:
        return 0
    if kind_vectors.left(project) < FEWEST:
        return 0
    until = timezone.now() - SETTLED
    came = kind_sample.window(project.pk, days=DAYS, ingested_after=fit.assigned_until, ingested_until=until)
    if came is not None and came.n_calls:
        n = min(CALLS, kind_vectors.left(project) // 2)
        found = read(project.pk, kind_sample.draw(project.pk, came, n=n, seed=fit.seed))
        _assign(fit, found)
    else:
        found = Read([], [], [])
    KindFit.objects.filter(pk=fit.pk, state=KindFit.State.DONE).update(assigned_until=until)
    _forget_oldest(fit)
    return len(found.drawn)


def _assign(fit: KindFit, found: Read) -> None:
    kinds = list(fit.kinds.all())
    known = _known(fit, found)
    fresh = [at for at, number in enumerate(known) if number is _UNSEEN]
    wanted = [found.asked[at] for at in fresh] + [found.system[at] for at in fresh if fit.is_with_system]
    vectors = kind_vectors.encode(fit.project, [texts.spoken(text) for text in wanted])
    asked, system = vectors[: len(fresh)], vectors[len(fresh) :] if fit.is_with_system else None
    part = _part(found, fresh)
    embedded = Embedded(part.drawn, part.asked, part.system, asked, system)
    if fresh:
        labels, similarity = groups_of(kinds, fit).nearest(embedded.vectors(is_with_system=fit.is_with_system))
        numbers = [None if at == NONE else kinds[at].number for at in labels.tolist()]
        write_members(fit, embedded, numbers, similarity.tolist(), is_arrival=True)
    _write_known(fit, found, known)


_UNSEEN = (-1, 0.0)
Known = tuple[int | None, float]


def _known(fit: KindFit, found: Read) -> list[Known]:
    """Kind and similarity of texts that a call of the fit had already."""
    digests = [texts.digest(*each) for each in zip(found.asked, found.system, strict=True)]
    rows = KindMember.objects.filter(fit=fit, text_digest__in=set(digests))
    seen = {
        digest: (number, alike) for digest, number, alike in rows.values_list("text_digest", "number", "similarity")
    }
    return [seen.get(digest, _UNSEEN) for digest in digests]


def _part(found: Read, places: list[int]) -> Read:
    return Read(
        [found.drawn[at] for at in places], [found.asked[at] for at in places], [found.system[at] for at in places]
    )


def _write_known(fit: KindFit, found: Read, known: list[Known]) -> None:
    places = [at for at, each in enumerate(known) if each is not _UNSEEN]
    part = _part(found, places)
    embedded = Embedded(part.drawn, part.asked, part.system, np.zeros((0, 0), dtype=np.float32), None)
    numbers, similarity = [known[at][0] for at in places], [known[at][1] for at in places]
    write_members(fit, embedded, numbers, similarity, is_arrival=True)


def _forget_oldest(fit: KindFit) -> None:
    """A fit that nobody renews keeps its newest members only."""
    arrivals = KindMember.objects.filter(fit=fit, is_arrival=True).order_by("-id")
    oldest = arrivals.values_list("pk", flat=True)[MOST_MEMBERS : MOST_MEMBERS + 1].first()
    if oldest is not None:
        arrivals.filter(pk__lte=oldest).delete()


def forget_gone(project: Project) -> int:
    """Drop calls that were deleted from the log since the fit looked at them; returns how many. Idempotent."""
    fit = newest_done(project)
    if fit is None or not _was_deleted(fit):
        return 0
    n_gone, after = 0, 0
    members = KindMember.objects.filter(fit=fit).order_by("pk")
    while chunk := list(members.filter(pk__gt=after).values_list("pk", "event_id")[:CHUNK]):
        after = chunk[-1][0]
        there = log_deleting.present(project.pk, [event_id for _, event_id in chunk])
        n_gone += KindMember.objects.filter(pk__in=[pk for pk, event_id in chunk if event_id not in there]).delete()[0]
    return n_gone


def _was_deleted(fit: KindFit) -> bool:
    """Whether anything went since the fit; afterwards each look asks again, which is cheap beside missing one."""
    recent = {"project": fit.project, "at__gte": fit.started_at or fit.created_at}
    return Cleaning.objects.filter(n_events__gt=0, **recent).exists() or Erasure.objects.filter(**recent).exists()
