"""Pages of a project as a whole, and of the person: list, make, overview, charts, account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET, require_http_methods

from netra import plots
from netra.errors import NotFound
from netra.http import page
from projects import access, audit
from projects.analytics import standing
from projects.forms import AccountForm, ProjectForm
from projects.models import Membership, User
from projects.overview import parts
from projects.overview.asking import Asked, newest_at
from projects.overview.fleet import fleet
from projects.overview.headline import headline, outlook
from projects.overview.windows import LENGTHS
from projects.overview_forms import FleetForm, OverviewForm

either_way = require_http_methods(["GET", "POST"])


@login_required
@require_GET
def projects(request: HttpRequest) -> HttpResponse:
    form = FleetForm(request.GET)
    found = fleet(access.visible_projects(request), form.name, timezone.get_current_timezone_name())
    return page(request, "projects/list.html", {"fleet": found, "form": form, "lengths": LENGTHS})


@login_required
@either_way
def create(request: HttpRequest) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        project = form.save()
        assert isinstance(request.user, User)
        Membership.objects.create(project=project, user=request.user, role=Membership.Role.OWNER)
        audit.note(project, "project_created", f"Made the project {project.name}.", request=request)
        return redirect(project)
    return page(request, "projects/create.html", {"form": form})


@login_required
@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = OverviewForm(request.GET)
    with standing.moment():
        asked = form.asked(project.pk, newest_at(project.pk))
        context = {"project": project, "form": form, "window": asked.window, "part": form.part_name, "lengths": LENGTHS}
        if asked.window.newest_at is not None:
            context |= _shown(asked, form.part_name)
        return page(request, "projects/overview.html", context, partial="part")


@login_required
@require_GET
def chart(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.readable(request, slug)
    picture = parts.section(OverviewForm(request.GET).asked(project.pk, newest_at(project.pk)), name).picture
    if picture is None:
        raise NotFound(f"There is nothing to draw as {name[:40]!r}.")
    return JsonResponse(plots.pictured(picture, plots.palette(request.GET.get("scheme", ""))))


def _shown(asked: Asked, name: str) -> dict[str, Any]:
    """The figures above are made only where they are shown: htmx swaps what is below them."""
    return {
        "parts": parts.PARTS,
        "sections": parts.sections(asked, name),
        "figures": SimpleLazyObject(lambda: headline(asked)),
        "outlook": SimpleLazyObject(lambda: outlook(asked)),
    }


@login_required
@either_way
def account(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = AccountForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("projects:account")
    return render(request, "projects/account.html", {"form": form})
