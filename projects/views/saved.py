"""Pages of saved views: the list, keeping one, following one, removing one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from netra.errors import NetraError
from netra.http import page
from projects import access, audit, saved_views
from projects.models import Project, User
from projects.report_forms import SaveViewForm


@login_required
@require_GET
def views(request: HttpRequest, slug: str) -> HttpResponse:
    return _list(request, access.readable(request, slug))


@login_required
@require_POST
def save(request: HttpRequest, slug: str) -> HttpResponse:
    """Who only looks may keep views for themselves; what all see is the members'."""
    is_shared = bool(request.POST.get("is_shared"))
    project = (access.writable if is_shared else access.readable)(request, slug)
    form = SaveViewForm(request.POST)
    if form.is_valid():
        try:
            row = saved_views.save(project, by=_person(request), **form.cleaned_data)
        except NetraError as problem:
            form.refuse(problem)
        else:
            if row.is_shared:
                audit.note(project, "view_shared", f"Shared the view {row.name}.", request=request)
            messages.success(request, f"The view {row.name} is saved. Its link opens it for whoever may see it.")
            return redirect("projects:saved_views", slug)
    return _list(request, project, form, status=400)


@login_required
@require_GET
def view(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return redirect(saved_views.find(access.readable(request, slug), pk, _person(request)).target)


@login_required
@require_POST
def remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.readable(request, slug)
    row = saved_views.find(project, pk, _person(request))
    saved_views.remove(row, _person(request), is_owner=access.is_owner(request, project))
    if row.is_shared:
        audit.note(project, "view_removed", f"Removed the view {row.name}.", request=request)
    return redirect("projects:saved_views", slug)


def _list(request: HttpRequest, project: Project, form: SaveViewForm | None = None, status: int = 200) -> HttpResponse:
    person, is_owner = _person(request), access.is_owner(request, project)
    rows = [(row, saved_views.may_remove(row, person, is_owner=is_owner)) for row in saved_views.seen(project, person)]
    context = {"project": project, "rows": rows, "form": form}
    return page(request, "projects/saved_views.html", context, status=status)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
