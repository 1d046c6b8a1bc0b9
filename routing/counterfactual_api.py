"""API of the counterfactuals: a policy on logged decisions, put in use with its forecast, and followed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from projects import audit
from projects.access import owned, readable
from projects.auth import either
from projects.models import Project, User
from routing import policies
from routing.counterfactual import adoption
from routing.counterfactual.report import Question, report
from routing.counterfactual_schemas import CounterfactualIn, CounterfactualOut, RecordOut
from routing.live_schemas import PolicyIn, PolicyOut

router = Router(auth=either)


@router.post(
    "/routing/counterfactual",
    response=CounterfactualOut,
    summary="What a policy, saved or drafted, would have cost and scored on logged decisions",
)
def counterfactual(request: HttpRequest, asked: CounterfactualIn) -> Any:
    project = readable(request, asked.project)
    return report(project, _question(project, asked, asked.draft))


@router.post(
    "/routing/counterfactual/adopt",
    response=PolicyOut,
    summary="Put a draft in use as a new version, and keep what is foreseen of it",
)
def adopt(request: HttpRequest, asked: CounterfactualIn) -> Any:
    project = owned(request, asked.project)
    draft = asked.draft or _as_draft(project, asked.policy)
    by = request.user if isinstance(request.user, User) else None
    question = _question(project, asked, draft)
    row = adoption.adopt(project, question, default_option=draft.default_option, rules=draft.rules, by=by)
    audit.note(project, "policy_written", f"Wrote the policy {row} from a counterfactual.", request=request)
    return row


@router.get(
    "/routing/{slug}/adoptions",
    response=RecordOut,
    summary="What was foreseen of adopted policies against what came of them",
)
def list_adoptions(request: HttpRequest, slug: str) -> Any:
    return adoption.record(readable(request, slug))


def _question(project: Project, asked: CounterfactualIn, draft: PolicyIn | None) -> Question:
    if draft is None:
        policy = policies.as_policy(policies.named(project, asked.policy))
    else:
        policy = policies.draft(
            project, asked.policy, kind=draft.kind, default_option=draft.default_option, rules=draft.rules
        )
    return Question(policy, asked.traffic, asked.days, asked.until)


def _as_draft(project: Project, name: str) -> PolicyIn:
    row = policies.named(project, name)
    return PolicyIn.model_validate({"kind": row.kind, "default_option": row.default_option, "rules": row.rules})
