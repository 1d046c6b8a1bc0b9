"""Embeddings within a day's bound: each project may have so many texts embedded a day, and what it took is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from netra import embeddings
from netra.errors import Busy
from projects.clusters.grouping import Vectors
from projects.models import EmbeddingDay, Project

CHUNK = 64
A_DAY_S = 86_400.0


def left(project: Project) -> int:
    """How many more texts may be embedded today (UTC)."""
    return max(0, int(settings.EMBEDDINGS_PER_DAY) - _row(project).n_prompts)


def days(project: Project, n: int = 7) -> list[EmbeddingDay]:
    """What the last days took, newest first."""
    return list(EmbeddingDay.objects.filter(project=project)[:n])


def encode(project: Project, texts: Sequence[str], on_chunk: Callable[[int], None] = lambda _: None) -> Vectors:
    """Unit vectors, one row a text; equal texts are embedded once. `on_chunk` hears how many more are done.

    Raises Busy when the day's bound does not hold that many, before any work; Unavailable as netra.embeddings does.
    """
    different = list(dict.fromkeys(texts))
    reserve(project, len(different))
    parts = []
    for at in range(0, len(different), CHUNK):
        began = time.perf_counter()
        parts.append(embeddings.encode(different[at : at + CHUNK]))
        _row_of(project).update(seconds=F("seconds") + time.perf_counter() - began)
        on_chunk(len(parts[-1]))
    if not parts:
        return np.zeros((0, 0), dtype=np.float32)
    places = {text: place for place, text in enumerate(different)}
    found: Vectors = np.vstack(parts)[[places[text] for text in texts]]
    return found


def reserve(project: Project, n: int) -> None:
    """Count so many texts against today's bound. Raises Busy."""
    bound = int(settings.EMBEDDINGS_PER_DAY)
    _row(project)
    if not _row_of(project).filter(n_prompts__lte=bound - n).update(n_prompts=F("n_prompts") + n):
        raise Busy(
            f"Today's {bound:,} embeddings of this project are spent; they begin anew at 00:00 UTC.",
            retry_after_s=A_DAY_S,
            code="embeddings_spent",
        )


def _row(project: Project) -> EmbeddingDay:
    return EmbeddingDay.objects.get_or_create(project=project, day=_today())[0]


def _row_of(project: Project):  # type: ignore[no-untyped-def]
    return EmbeddingDay.objects.filter(project=project, day=_today())


def _today() -> date:
    return timezone.now().date()
