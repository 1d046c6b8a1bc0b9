"""Where a question is put together, and its answer as a page or a file. The address holds the whole question."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from netra.errors import Invalid, TooLarge
from netra.http import page
from projects import access, analytics_shown, log_reading
from projects.analytics import engine, exports
from projects.analytics.answers import Answer
from projects.analytics_forms import FORMS, QuestionForm
from projects.models import Project


@login_required
@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    name = request.GET.get("analysis", "")
    name = name if name in FORMS else "aggregate"
    form = FORMS[name][1].of(request.GET)
    context: dict[str, Any] = {"project": project, "form": form, "name": name, "tabs": _tabs()}
    try:
        answer = _answer(project, name, form)
    except (Invalid, TooLarge) as refused:
        return page(request, "projects/analytics.html", {**context, "refused": refused}, status=refused.status)
    if (format_ := request.GET.get("format", "")) in exports.FORMATS:
        return _file(project, name, answer, format_)
    return page(request, "projects/analytics.html", {**context, **analytics_shown.shown(project, answer)})


def _tabs() -> list[tuple[str, str]]:
    return [(name, title) for name, (title, _) in FORMS.items()]


def _answer(project: Project, name: str, form: QuestionForm) -> Answer:
    told = form.question(log_reading.newest_at(project.pk))
    return engine.answer(project.pk, engine.parsed({"analysis": name, **told}))


def _file(project: Project, name: str, answer: Answer, format_: str) -> HttpResponse:
    response = HttpResponse(exports.exported(answer, format_), content_type=exports.FORMATS[format_])
    response.headers["Content-Disposition"] = f'attachment; filename="{project.slug}-{name}.{format_}"'
    return response
