"""The project's ledger: what can be done with its log, and every line that was left out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from netra.http import page
from projects import access, import_reading, log_reading
from projects.filter_forms import LedgerForm
from projects.log_filter import EventFilter


@login_required
@require_GET
def ledger(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = LedgerForm(request.GET)
    wanted = form.within(log_reading.newest_at(project.pk, EventFilter(is_demand=True)))
    context = {"project": project, "form": form, **import_reading.of_project(project, wanted)}
    return page(request, "projects/ledger.html", context, partial="ledger")


@login_required
@require_GET
def lines(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    context = {"project": project, **import_reading.of_lines(project, request.GET)}
    return page(request, "projects/lines.html", context)
