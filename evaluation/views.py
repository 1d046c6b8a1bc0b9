"""Pages of evaluations and recommendations: find with permission, parse, call, render."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation import pictures, planner, reading
from evaluation import recommendations as recommendations_
from evaluation import runs as runs_
from evaluation.forms import CallFilterForm, PlanForm
from evaluation.models import EvaluationRun, Recommendation
from evaluation.tasks import run_evaluation
from netra.errors import NetraError
from netra.http import page
from projects import access, audit
from projects.models import Project, User


@login_required
@require_GET
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    found = EvaluationRun.objects.asked_for().filter(project=project).prefetch_related("candidates", "recommendations")
    return page(request, "evaluation/runs.html", {"project": project, "runs": found[:200]}, partial="runs")


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """The planner: a forecast for what the form says, and, when asked, the run itself."""
    project = access.writable(request, slug)
    form = PlanForm(request.POST or None, project=project)
    context: dict[str, object] = {"project": project, "form": form, "forecast": None}
    if request.method == "POST" and form.is_valid():
        try:
            if "start" in request.POST:
                return redirect(_start(request, project, form))
            context["forecast"] = planner.plan(project, form.wish())
        except NetraError as problem:
            form.refuse(problem)
    return page(request, "evaluation/plan.html", context, partial="forecast")


def _start(request: HttpRequest, project: Project, form: PlanForm) -> EvaluationRun:
    started = runs_.create(project, form.wish(), by=request.user if isinstance(request.user, User) else None)
    sentence = f"Started the evaluation {started.name}, for at most {started.budget_usd} USD."
    audit.note(project, "evaluation_started", sentence, request=request)
    run_evaluation.delay_on_commit(started.pk)
    return started


@login_required
@require_GET
def run(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.readable(request, slug)
    found = reading.run_of(project, pk)
    context = {
        "project": project,
        "run": found,
        "progress": reading.progress(found),
        "findings": (found.decision or {}).get("findings", []),
        "recommendation": found.recommendations.first(),
    }
    return page(request, "evaluation/run.html", context, partial="progress")


@login_required
@require_GET
def calls(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Every call of a run and what became of it, in the order of the prompts."""
    project = access.readable(request, slug)
    found, form = reading.run_of(project, pk), CallFilterForm(request.GET)
    shown = reading.calls(found, form.wanted())
    return page(request, "evaluation/calls.html", {"project": project, "run": found, "form": form, **shown})


@login_required
@require_POST
def cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.writable(request, slug)
    found = reading.run_of(project, pk)
    runs_.cancel(found)
    audit.note(project, "evaluation_cancelled", f"Asked to cancel the evaluation {found.name}.", request=request)
    messages.success(request, "The run stops once the calls under way have answered. What was paid for is kept.")
    return redirect(found)


@login_required
@require_POST
def resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.writable(request, slug)
    found = reading.run_of(project, pk)
    runs_.resume(found)
    audit.note(project, "evaluation_resumed", f"Resumed the evaluation {found.name}.", request=request)
    run_evaluation.delay_on_commit(found.pk)
    return redirect(found)


@login_required
@require_GET
def recommendations(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    found = Recommendation.objects.filter(project=project).select_related("run")
    return page(request, "evaluation/recommendations.html", {"project": project, "recommendations": found[:200]})


@login_required
@require_GET
def recommendation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.readable(request, slug)
    found = reading.recommendation_of(project, pk)
    findings = found.decision.get("findings", [])
    lead = next((each for each in findings if each["candidate"] == found.candidate), findings[0] if findings else None)
    context = {
        "project": project,
        "recommendation": found,
        "run": found.run,
        "findings": findings,
        "lead": lead,
        "quality": next((gate for gate in lead["gates"] if gate["name"] == "quality"), None) if lead else None,
        "shown": reading.side_by_side(found, lead) if lead else [],
    }
    return page(request, "evaluation/recommendation.html", context)


@login_required
@require_GET
def chart(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponse:
    found = reading.recommendation_of(access.readable(request, slug), pk)
    return JsonResponse(pictures.chart(found, name, request.GET.get("scheme", "")))


@login_required
@require_POST
def acknowledge(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = access.writable(request, slug)
    found = reading.recommendation_of(project, pk)
    by = request.user if isinstance(request.user, User) else None
    recommendations_.acknowledge(found, by=by, note=request.POST.get("note", "")[:4_000])
    audit.note(project, "recommendation_acknowledged", f"Acknowledged: {found.sentence}", request=request)
    return redirect(found)


@login_required
@require_GET
def evidence(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The pack, byte for byte as its hash was taken."""
    found = reading.recommendation_of(access.readable(request, slug), pk)
    response = HttpResponse(found.pack.encode(), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="netra-evidence-{slug}-{found.pk}.json"'
    return response


@login_required
@require_GET
def latest_card(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    return page(request, "evaluation/_latest.html", {"project": project, "latest": reading.latest(project)})
