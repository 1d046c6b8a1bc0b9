"""The page of live quality: what is judged and for how much, what it says, which options are certified and why."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from evaluation import live_report, live_settings
from evaluation.live_forms import JudgingForm, RuleForm
from evaluation.tasks import judge_live
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
        "judging": judging or JudgingForm(project, initial=JudgingForm.shown(wanted), auto_id="judging_%s"),
        "rule": rule or RuleForm(initial=RuleForm.shown(limits), auto_id="rule_%s"),
    }
    return page(request, "evaluation/live.html", context)


@login_required
@require_POST
def judge(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the settings of judging."""
    project = access.owned(request, slug)
    form = JudgingForm(project, request.POST, auto_id="judging_%s")
    by = request.user if isinstance(request.user, User) else None
    row = form.put(lambda given: live_settings.write(project, given, by=by))
    if row is None:
        return _shown(request, project, judging=form)
    if row.is_on:
        judge_live.delay_on_commit(project.pk)
    return _set(request, project, "live_judging_set", live_settings.sentence(row))


@login_required
@require_POST
def certify(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the rule of certification."""
    project = access.owned(request, slug)
    form = RuleForm(request.POST, auto_id="rule_%s")
    row = form.put(lambda given: certificates.write_rule(project, given))
    if row is None:
        return _shown(request, project, rule=form)
    if row.is_on:
        certify_project.delay_on_commit(project.pk)
    return _set(request, project, "certification_set", certificates.sentence(row))


def _set(request: HttpRequest, project: Project, action: str, sentence: str) -> HttpResponse:
    audit.note(project, action, sentence, request=request)
    messages.success(request, sentence)
    return redirect("evaluation:live_quality", project.slug)
