"""Pages of a project's settings: words, keys, members, deletion."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from netra.http import page
from projects import access, audit, log, members
from projects.forms import DeleteForm, KeyForm, MemberForm, SettingsForm
from projects.models import ApiKey, Project, User

either_way = require_http_methods(["GET", "POST"])


@login_required
@either_way
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = SettingsForm(request.POST or None, instance=project)
    if request.method == "POST":
        access.writable(request, slug)
        if form.is_valid():
            form.save()
            audit.note(project, "project_changed", f"Changed {', '.join(form.changed_data)}.", request=request)
            messages.success(request, "Saved.")
            return redirect("projects:settings", slug)
    return _settings_page(request, project, form=form)


def _settings_page(request: HttpRequest, project: Project, **forms: object) -> HttpResponse:
    context = {
        "project": project,
        "form": SettingsForm(instance=project),
        "key_form": KeyForm(),
        "member_form": MemberForm(),
        "delete_form": DeleteForm(project=project),
        "is_owner": access.is_owner(request, project),
        "memberships": project.memberships.select_related("user").order_by("user__email"),
        "keys": project.api_keys.all(),
        "audit_entries": project.audit_entries.all()[:50],
        **forms,
    }
    return page(request, "projects/settings.html", context)


@login_required
@require_POST
def create_key(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, project, key_form=form)
    by = request.user if isinstance(request.user, User) else None
    row, key = ApiKey.issue(project, form.cleaned_data["name"], by=by)
    audit.note(project, "key_created", f"Made the API key {row.name} ({row.shown_prefix}…).", request=request)
    response = _settings_page(request, project, new_key=key)
    response.headers["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def revoke_key(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.owned(request, slug)
    key = project.api_keys.live().filter(pk=pk).first()
    if key is not None:
        key.revoke()
        audit.note(project, "key_revoked", f"Revoked the API key {key.name} ({key.shown_prefix}…).", request=request)
    return redirect("projects:settings", slug)


@login_required
@require_POST
def set_member(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = MemberForm(request.POST)
    if form.is_valid() and members.tried(form, project):
        audit.note(
            project, "member_set", f"Made {form.cleaned_data['email']} {form.cleaned_data['role']}.", request=request
        )
        return redirect("projects:settings", slug)
    return _settings_page(request, project, member_form=form)


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    email = request.POST.get("email", "")
    members.remove(project, email)
    audit.note(project, "member_removed", f"Took {email} out of the project.", request=request)
    return redirect("projects:settings", slug)


@login_required
@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = DeleteForm(request.POST, project=project)
    if not form.is_valid():
        return _settings_page(request, project, delete_form=form)
    log.delete_project(project.pk)
    project.delete()
    messages.success(request, f"The project {project.name} and its events are gone.")
    return redirect("projects:list")
