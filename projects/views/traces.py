"""Pages of traces and sessions: lists, and the calls of one as a tree."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from netra.http import page
from projects import access, log_reading, tree_reading
from projects.filter_forms import LedgerForm
from projects.log import cursor_time
from projects.log_filter import EventFilter


@login_required
@require_GET
def sessions(request: HttpRequest, slug: str) -> HttpResponse:
    """Or, with `?id=`, the session whose id no path can hold."""
    if "id" in request.GET:
        return session(request, slug, request.GET["id"])
    project = access.readable(request, slug)
    form, before = LedgerForm(request.GET), request.GET.get("before")
    wanted = form.within(log_reading.newest_at(project.pk, EventFilter(is_demand=True)))
    found = log_reading.sessions(project.pk, wanted, before=cursor_time(before) if before else None)
    context = {"project": project, "form": form, "found": found, "window": wanted}
    return page(request, "projects/sessions.html", context, partial="sessions")


@login_required
@require_GET
def session(request: HttpRequest, slug: str, session_id: str) -> HttpResponse:
    project = access.readable(request, slug)
    shown = tree_reading.of_session(project.pk, session_id, **_place(request))
    return page(request, "projects/session.html", {"project": project, "session_id": session_id, "shown": shown})


@login_required
@require_GET
def trace_by_id(request: HttpRequest, slug: str) -> HttpResponse:
    """A trace whose id no path can hold; without one, the sessions."""
    if "id" in request.GET:
        return trace(request, slug, request.GET["id"])
    return redirect("projects:sessions", access.readable(request, slug).slug)


@login_required
@require_GET
def trace(request: HttpRequest, slug: str, trace_id: str) -> HttpResponse:
    project = access.readable(request, slug)
    shown = tree_reading.of_trace(project.pk, trace_id, **_place(request))
    return page(request, "projects/trace.html", {"project": project, "trace_id": trace_id, "shown": shown})


def _place(request: HttpRequest) -> dict[str, Any]:
    told = request.GET.get("from", "")
    offset = int(told) if told.isascii() and told.isdigit() and len(told) < 10 else 0
    return {"offset": offset, "after": request.GET.get("after") or None}
