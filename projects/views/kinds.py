"""Pages of kinds of work: the list, one kind, and fitting anew."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from netra.errors import Invalid
from netra.http import page
from projects import access, audit, kind_fitting, kind_report
from projects.clusters.batching import REASONS
from projects.models import KindFit, User
from projects.tasks import run_kind_fit


@login_required
@require_GET
def kinds(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    told = kind_report.report(project)
    context = {"project": project, "told": told, "fit": told.fit, "knows": told.knows, "reasons": REASONS}
    return page(request, "projects/kinds.html", context, partial="state")


@login_required
@require_GET
def kind(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    project = access.readable(request, slug)
    told, row = kind_report.one(project, number)
    assert told.fit is not None
    typical, fringe = kind_report.examples(project, row.kind, told.fit)
    context = {"project": project, "row": row, "kind": row.kind, "fit": told.fit, "typical": typical, "fringe": fringe}
    return page(request, "projects/kind.html", context)


@login_required
@require_POST
def fit(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.writable(request, slug)
    made = kind_fitting.start(project, by=request.user if isinstance(request.user, User) else None)
    audit.note(project, "kinds_fitted", "Began to find the kinds of work.", request=request)
    run_kind_fit.delay_on_commit(made.pk)
    return redirect("projects:kinds", slug)


@login_required
@require_POST
def cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.writable(request, slug)
    for found in KindFit.objects.filter(project=project, pk=pk):
        kind_fitting.cancel(found)
    return redirect("projects:kinds", slug)


@login_required
@require_POST
def rename(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    project = access.writable(request, slug)
    try:
        kind_report.rename(project, number, request.POST.get("name", ""))
    except Invalid as problem:
        messages.error(request, str(problem))
    else:
        audit.note(project, "kind_renamed", f"Named the kind of work {number}.", request=request)
    return redirect("projects:kind", slug, number)
