"""A person's events deleted on request, and kept out from then on (docs/decisions/0008-deleting-events.md)."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from netra.errors import Invalid, NotFound
from projects import audit, log_deleting
from projects.log_deleting import Found
from projects.models import Erasure, Project
from projects.privacy import person

LONGEST_ID = 512
# A batch that was being written while the deletion ran is there by then.
SETTLED = timedelta(hours=2)


def preview(project: Project, user_id: str) -> Found:
    """What deleting this person's events would take. Raises Invalid for what is no id."""
    return log_deleting.of_persons(project.pk, _names(project, user_id))


def erase(project: Project, user_id: str, *, request: HttpRequest | None = None) -> tuple[Erasure, int]:
    """Delete a person's events and refuse them from now on; also returns how many went. Idempotent.

    The id itself is not kept anywhere: a keyed hash of it stands in the database, the diary and the refusals.
    """
    names = _names(project, user_id)
    # First the refusal, so that nothing comes in behind the deletion.
    row, _ = Erasure.objects.get_or_create(project=project, fingerprint=person(project.pk, names[0]))
    n_events = log_deleting.delete_person(project.pk, names, known_as=row.fingerprint)
    Erasure.objects.filter(pk=row.pk).update(n_events=F("n_events") + n_events, at=timezone.now())
    row.refresh_from_db()
    sentence = f"Deleted {n_events:,} events of one person ({row.fingerprint}) on request."
    audit.note(project, "person_erased", sentence, request=request)
    return row, n_events


def sweep() -> int:
    """Delete again by digest what a batch under way wrote while a deletion ran; returns how many events."""
    recent = Erasure.objects.filter(at__gte=timezone.now() - SETTLED)
    given = [(row.project_id, row.fingerprint) for row in recent]
    return sum(log_deleting.delete_person(where, [known_as], known_as=known_as) for where, known_as in given)


def let_in_again(project: Project, pk: int, *, request: HttpRequest | None = None) -> None:
    """Take a refusal back: the person's events may be imported again. What was deleted stays deleted."""
    row = project.erasures.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such deletion in this project.")
    log_deleting.let_in_again(project.pk, row.fingerprint)
    row.delete()
    audit.note(project, "person_let_in", f"Events of {row.fingerprint} may come in again.", request=request)


def _names(project: Project, user_id: str) -> list[str]:
    """The id as given, and what it becomes where ids are masked or hashed."""
    if not user_id.strip() or len(user_id) > LONGEST_ID or "\0" in user_id:
        raise Invalid(f"A user id has between 1 and {LONGEST_ID} characters.", field="user_id")
    return list(dict.fromkeys((user_id, person(project.pk, user_id))))
