"""Pages of live routing: policies, what they decided and why, the options' health, budgets."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from netra import plots
from netra.errors import NotFound
from netra.http import page
from projects import access, audit, log
from projects.models import Project, User
from routing import calibrating, decisions, granting, policies, predictor
from routing.gateway.recording import OUTPACED
from routing.live_forms import AllowanceForm, PolicyForm, TryForm, shown
from routing.models import RoutingPolicy
from routing.tasks import foresee_policy

# Of a length as many requests are: what is pictured is the cost of such a one.
TYPICAL = "word " * 400


@login_required
@require_GET
def live(request: HttpRequest, slug: str) -> HttpResponse:
    return _live(request, access.readable(request, slug))


def _live(request: HttpRequest, project: Project, form: AllowanceForm | None = None) -> HttpResponse:
    context = {
        "project": project,
        "policies": policies.current(project),
        "decisions": decisions.latest(project, limit=25),
        "health": decisions.health(project),
        "tokens": calibrating.of(project),
        "allowances": granting.held(project),
        "is_owner": access.is_owner(request, project),
        "base_url": request.build_absolute_uri("/v1"),
        "form": form or AllowanceForm(project),
    }
    return page(request, "routing/live.html", context)


@login_required
@require_POST
def allow(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = AllowanceForm(project, request.POST)
    if not form.is_valid():
        return _live(request, project, form)
    told = dict(form.cleaned_data)
    found = granting.grant(project, told.pop("key") or None, told)
    audit.note(project, "limits_set", f"Set the limits of {found['key'] or 'the project'}.", request=request)
    messages.success(request, "The limits hold within five seconds.")
    return redirect("routing:live", slug)


@login_required
@require_http_methods(["GET", "POST"])
def policy_new(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = PolicyForm(project, request.POST or None, initial={"name": "auto", "default_option": project.incumbent})
    if request.method == "POST" and (row := _written(request, project, form)):
        return redirect("routing:policy", slug, row.name)
    return page(request, "routing/policy.html", {"project": project, "form": form, "is_owner": True})


@login_required
@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.readable(request, slug)
    row = policies.named(project, name)
    form = PolicyForm(project, request.POST or None, initial=shown(row))
    del form.fields["name"]
    if request.method == "POST":
        access.owned(request, slug)
        if _written(request, project, form, name=name):
            return redirect("routing:policy", slug, name)
    return page(request, "routing/policy.html", _policy_context(request, project, row, form))


def _policy_context(request: HttpRequest, project: Project, row: RoutingPolicy, form: PolicyForm) -> dict[str, Any]:
    trial = TryForm(request.GET or None)
    asked = trial.cleaned_data["text"] if trial.is_bound and trial.is_valid() else "Hello"
    told = decisions.explain(project, policies.as_policy(row), {"messages": [{"role": "user", "content": asked}]})
    return {
        "project": project,
        "row": row,
        "form": form,
        "is_owner": access.is_owner(request, project),
        "versions": RoutingPolicy.objects.filter(project=project, name=row.name),
        "trial": trial,
        "told": told,
        "predictor": predictor.of_default(project, row.default_option),
        "has_picture": bool(_placed(row.default_option, told["considered"])[0]),
    }


def _written(request: HttpRequest, project: Project, form: PolicyForm, *, name: str = "") -> RoutingPolicy | None:
    def write(given: dict[str, Any]) -> RoutingPolicy:
        return policies.write(project, name or form.cleaned_data["name"], **given, by=by)

    by = request.user if isinstance(request.user, User) else None
    row = form.put(write)
    if row is None:
        return None
    audit.note(project, "policy_written", f"Wrote the policy {row}.", request=request)
    messages.success(request, f"{row} is in use within five seconds. What is foreseen of it will stand under What if.")
    foresee_policy.delay_on_commit(row.pk)
    return row


@login_required
@require_POST
def retire(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.owned(request, slug)
    policies.retire(project, name)
    audit.note(project, "policy_retired", f"Took the policy {name} out of use.", request=request)
    messages.success(request, f"{name} is out of use; its versions stay readable in the log's decisions.")
    return redirect("routing:live", slug)


@login_required
@require_GET
def decision(request: HttpRequest, slug: str, event_id: str) -> HttpResponse:
    project = access.readable(request, slug)
    event = log.event(project.pk, event_id)
    told = decisions.explained(event)
    if told is None:
        raise NotFound("No policy decided this call: it named its model itself.")
    was_outpaced = any(each["error"] == OUTPACED for each in event["metadata"].get("attempts", ()))
    context = {"project": project, "event": event, "told": told, "was_outpaced": was_outpaced}
    return page(request, "routing/decision.html", context)


@login_required
@require_GET
def picture(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Expected cost against believed quality of a policy's options, with the interval, as chart data."""
    project = access.readable(request, slug)
    row = policies.as_policy(policies.named(project, name))
    told = decisions.explain(project, row, {"messages": [{"role": "user", "content": TYPICAL}]})
    placed, default_usd = _placed(row.default, told["considered"])
    return JsonResponse(plots.trade_off(placed, default_usd, plots.palette(request.GET.get("scheme", ""))))


def _placed(default: str, considered: list[dict[str, Any]]) -> tuple[list[plots.Placed], float]:
    known = {each["option"]: each for each in considered if "cost_usd" in each}
    others = [each for name, each in known.items() if name != default and "quality" in each]
    placed = [
        plots.Placed(
            each["option"],
            each["cost_usd"] * 1000,
            each["quality"] * 100,
            each["quality_low"] * 100,
            each["quality_high"] * 100,
        )
        for each in others
    ]
    return placed, known[default]["cost_usd"] * 1000 if default in known else 0.0
