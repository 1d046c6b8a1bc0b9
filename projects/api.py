"""API of the demand side: projects, imports, keys, members."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import File, Router, Status
from ninja.files import UploadedFile

from netra.errors import Conflict, Forbidden, Invalid, NotFound
from projects import access, audit, importing, members, previewing, privacy_settings, uploads
from projects.auth import either
from projects.ingest import formats
from projects.models import ApiKey, Import, Membership, Project, User
from projects.schemas import (
    FormatIn,
    ImportOut,
    KeyIn,
    KeyOut,
    MemberIn,
    MemberOut,
    NewKeyOut,
    PreviewOut,
    ProjectIn,
    ProjectOut,
    ProjectPatch,
)
from projects.tasks import run_import

router = Router(auth=either)
CHUNK = 1 << 20


@router.get("/projects", response=list[ProjectOut], summary="Projects you may see")
def list_projects(request: HttpRequest) -> list[ProjectOut]:
    return [ProjectOut.of(project) for project in access.visible_projects(request)]


@router.post("/projects", response={201: ProjectOut}, summary="Make a project; you become its owner")
def create_project(request: HttpRequest, payload: ProjectIn) -> Status[ProjectOut]:
    if not isinstance(request.user, User):
        raise Forbidden("A project's key cannot make other projects; log in.")
    try:
        with transaction.atomic():
            project = Project.objects.create(**payload.dict())
            Membership.objects.create(project=project, user=request.user, role=Membership.Role.OWNER)
    except IntegrityError:
        raise Conflict("There is already a project of that name.") from None
    audit.note(project, "project_created", f"Made the project {project.name}.", request=request)
    return Status(201, ProjectOut.of(project))


@router.get("/projects/{slug}", response=ProjectOut)
def get_project(request: HttpRequest, slug: str) -> ProjectOut:
    return ProjectOut.of(access.readable(request, slug))


@router.patch("/projects/{slug}", response=ProjectOut)
def patch_project(request: HttpRequest, slug: str, payload: ProjectPatch) -> ProjectOut:
    project = access.writable(request, slug)
    asked = payload.dict(exclude_unset=True)
    of_privacy = {name: asked.pop(name) for name in privacy_settings.FIELDS if name in asked}
    if of_privacy:
        privacy_settings.change(access.owned(request, slug), of_privacy, request=request)
        project.refresh_from_db()
    changes = {name: value for name, value in asked.items() if value is not None}
    for name, value in changes.items():
        setattr(project, name, value)
    if changes:
        project.save(update_fields=list(changes))
        audit.note(project, "project_changed", f"Changed {', '.join(changes)}.", request=request)
    return ProjectOut.of(project)


@router.post("/logs/{slug}/import", response={202: ImportOut}, summary="Import a file, or JSON lines in the body")
def import_logs(
    request: HttpRequest,
    slug: str,
    file: UploadedFile | None = File(None),  # type: ignore[type-arg]
    format: str = "",
    preview: bool = False,
) -> Status[ImportOut]:
    """With `preview=true` it waits: read `/preview`, then post to `/confirm` or `/cancel`."""
    project = access.writable(request, slug)
    chunks = file.chunks() if file is not None else _body(request)
    name = (file.name or "upload") if file is not None else "request body"
    by = request.user if isinstance(request.user, User) else None
    taking = uploads.receive(project, chunks, file_name=name, by=by, format_name=format, is_to_confirm=preview)
    if not preview:
        _start(request, taking)
    return Status(202, ImportOut.of(taking))


def _start(request: HttpRequest, taking: Import) -> None:
    audit.note(taking.project, "import_started", f"Started the import of {taking.file_name}.", request=request)
    run_import.delay_on_commit(taking.pk)


@router.get("/logs/{slug}/imports/{int:pk}/preview", response=PreviewOut, summary="What a waiting file seems to be")
def preview_import(request: HttpRequest, slug: str, pk: int, format: str = "") -> PreviewOut:
    taking = _import(access.readable(request, slug), pk)
    if taking.state != Import.State.ASKING:
        raise Conflict("This import does not wait to be confirmed.")
    if format and format not in formats.FORMATS:
        raise Invalid(f"There is no format {format[:40]!r}.", field="format")
    return PreviewOut.of(previewing.of(taking, format))


@router.post("/logs/{slug}/imports/{int:pk}/confirm", response={202: ImportOut}, summary="Take a waiting file in")
def confirm_import(request: HttpRequest, slug: str, pk: int, payload: FormatIn) -> Status[ImportOut]:
    taking = _import(access.writable(request, slug), pk)
    uploads.confirm(taking, payload.format)
    _start(request, taking)
    return Status(202, ImportOut.of(taking))


def _body(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK):
        yield chunk


@router.get("/logs/{slug}/imports", response=list[ImportOut])
def list_imports(request: HttpRequest, slug: str) -> list[ImportOut]:
    project = access.readable(request, slug)
    return [ImportOut.of(taking) for taking in project.imports.all()[:200]]


@router.get("/logs/{slug}/imports/{int:pk}", response=ImportOut)
def get_import(request: HttpRequest, slug: str, pk: int) -> ImportOut:
    return ImportOut.of(_import(access.readable(request, slug), pk))


@router.post("/logs/{slug}/imports/{int:pk}/cancel", response=ImportOut)
def cancel_import(request: HttpRequest, slug: str, pk: int) -> ImportOut:
    taking = _import(access.writable(request, slug), pk)
    if taking.state == Import.State.ASKING:
        uploads.decline(taking)
    else:
        importing.cancel(taking)
        taking.refresh_from_db()
    return ImportOut.of(taking)


def _import(project: Project, pk: int) -> Import:
    found = project.imports.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such import in this project.")
    return found


@router.get("/projects/{slug}/keys", response=list[KeyOut])
def list_keys(request: HttpRequest, slug: str) -> list[KeyOut]:
    return [KeyOut.of(key) for key in access.owned(request, slug).api_keys.all()]


@router.post("/projects/{slug}/keys", response={201: NewKeyOut}, summary="Make a key; it is shown this once")
def create_key(request: HttpRequest, slug: str, payload: KeyIn) -> Status[NewKeyOut]:
    project = access.owned(request, slug)
    row, key = ApiKey.issue(project, payload.name, by=request.user if isinstance(request.user, User) else None)
    audit.note(project, "key_created", f"Made the API key {row.name} ({row.shown_prefix}…).", request=request)
    return Status(201, NewKeyOut(**KeyOut.of(row).dict(), key=key))


@router.delete("/projects/{slug}/keys/{int:pk}", response={204: None})
def revoke_key(request: HttpRequest, slug: str, pk: int) -> Status[None]:
    project = access.owned(request, slug)
    key = project.api_keys.live().filter(pk=pk).first()
    if key is None:
        raise NotFound("There is no such key in use.")
    key.revoke()
    audit.note(project, "key_revoked", f"Revoked the API key {key.name} ({key.shown_prefix}…).", request=request)
    return Status(204, None)


@router.get("/projects/{slug}/members", response=list[MemberOut])
def list_members(request: HttpRequest, slug: str) -> list[MemberOut]:
    rows = access.readable(request, slug).memberships.select_related("user").order_by("user__email")
    return [MemberOut(email=row.user.email, role=row.role) for row in rows]


@router.put("/projects/{slug}/members", response=MemberOut, summary="Add a person, or change their role")
def put_member(request: HttpRequest, slug: str, payload: MemberIn) -> MemberOut:
    project = access.owned(request, slug)
    row = members.add(project, payload.email, payload.role)
    audit.note(project, "member_set", f"Made {row.user.email} {row.role}.", request=request)
    return MemberOut(email=row.user.email, role=row.role)


@router.delete("/projects/{slug}/members/{email}", response={204: None})
def remove_member(request: HttpRequest, slug: str, email: str) -> Status[None]:
    project = access.owned(request, slug)
    members.remove(project, email)
    audit.note(project, "member_removed", f"Took {email} out of the project.", request=request)
    return Status(204, None)
