"""Pages of the log: the list of calls, one call, and what was told of it as it was read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from netra.http import page
from projects import access, event_reading, log, log_reading, record_reading
from projects.filter_forms import EventFilterForm

PAGE = 50


@login_required
@require_GET
def events(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = EventFilterForm(request.GET)
    found = log.events(project.pk, form.wanted(), limit=PAGE, after=request.GET.get("after") or None)
    tries = log_reading.tried_again(project.pk, found.rows)
    context = {"project": project, "form": form, "found": found, "tries": tries}
    return page(request, "projects/events.html", context, partial="events")


@login_required
@require_GET
def event(request: HttpRequest, slug: str, event_id: str) -> HttpResponse:
    project = access.readable(request, slug)
    found = log.event(project.pk, event_id, _version(request))
    return page(
        request, "projects/event.html", {"project": project, "event": found, **event_reading.of(project, found)}
    )


@login_required
@require_GET
def raw(request: HttpRequest, slug: str, event_id: str) -> HttpResponse:
    """The whole event as JSON: pages show long texts cut."""
    project = access.readable(request, slug)
    found = log.event(project.pk, event_id, _version(request))
    return _file({name: value for name, value in found.items() if name != "project_id"}, f"event-{event_id[:32]}.json")


@login_required
@require_GET
def record(request: HttpRequest, slug: str, event_id: str, key: str) -> HttpResponse:
    """What one product told of a call, as JSON."""
    project = access.readable(request, slug)
    return _file(record_reading.record(project.pk, event_id, key), f"record-{key[:32]}.json")


def _version(request: HttpRequest) -> int | None:
    told = request.GET.get("version", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def _file(told: dict[str, Any], name: str) -> HttpResponse:
    """To be kept, never shown: what stands in a log must not become a page of ours."""
    response = JsonResponse(told, json_dumps_params={"indent": 1, "ensure_ascii": True, "default": str})
    kept = "".join(letter for letter in name if letter.isalnum() or letter in "-.")
    response.headers["Content-Disposition"] = f'attachment; filename="{kept}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
