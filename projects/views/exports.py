"""One's own events as a file, narrowed as the page of logs is."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from netra.http import streamed
from projects import access, audit, exporting
from projects.filter_forms import EventFilterForm


@login_required
@require_GET
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    project = access.readable(request, slug)
    made = exporting.of(project, EventFilterForm(request.GET).wanted(), request.GET.get("format", "jsonl"))
    audit.note(project, "events_exported", f"Exported events as {made.title}.", request=request)
    return streamed(request, made.pieces, media_type=made.media_type, file_name=made.file_name)
