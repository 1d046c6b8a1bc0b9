"""The page of the prompt cache: what is answered, what could be, and what to change for it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from netra.http import page
from projects import access, cache_report
from projects.cache_forms import CacheForm


@login_required
@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = CacheForm(request.GET)
    told = cache_report.report(project, form.question())
    context = {"project": project, "form": form, "query": form.as_query(), **cache_report.shown(told)}
    return page(request, "projects/cache.html", context)


@login_required
@require_GET
def chart(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.readable(request, slug)
    told = cache_report.report(project, CacheForm(request.GET).question())
    return JsonResponse(cache_report.chart(told, name, request.GET.get("scheme", "")))
