"""Answers follow the calls they were asked from: once a logged call is deleted, what was replayed of it goes too.

Scores, costs and verdicts stay: a recommendation keeps its figures. The words go, from the rows, from the log and from
the evidence pack (docs/decisions/0008-deleting-events.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.cache import cache
from django.db.models import Q

from evaluation.evidence import sha256, without_words
from evaluation.models import (
    EvaluationRun,
    HumanLabel,
    Judgement,
    PairwiseJudgement,
    Recommendation,
    ReplayCall,
    SampledPrompt,
)
from projects import log_deleting
from projects.log_rows import event_id_of
from projects.models import Cleaning, Erasure, Project
from projects.workloads import WorkloadEvent
from routing import predictor
from routing.observation import SOURCE

CHUNK = 1_000
# A judge that is asked again for a verdict that can be read has a second record.
SUFFIXES = ("", "-again")
_HAS_WORDS = (
    ~Q(calls__text="")
    | Q(calls__response__isnull=False)
    | Q(calls__judgements__response__isnull=False)
    | ~Q(calls__judgements__rationale="")
)


def forget_gone() -> int:
    """Remove the words of every answer whose call is no longer in the log; returns how many prompts. Idempotent.

    Looks only where something was deleted since it last looked, or since this process began.
    """
    return sum(_of_project(project, last) for project in Project.objects.order_by("pk") if (last := _news(project)))


def _news(project: Project) -> str | None:
    """What was deleted last, where that is not known yet."""
    cleaned = Cleaning.objects.filter(project=project, n_events__gt=0).values_list("pk", flat=True).first()
    erased = Erasure.objects.filter(project=project).values_list("at", flat=True).first()
    last = f"{cleaned} {erased}"
    is_nothing = cleaned is None and erased is None
    return None if is_nothing or cache.get(_key(project)) == last else last


def _key(project: Project) -> str:
    return f"forgotten-{project.pk}"


def _of_project(project: Project, last: str) -> int:
    """A run at work still reads its answers: it is looked at again when it is over."""
    over = EvaluationRun.objects.filter(project=project).exclude(state__in=EvaluationRun.UNFINISHED)
    prompts = SampledPrompt.objects.filter(_HAS_WORDS, run__in=over).distinct().order_by("pk")
    n_prompts, after = 0, 0
    while chunk := list(prompts.filter(pk__gt=after)[:CHUNK]):
        after = chunk[-1].pk
        there = log_deleting.present(project.pk, [each.event_id for each in chunk])
        gone = [each for each in chunk if each.event_id not in there]
        _forget(project.pk, gone)
        predictor.forget(project, [each.event_id for each in gone])
        n_prompts += len(gone)
    if not EvaluationRun.objects.unfinished().filter(project=project).exists():
        cache.set(_key(project), last, timeout=None)
    return n_prompts


def _forget(project_id: int, prompts: Sequence[SampledPrompt]) -> None:
    """The log first: the rows are what says that there is something left to do."""
    if not prompts:
        return
    calls = ReplayCall.objects.filter(prompt__in=prompts)
    judgements = Judgement.objects.filter(call__prompt__in=prompts)
    pairwise = PairwiseJudgement.objects.filter(candidate_call__prompt__in=prompts)
    rows: list[Any] = [*calls, *judgements, *pairwise]
    made = [_event_id(project_id, row.call_key + end) for row in rows for end in SUFFIXES]
    log_deleting.delete_events(project_id, [*made, *(row.event_id for row in rows if row.event_id)])
    _from_packs({prompt.run_id for prompt in prompts}, {row.call_key for row in rows})
    HumanLabel.objects.filter(call__prompt__in=prompts).update(note="")
    for verdicts in (judgements, pairwise):
        verdicts.update(response=None, rationale="", error="")
    calls.update(response=None, text="", error="")


def _event_id(project_id: int, call_key: str) -> str:
    return event_id_of(project_id, WorkloadEvent(source=SOURCE, source_record_id=call_key, started_at=None))


def _from_packs(run_ids: Iterable[int], call_keys: set[str]) -> None:
    for found in Recommendation.objects.filter(run__in=run_ids):
        found.pack = without_words(found.pack, call_keys)
        found.pack_sha256 = sha256(found.pack)
        found.save(update_fields=["pack", "pack_sha256"])
