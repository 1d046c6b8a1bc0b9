"""The page of a project's response caches and guardrails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from netra.errors import NotFound
from netra.http import page
from projects import access, audit
from projects.models import Project
from routing import control_report, controls, guardrails
from routing.control_forms import CacheForm, RuleForm
from routing.models import GatewayControls

HOLDS = "This holds within five seconds."


@login_required
@require_http_methods(["GET", "POST"])
def controls_page(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    if request.method != "POST":
        return _page(request, project)
    access.owned(request, slug)
    form = CacheForm(request.POST)
    if form.put(lambda given: controls.write(project, given)):
        return _set(request, project, "Set the response cache.")
    return _page(request, project, form=form)


@login_required
@require_POST
def add_rule(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = RuleForm(request.POST)
    if form.put(lambda given: _added(project, given)):
        return _set(request, project, f"Added the guardrail {form.given()['name']}.")
    return _page(request, project, rule_form=form)


def _added(project: Project, given: dict[str, Any]) -> GatewayControls:
    guardrails.rule(given)  # by itself first, so that its sentence says nothing of places in a list
    return controls.write(project, {"guardrails": [*controls.of(project).guardrails, given]})


@login_required
@require_POST
def raise_rule(request: HttpRequest, slug: str, place: int) -> HttpResponse:
    def one_up(rules: list[Any]) -> None:
        rules.insert(max(0, place - 1), rules.pop(place))

    return _rearranged(request, slug, place, one_up, "Moved the guardrail {} up.")


@login_required
@require_POST
def remove_rule(request: HttpRequest, slug: str, place: int) -> HttpResponse:
    return _rearranged(request, slug, place, lambda rules: rules.pop(place), "Removed the guardrail {}.")


def _rearranged(
    request: HttpRequest, slug: str, place: int, change: Callable[[list[Any]], Any], sentence: str
) -> HttpResponse:
    project = access.owned(request, slug)
    rules = list(controls.of(project).guardrails)
    if not 0 <= place < len(rules):
        raise NotFound("There is no such guardrail any more.")
    name = rules[place]["name"]
    change(rules)
    controls.write(project, {"guardrails": rules})
    return _set(request, project, sentence.format(name))


@login_required
@require_POST
def clear(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    controls.clear(project)
    audit.note(project, "cache_cleared", "Cleared the response cache.", request=request)
    messages.success(request, "Answers kept until now are not given any more, within five seconds.")
    return redirect("routing:controls", slug)


def _set(request: HttpRequest, project: Project, sentence: str) -> HttpResponse:
    audit.note(project, "controls_set", sentence, request=request)
    messages.success(request, HOLDS)
    return redirect("routing:controls", project.slug)


def _page(
    request: HttpRequest, project: Project, *, form: CacheForm | None = None, rule_form: RuleForm | None = None
) -> HttpResponse:
    row = controls.of(project)
    context = {
        "project": project,
        "row": row,
        "told": control_report.report(project),
        "expected": control_report.expected(project),
        "is_owner": access.is_owner(request, project),
        "form": form or CacheForm(initial=CacheForm.shown(row)),
        "rule_form": rule_form or RuleForm(),
    }
    return page(request, "routing/controls.html", context)
