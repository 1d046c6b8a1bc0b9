"""Pages of the counterfactuals: a policy tried on logged decisions, put in use, and followed afterwards."""

from __future__ import annotations

import secrets

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods

from netra import plots
from netra.errors import Invalid
from netra.http import page
from projects import access, audit
from projects.models import Project, User
from routing.counterfactual import adoption
from routing.counterfactual.estimators import Estimate
from routing.counterfactual.measures import COST, ERRORS, LATENCY, QUALITY
from routing.counterfactual.report import Point, Report, report
from routing.counterfactual_forms import Asked

# A measure's name, its unit, and the unit of a difference of two.
UNITS = {
    COST: ("Cost a call", "usd", "usd_change"),
    LATENCY: ("Latency, mean", "ms", "ms"),
    ERRORS: ("Failed", "share", "points"),
    QUALITY: ("Quality against the default", "points", "points"),
}
# A page's picture shows what the page was reckoned from, for as long as somebody may look at it.
KEPT_S = 3600
Picture = tuple[list[plots.Placed], float]


@login_required
@require_http_methods(["GET", "POST"])
def counterfactual(request: HttpRequest, slug: str) -> HttpResponse:
    """The question is in the address, also when a draft is put in use by POST."""
    if request.method == "POST":
        return _adopted(request, access.owned(request, slug))
    project = access.readable(request, slug)
    asked = Asked(project, request.GET)
    question = asked.question()
    told = report(project, question) if question else None
    placed = _placed(told) if told else ([], 0.0)
    context = {
        "project": project,
        "asked": asked,
        "told": told,
        "units": UNITS,
        "query": request.GET.urlencode(),
        "record": adoption.record(project),
        "kept": _keep(project, placed) if placed[0] else "",
        "is_owner": access.is_owner(request, project),
    }
    return page(request, "routing/counterfactual.html", context)


def _adopted(request: HttpRequest, project: Project) -> HttpResponse:
    asked = Asked(project, request.GET)
    question = asked.question()
    if question is None or not asked.is_draft:
        raise Invalid("Only a draft that can be read can be put in use.")
    told = asked.draft.cleaned_data
    by = request.user if isinstance(request.user, User) else None
    row = adoption.adopt(project, question, default_option=told["default_option"], rules=asked.draft.rules(), by=by)
    audit.note(project, "policy_written", f"Wrote the policy {row} from a counterfactual.", request=request)
    messages.success(request, f"{row} is in use within five seconds; what comes of it is held against this forecast.")
    return redirect("routing:counterfactual", project.slug)


@login_required
@require_GET
def picture(request: HttpRequest, slug: str) -> HttpResponse:
    """Cost against quality of the policies on the page, with both intervals, as chart data."""
    project = access.readable(request, slug)
    placed, usd = _kept(project, request.GET.get("kept", "")) or _reckoned(project, request)
    return JsonResponse(plots.trade_off(placed, usd, plots.palette(request.GET.get("scheme", ""))))


def _keep(project: Project, placed: Picture) -> str:
    """Keep what a page shows for its picture, so that nothing is reckoned twice; returns the name it has there."""
    name = secrets.token_hex(16)
    cache.set(_place_of(project, name), placed, KEPT_S)
    return name


def _kept(project: Project, name: str) -> Picture | None:
    """None where the page is too old, or another process held it."""
    found: Picture | None = cache.get(_place_of(project, name)) if name.isalnum() else None
    return found


def _place_of(project: Project, name: str) -> str:
    return f"counterfactual:{project.pk}:{name[:32]}"


def _reckoned(project: Project, request: HttpRequest) -> Picture:
    question = Asked(project, request.GET).question()
    if question is None:
        raise Invalid("The policy cannot be read.")
    return _placed(report(project, question))


def _placed(told: Report) -> Picture:
    """What the picture shows and the default's cost; nothing where that is unknown."""
    known = [each for each in told.points if each.is_placed]
    default = next((each.cost.value for each in known if each.is_default), None)
    if default is None:
        return [], 0.0
    return [_place(each) for each in known if not each.is_default], default * 1000


def _place(point: Point) -> plots.Placed:
    usd, usd_low, usd_high = _scaled(point.cost, 1000)
    return plots.Placed(point.name, usd, *_scaled(point.quality, 100), usd_low, usd_high)


def _scaled(found: Estimate, factor: float) -> tuple[float, float, float]:
    """Value, low, high of an estimate that is known."""
    value, low, high = ((each or 0.0) * factor for each in (found.value, found.low, found.high))
    return value, low, high
