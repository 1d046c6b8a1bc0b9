"""Page of the digest: who gets it, what it would say now, and sending it at once."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from netra.errors import NetraError
from netra.http import page
from projects import access, audit, digest_sending, digests
from projects.models import Digest, Project
from projects.report_forms import DigestForm

_FIELDS = ("cadence", "to_members", "webhook_url")


@login_required
@require_http_methods(["GET", "POST"])
def digest(request: HttpRequest, slug: str) -> HttpResponse:
    """A new secret is shown in the answer to the form, and never again."""
    project = access.owned(request, slug)
    row = digest_sending.of(project)
    form = DigestForm(request.POST or None, initial={name: getattr(row, name) for name in _FIELDS})
    if request.method == "GET" or not form.is_valid():
        return _page(request, project, row, form)
    try:
        secret = digest_sending.change(row, **form.cleaned_data, now=timezone.now())
    except NetraError as problem:
        form.refuse(problem)
        return _page(request, project, digest_sending.of(project), form)
    audit.note(project, "digest_changed", "Changed who gets the digest.", request=request)
    if secret is not None:
        return _page(request, project, row, form, new_secret=secret)
    messages.success(request, "The digest is set up." if row.is_on else "The digest is off.")
    return redirect("projects:digest", slug)


@login_required
@require_POST
def send(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    try:
        problem = digest_sending.send(digest_sending.of(project), timezone.now(), again=True)
    except NetraError as refused:
        problem = str(refused)
    audit.note(project, "digest_sent", "Sent the digest by hand.", request=request)
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, "The digest is sent.")
    return redirect("projects:digest", slug)


def _page(
    request: HttpRequest, project: Project, row: Digest, form: DigestForm, *, new_secret: str | None = None
) -> HttpResponse:
    told = digests.build(project, row.cadence, timezone.now())
    preview = {"told": told, "lines": digests.lines(told), "reasons": digests.reasons(told)}
    context = {"project": project, "digest": row, "form": form, "new_secret": new_secret, **preview}
    return page(request, "projects/digest.html", context)
