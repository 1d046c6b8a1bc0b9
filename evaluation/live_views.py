"""The page of live quality: what is judged and for how much, what it says, which options are certified and why."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from evaluation import live_report, live_settings
from evaluation.live_forms import JudgingForm, RuleForm, judging_shown, rule_shown
from evaluation.tasks import judge_live
from netra.errors import NetraError
from netra.http import page
from projects import access, audit
from projects.models import Project, User
from routing import certificates
from routing.tasks import certify_project


@login_required
@require_GET
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    return _shown(request, access.readable(request, slug))


def _shown(
    request: HttpRequest, project: Project, judging: JudgingForm | None = None, rule: RuleForm | None = None
) -> HttpResponse:
    wanted, limits = live_settings.of(project), certificates.rule_of(project)
    context = {
        "project": project,
        "wanted": wanted,
        "limits": limits,
        "today": live_report.today(project),
        "options": live_report.options(project),
        "history": live_report.history(project),
        "is_owner": access.is_owner(request, project),
        "judging": judging or JudgingForm(project, initial=judging_shown(wanted), auto_id="judging_%s"),
        "rule": rule or RuleForm(initial=rule_shown(limits), auto_id="rule_%s"),
    }
    return page(request, "evaluation/live.html", context)


@login_required
@require_POST
def judge(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the settings of judging."""
    project = access.owned(request, slug)
    form = JudgingForm(project, request.POST, auto_id="judging_%s")
    if not form.is_valid():
        return _shown(request, project, judging=form)
    try:
        row = live_settings.write(project, form.given(), by=request.user if isinstance(request.user, User) else None)
    except NetraError as problem:
        form.refuse(problem)
        return _shown(request, project, judging=form)
    audit.note(project, "live_judging_set", live_settings.sentence(row), request=request)
    messages.success(request, live_settings.sentence(row))
    if row.is_on:
        judge_live.delay_on_commit(project.pk)
    return redirect("evaluation:live_quality", slug)


@login_required
@require_POST
def certify(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the rule of certification."""
    project = access.owned(request, slug)
    form = RuleForm(request.POST, auto_id="rule_%s")
    if not form.is_valid():
        return _shown(request, project, rule=form)
    try:
        row = certificates.write_rule(project, form.given())
    except NetraError as problem:
        form.refuse(problem)
        return _shown(request, project, rule=form)
    audit.note(project, "certification_set", certificates.sentence(row), request=request)
    messages.success(request, certificates.sentence(row))
    if row.is_on:
        certify_project.delay_on_commit(project.pk)
    return redirect("evaluation:live_quality", slug)
