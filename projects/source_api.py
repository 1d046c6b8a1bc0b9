"""API of sources: add, change, read now, and what came of it."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from netra.errors import NotFound
from projects import access, audit, sourcing, syncing
from projects.auth import either
from projects.models import Project, Source, SourceSync, User
from projects.source_schemas import SourceIn, SourceOut, SourcePatch, SyncIn, SyncOut
from projects.tasks import run_sync

router = Router(auth=either)
SYNCS = 200


@router.get("/logs/{slug}/sources", response=list[SourceOut], summary="Where this project's logs are fetched from")
def list_sources(request: HttpRequest, slug: str) -> list[SourceOut]:
    return [SourceOut.of(row) for row in Source.objects.filter(project=access.readable(request, slug))]


@router.post("/logs/{slug}/sources", response={201: SourceOut}, summary="Add a source; its secret is not shown again")
def create_source(request: HttpRequest, slug: str, payload: SourceIn) -> Status[SourceOut]:
    project = access.owned(request, slug)
    row = sourcing.create(project, kind=payload.kind, name=payload.name, given=payload.given())
    audit.note(project, "source_added", f"Added the source {row.name} at {row.base_url}.", request=request)
    return Status(201, SourceOut.of(row))


@router.get("/logs/{slug}/sources/{name}", response=SourceOut)
def get_source(request: HttpRequest, slug: str, name: str) -> SourceOut:
    return SourceOut.of(sourcing.find(access.readable(request, slug), name))


@router.patch("/logs/{slug}/sources/{name}", response=SourceOut)
def patch_source(request: HttpRequest, slug: str, name: str, payload: SourcePatch) -> SourceOut:
    project = access.owned(request, slug)
    row = sourcing.change(sourcing.find(project, name), payload.given())
    audit.note(project, "source_changed", f"Changed the source {row.name}.", request=request)
    return SourceOut.of(row)


@router.delete("/logs/{slug}/sources/{name}", response={204: None}, summary="Remove a source; what it brought stays")
def remove_source(request: HttpRequest, slug: str, name: str) -> Status[None]:
    project = access.owned(request, slug)
    sourcing.remove(sourcing.find(project, name))
    audit.note(project, "source_removed", f"Removed the source {name}; what it brought stays.", request=request)
    return Status(204, None)


@router.post("/logs/{slug}/sync", response={202: list[SyncOut]}, summary="Read one source now, or all in use")
def sync(request: HttpRequest, slug: str, payload: SyncIn | None = None) -> Status[list[SyncOut]]:
    project = access.writable(request, slug)
    payload = payload or SyncIn()
    by = request.user if isinstance(request.user, User) else None
    made = [
        syncing.start(row, cause=SourceSync.Cause.API, by=by, since=payload.since)
        for row in _wanted(project, payload.source)
    ]
    for each in made:
        audit.note(project, "sync_started", f"Began to read the source {each.source.name}.", request=request)
        run_sync.delay_on_commit(each.pk)
    return Status(202, [SyncOut.of(each) for each in made])


def _wanted(project: Project, name: str | None) -> list[Source]:
    if name is not None:
        return [sourcing.find(project, name)]
    rows = list(Source.objects.filter(project=project, is_enabled=True).select_related("project"))
    if not rows:
        raise NotFound("This project has no source in use.")
    return rows


@router.get("/logs/{slug}/sources/{name}/syncs", response=list[SyncOut], summary="Attempts at reading it, newest first")
def list_syncs(request: HttpRequest, slug: str, name: str) -> list[SyncOut]:
    row = sourcing.find(access.readable(request, slug), name)
    return [SyncOut.of(each) for each in row.syncs.select_related("source", "taking")[:SYNCS]]


@router.get("/logs/{slug}/syncs/{int:pk}", response=SyncOut)
def get_sync(request: HttpRequest, slug: str, pk: int) -> SyncOut:
    return SyncOut.of(_sync(access.readable(request, slug), pk))


@router.post("/logs/{slug}/syncs/{int:pk}/cancel", response=SyncOut, summary="Stop it; what was taken stays")
def cancel_sync(request: HttpRequest, slug: str, pk: int) -> SyncOut:
    project = access.writable(request, slug)
    found = _sync(project, pk)
    syncing.cancel(found)
    audit.note(project, "sync_cancelled", f"Cancelled reading the source {found.source.name}.", request=request)
    return SyncOut.of(_sync(project, pk))


def _sync(project: Project, pk: int) -> SourceSync:
    found = SourceSync.objects.select_related("source", "taking").filter(source__project=project, pk=pk).first()
    if found is None:
        raise NotFound("There is no such sync in this project.")
    return found
