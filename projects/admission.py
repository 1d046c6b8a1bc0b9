"""Before anything is written: what this project lets in at all. The last gate, past every queue, for every way in.

A person whose calls were deleted stays out; what retention would delete at once is not written; and a copy of an
event that is there already, exported and imported again, adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from projects import log_deleting, log_exporting
from projects.log_rows import event_id_of
from projects.models import Erasure, Project
from projects.privacy import person
from projects.workloads import WorkloadEvent

ERASED, PAST_RETENTION, KNOWN_COPY = "erased", "past_retention", "known_copy"


def cutoff(project: Project, now: datetime | None = None) -> datetime | None:
    """What started before this is not kept; None keeps everything."""
    if project.retention_days is None:
        return None
    return (now or timezone.now()) - timedelta(days=project.retention_days)


def verdicts(project_id: int, events: Sequence[WorkloadEvent]) -> list[str | None]:
    """For each event, in order: None when it may be written, else ERASED, PAST_RETENTION or KNOWN_COPY.

    Looked up anew for each batch, so that a deletion also meets what waited in a spool or a file. Raises Unavailable.
    """
    gate = _Gate.of(project_id)
    copies = _known_copies(project_id, events)
    found = [gate.verdict(event, n in copies) for n, event in enumerate(events)]
    return gate.without_erased(events, found)


def lets_all_in(project_id: int, oldest_at: datetime) -> bool:
    """Whether `verdicts` would let in any record that is not older than that, without a look at each. No copies."""
    gate = _Gate.of(project_id)
    return not gate.erased_people and (gate.keeps_from is None or gate.keeps_from <= oldest_at)


@dataclass(frozen=True, slots=True)
class _Gate:
    project_id: int
    keeps_from: datetime | None
    erased_people: frozenset[str]

    @classmethod
    def of(cls, project_id: int) -> _Gate:
        project = Project.objects.only("retention_days").get(pk=project_id)
        people = Erasure.objects.filter(project=project_id).values_list("fingerprint", flat=True)
        return cls(project_id, cutoff(project), frozenset(people))

    def verdict(self, event: WorkloadEvent, is_copy: bool) -> str | None:
        if self.erased_people and event.user_id and person(self.project_id, event.user_id) in self.erased_people:
            return ERASED
        if self.keeps_from is not None and event.started_at is not None and event.started_at < self.keeps_from:
            return PAST_RETENTION
        return KNOWN_COPY if is_copy else None

    def without_erased(self, events: Sequence[WorkloadEvent], found: list[str | None]) -> list[str | None]:
        """Records that do not say whose they are, but were deleted with their person's, are known by their ids."""
        if not self.erased_people:
            return found
        open_ids = {n: event_id_of(self.project_id, events[n]) for n, verdict in enumerate(found) if verdict is None}
        erased = log_deleting.erased(self.project_id, list(open_ids.values()))
        return [ERASED if open_ids.get(n) in erased else verdict for n, verdict in enumerate(found)]


def _known_copies(project_id: int, events: Sequence[WorkloadEvent]) -> set[int]:
    """Which of these are copies of an event that is in the log, in just that version."""
    claimed = {n: event.copy_of for n, event in enumerate(events) if event.copy_of}
    if not claimed:
        return set()
    known = log_exporting.contents(project_id, [of.partition("/")[0] for of in claimed.values()])
    return {n for n, of in claimed.items() if of in known}
