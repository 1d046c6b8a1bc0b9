"""Pages of imports: list, upload, progress with its ledger, cancel."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from netra.errors import NotFound
from netra.http import page
from projects import access, audit, import_reading, importing, previewing, uploads
from projects.forms import FormatForm, UploadForm
from projects.ingest import formats
from projects.models import Import, Project, User
from projects.tasks import run_import

either_way = require_http_methods(["GET", "POST"])


@login_required
@require_GET
def imports(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    return page(request, "projects/imports.html", {"project": project, "imports": project.imports.all()[:200]})


@login_required
@either_way
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.writable(request, slug)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file, by = form.cleaned_data["file"], request.user
        taking = uploads.receive(
            project,
            file.chunks(),
            file_name=file.name,
            by=by if isinstance(by, User) else None,
            format_name=form.cleaned_data["format"],
            is_to_confirm=not form.cleaned_data["format"],
        )
        if form.cleaned_data["format"]:
            _start(request, taking)
        return redirect(taking)
    return page(request, "projects/upload.html", {"project": project, "form": form})


def _start(request: HttpRequest, taking: Import) -> None:
    audit.note(taking.project, "import_started", f"Started the import of {taking.file_name}.", request=request)
    run_import.delay_on_commit(taking.pk)


@login_required
@require_POST
def confirm_import(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    taking = _import(access.writable(request, slug), pk)
    form = FormatForm(request.POST)
    if not form.is_valid():
        return redirect(taking)
    uploads.confirm(taking, form.cleaned_data["format"])
    _start(request, taking)
    return redirect(taking)


@login_required
@require_GET
def import_(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.readable(request, slug)
    taking = _import(project, pk)
    if taking.state == Import.State.ASKING:
        return _asking(request, project, taking)
    context = {"project": project, "taking": taking, **import_reading.of_import(taking, request.GET)}
    return page(request, "projects/import.html", context, partial="progress")


def _asking(request: HttpRequest, project: Project, taking: Import) -> HttpResponse:
    """What the file seems to be; `?format=` reads it as another."""
    told = request.GET.get("format", "")
    preview = previewing.of(taking, told if told in formats.FORMATS else "")
    form = FormatForm(initial={"format": preview.format})
    context = {"project": project, "taking": taking, "preview": preview, "form": form}
    return page(request, "projects/import_confirm.html", context)


@login_required
@require_POST
def cancel_import(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    taking = _import(access.writable(request, slug), pk)
    if taking.state == Import.State.ASKING:
        uploads.decline(taking)
    else:
        importing.cancel(taking)
    return redirect(taking)


def _import(project: Project, pk: int) -> Import:
    found = project.imports.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such import in this project.")
    return found
