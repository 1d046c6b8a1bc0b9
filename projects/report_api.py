"""API of saved views and of the digest."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status

from projects import access, audit, digest_sending, digests, saved_views
from projects.auth import either
from projects.models import User
from projects.report_schemas import DigestIn, DigestOut, SavedViewIn, SavedViewOut

router = Router(auth=either)


@router.get("/projects/{slug}/views", response=list[SavedViewOut], summary="Saved views: shared ones and your own")
def list_views(request: HttpRequest, slug: str) -> list[SavedViewOut]:
    rows = saved_views.seen(access.readable(request, slug), _person(request))
    return [SavedViewOut.of(row) for row in rows]


@router.post("/projects/{slug}/views", response={201: SavedViewOut}, summary="Save a view; a key's is shared")
def save_view(request: HttpRequest, slug: str, payload: SavedViewIn) -> Status[SavedViewOut]:
    person = _person(request)
    is_shared = payload.is_shared or person is None
    project = (access.writable if is_shared else access.readable)(request, slug)
    row = saved_views.save(project, by=person, **payload.dict())
    if row.is_shared:
        audit.note(project, "view_shared", f"Shared the view {row.name}.", request=request)
    return Status(201, SavedViewOut.of(row))


@router.delete("/projects/{slug}/views/{int:pk}", response={204: None}, summary="Remove a saved view")
def remove_view(request: HttpRequest, slug: str, pk: int) -> Status[None]:
    project, person = access.readable(request, slug), _person(request)
    row = saved_views.find(project, pk, person)
    is_owner = person is not None and access.is_owner(request, project)
    saved_views.remove(row, person, is_owner=is_owner)
    if row.is_shared:
        audit.note(project, "view_removed", f"Removed the view {row.name}.", request=request)
    return Status(204, None)


@router.get("/projects/{slug}/digest", response=DigestOut, summary="Who gets the digest, and when it last went out")
def get_digest(request: HttpRequest, slug: str) -> DigestOut:
    return DigestOut.of(digest_sending.of(access.owned(request, slug)))


@router.put("/projects/{slug}/digest", response=DigestOut, summary="Set it up; a webhook's new secret is given once")
def put_digest(request: HttpRequest, slug: str, payload: DigestIn) -> DigestOut:
    project = access.owned(request, slug)
    row = digest_sending.of(project)
    secret = digest_sending.change(row, **payload.dict(), now=timezone.now())
    audit.note(project, "digest_changed", "Changed who gets the digest.", request=request)
    return DigestOut.of(row, secret)


@router.get("/projects/{slug}/digest/preview", response=dict[str, Any], summary="The digest that would go out now")
def preview_digest(request: HttpRequest, slug: str) -> dict[str, Any]:
    project = access.readable(request, slug)
    return digests.as_json(digests.build(project, digest_sending.of(project).cadence, timezone.now()))


def _person(request: HttpRequest) -> User | None:
    """Who asks; None is a project's key."""
    has_key = getattr(request, "key_project", None) is not None
    return request.user if isinstance(request.user, User) and not has_key else None
