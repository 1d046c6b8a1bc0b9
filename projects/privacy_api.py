"""API of privacy: how a text comes out, what retention did, and the deletion of a person's events."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from projects import access, audit, erasure, privacy_settings, retention
from projects.auth import either
from projects.models import Cleaning
from projects.schemas import Strict

router = Router(auth=either)


class TextIn(Strict):
    """A text, and settings to try that need not be saved; what is left out is as the project has it."""

    text: str = Field(max_length=privacy_settings.LONGEST_SAMPLE)
    is_private: bool | None = None
    masks: list[str] | None = None
    masked_terms: list[str] | None = None


class TextOut(Schema):
    text: str


class CleaningOut(Schema):
    """`n_events` went because they had started before `cutoff_at`."""

    at: datetime
    cutoff_at: datetime
    n_events: int


class RetentionOut(Schema):
    """`n_waiting`: what the next run would delete; None without a retention."""

    retention_days: int | None
    n_waiting: int | None
    last: CleaningOut | None


class ErasedOut(Schema):
    """`person` is a keyed hash; `erased` is False for a dry run."""

    person: str | None
    n_events: int
    erased: bool


@router.post("/projects/{slug}/privacy/try", response=TextOut, summary="How a text would be kept; nothing is")
def try_privacy(request: HttpRequest, slug: str, payload: TextIn) -> TextOut:
    project = access.readable(request, slug)
    wanted = {name: value for name, value in payload.dict(exclude={"text"}).items() if value is not None}
    return TextOut(text=privacy_settings.tried(project, wanted, payload.text))


@router.get("/logs/{slug}/retention", response=RetentionOut)
def get_retention(request: HttpRequest, slug: str) -> RetentionOut:
    project = access.readable(request, slug)
    last = project.cleanings.first()
    return RetentionOut(
        retention_days=project.retention_days,
        n_waiting=retention.waiting(project),
        last=_cleaning(last) if last is not None else None,
    )


@router.post("/logs/{slug}/retention", response=CleaningOut | None, summary="Delete now what is past its days")
def apply_retention(request: HttpRequest, slug: str) -> CleaningOut | None:
    project = access.owned(request, slug)
    made = retention.apply(project)
    if made is None:
        return None
    audit.note(project, "retention_applied", f"Deleted {made.n_events:,} events past their days.", request=request)
    return _cleaning(made)


def _cleaning(made: Cleaning) -> CleaningOut:
    return CleaningOut.model_validate(made, from_attributes=True)


@router.delete(
    "/logs/{slug}/users/{path:user_id}",
    response=ErasedOut,
    summary="Delete a person's events and refuse them from now on; the owner's, logged in",
)
def delete_user_events(request: HttpRequest, slug: str, user_id: str, dry_run: bool = False) -> Status[ErasedOut]:
    project = access.owned(request, slug)
    if dry_run:
        n_found = erasure.preview(project, user_id).n_events
        return Status(200, ErasedOut(person=None, n_events=n_found, erased=False))
    row, n_events = erasure.erase(project, user_id, request=request)
    return Status(200, ErasedOut(person=row.fingerprint, n_events=n_events, erased=True))
