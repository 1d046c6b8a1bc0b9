"""The privacy page: what the door does, how long events are kept, and the deletion of a person's events."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from netra.errors import Invalid
from netra.http import page
from projects import access, audit, erasure, privacy_settings, retention
from projects.log import EventFilter, count
from projects.models import Project
from projects.privacy_forms import ErasureForm, PersonForm, PrivacyForm

SHOWN_ERASURES = 200


@login_required
@require_http_methods(["GET", "POST"])
def privacy(request: HttpRequest, slug: str) -> HttpResponse:
    """The settings; a POST saves them, or with `try` shows what they do to a text."""
    project = access.readable(request, slug)
    is_owner = access.is_owner(request, project)
    form = PrivacyForm(request.POST if request.method == "POST" else None, project=project, is_owner=is_owner)
    if request.method == "GET":
        return _page(request, project, form=form)
    if "try" in request.POST:
        return _page(request, project, form=form, tried=_tried(project, form))
    access.owned(request, slug)
    if form.is_valid() and _is_saved(request, project, form):
        messages.success(request, "Saved. Senders that are connected follow within five seconds.")
        return redirect("projects:privacy", slug)
    return _page(request, project, form=form)


def _tried(project: Project, form: PrivacyForm) -> str | None:
    if not form.is_valid():
        return None
    try:
        return privacy_settings.tried(project, form.wanted(), form.cleaned_data["sample"])
    except Invalid as problem:
        form.refuse(problem)
        return None


def _is_saved(request: HttpRequest, project: Project, form: PrivacyForm) -> bool:
    try:
        privacy_settings.change(project, form.wanted(), request=request)
    except Invalid as problem:
        form.refuse(problem)
    return form.is_valid()


def _page(request: HttpRequest, project: Project, **shown: object) -> HttpResponse:
    is_owner = access.is_owner(request, project)
    context = {
        "project": project,
        "is_owner": is_owner,
        "person_form": PersonForm(),
        "n_waiting": retention.waiting(project),
        "n_clear": count(project.pk, EventFilter()) - count(project.pk, EventFilter(flag="private")),
        "last": project.cleanings.first(),
        "cleanings": project.cleanings.filter(n_events__gt=0)[:10],
        "erasures": project.erasures.all()[:SHOWN_ERASURES],
        **shown,
    }
    response = page(request, "projects/privacy.html", context, partial="tried")
    response.headers["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def apply_retention(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    made = retention.apply(project)
    if made is not None:
        audit.note(project, "retention_applied", f"Deleted {made.n_events:,} events past their days.", request=request)
        messages.success(request, f"{made.n_events:,} events were deleted.")
    return redirect("projects:privacy", slug)


@login_required
@require_POST
def preview_person(request: HttpRequest, slug: str) -> HttpResponse:
    """How much would go. By POST, so that the id stands in no address."""
    project = access.owned(request, slug)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page(request, project, form=_form(project), person_form=form)
    user_id = form.cleaned_data["user_id"]
    found = erasure.preview(project, user_id)
    confirm = ErasureForm(initial={"user_id": user_id})
    return page(request, "projects/erase.html", {"project": project, "found": found, "form": confirm, "told": user_id})


@login_required
@require_POST
def erase_person(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = ErasureForm(request.POST)
    if not form.is_valid():
        told = request.POST.get("user_id", "")
        found = erasure.preview(project, told)
        return page(request, "projects/erase.html", {"project": project, "found": found, "form": form, "told": told})
    _, n_events = erasure.erase(project, form.cleaned_data["user_id"], request=request)
    messages.success(request, f"{n_events:,} events were deleted. Answers replayed of them follow within five minutes.")
    return redirect("projects:privacy", slug)


@login_required
@require_POST
def let_in_again(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.owned(request, slug)
    erasure.let_in_again(project, pk, request=request)
    messages.success(request, "Events of this person may be imported again.")
    return redirect("projects:privacy", slug)


def _form(project: Project) -> PrivacyForm:
    return PrivacyForm(project=project, is_owner=True)
