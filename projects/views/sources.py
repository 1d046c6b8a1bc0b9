"""Pages of sources: list, add, one with its syncs, sync now, change, remove."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from netra.errors import NetraError
from netra.http import page
from projects import access, audit, sourcing, syncing
from projects.models import Project, Source, SourceSync, User
from projects.source_forms import SourceChangeForm, SourceForm, SyncForm
from projects.tasks import run_sync

either_way = require_http_methods(["GET", "POST"])
SYNCS = 50


@login_required
@require_GET
def sources(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    context = {
        "project": project,
        "sources": sourcing.with_latest(project),
        "kinds": Source.Kind.choices,
        "is_owner": access.is_owner(request, project),
    }
    return page(request, "projects/sources.html", context)


@login_required
@either_way
def add(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = SourceForm(request.POST or None, kind=sourcing.checked_kind(kind))
    if request.method == "POST" and form.is_valid():
        try:
            row = sourcing.create(project, kind=kind, name=form.cleaned_data["name"], given=form.given())
        except NetraError as problem:
            form.refuse(problem)
        else:
            audit.note(project, "source_added", f"Added the source {row.name} at {row.base_url}.", request=request)
            return redirect(row)
    context = {"project": project, "form": form, "title": f"Add {Source.Kind(kind).label}"}
    return page(request, "projects/source_form.html", context)


@login_required
@require_GET
def source(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.readable(request, slug)
    return _source_page(request, project, sourcing.find(project, name))


def _source_page(request: HttpRequest, project: Project, row: Source, **forms: Any) -> HttpResponse:
    syncs = list(row.syncs.select_related("taking")[:SYNCS])
    context = {
        "project": project,
        "source": row,
        "syncs": syncs,
        "current": syncs[0] if syncs and not syncs[0].taking.is_over else None,
        "sync_form": SyncForm(),
        "is_owner": access.is_owner(request, project),
        **forms,
    }
    return page(request, "projects/source.html", context, partial="syncs")


@login_required
@require_POST
def sync(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.writable(request, slug)
    row, form = sourcing.find(project, name), SyncForm(request.POST)
    if not form.is_valid():
        return _source_page(request, project, row, sync_form=form)
    by = request.user if isinstance(request.user, User) else None
    try:
        made = syncing.start(row, cause=SourceSync.Cause.BUTTON, by=by, since=form.moment())
    except NetraError as problem:
        form.add_error("since", str(problem))
        return _source_page(request, project, row, sync_form=form)
    audit.note(project, "sync_started", f"Began to read the source {row.name}.", request=request)
    run_sync.delay_on_commit(made.pk)
    return redirect(row)


@login_required
@either_way
def change(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.owned(request, slug)
    row = sourcing.find(project, name)
    form = SourceChangeForm(request.POST or None, row=row, initial=sourcing.shown(row))
    if request.method == "POST" and form.is_valid():
        try:
            sourcing.change(row, form.given())
        except NetraError as problem:
            form.refuse(problem)
        else:
            audit.note(project, "source_changed", f"Changed the source {row.name}.", request=request)
            messages.success(request, f"The source {row.name} is changed.")
            return redirect(row)
    context = {"project": project, "source": row, "form": form, "title": f"Change {row.name}"}
    return page(request, "projects/source_form.html", context)


@login_required
@require_POST
def remove(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.owned(request, slug)
    sourcing.remove(sourcing.find(project, name))
    audit.note(project, "source_removed", f"Removed the source {name}; what it brought stays.", request=request)
    return redirect("projects:sources", slug)
