"""API of live routing: policies, limits, what a policy would decide, and what was decided."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from netra.errors import Invalid
from projects import audit
from projects.access import owned, readable
from projects.auth import either
from projects.models import User
from routing import decisions, granting, policies, predictor
from routing.live_schemas import AllowanceIn, AllowanceOut, DecideIn, PolicyIn, PolicyOut, PredictorOut
from routing.tasks import foresee_policy

router = Router(auth=either)


@router.post("/routing/decide", summary="What a policy would choose for a request, and why; nothing is sent")
def decide(request: HttpRequest, asked: DecideIn) -> dict[str, Any]:
    project = readable(request, asked.project)
    return decisions.explain(project, policies.as_policy(policies.named(project, asked.policy)), asked.request)


@router.get("/routing/{slug}/policies", response=list[PolicyOut])
def list_policies(request: HttpRequest, slug: str) -> Any:
    return policies.current(readable(request, slug))


@router.put(
    "/routing/{slug}/policies/{name}", response=PolicyOut, summary="Write a policy: a new version, in use at once"
)
def put_policy(request: HttpRequest, slug: str, name: str, given: PolicyIn) -> Any:
    project = owned(request, slug)
    by = request.user if isinstance(request.user, User) else None
    row = policies.write(project, name, kind=given.kind, default_option=given.default_option, rules=given.rules, by=by)
    audit.note(project, "policy_written", f"Wrote the policy {row}.", request=request)
    foresee_policy.delay_on_commit(row.pk)
    return row


@router.delete("/routing/{slug}/policies/{name}", response={204: None})
def retire_policy(request: HttpRequest, slug: str, name: str) -> Status[None]:
    project = owned(request, slug)
    policies.retire(project, name)
    audit.note(project, "policy_retired", f"Took the policy {name} out of use.", request=request)
    return Status(204, None)


@router.get("/routing/{slug}/decisions", summary="What policies decided lately, newest first")
def list_decisions(request: HttpRequest, slug: str, policy: str = "", limit: int = 50) -> dict[str, Any]:
    if not 1 <= limit <= 500:
        raise Invalid("limit lies between 1 and 500.", field="limit")
    return {"decisions": decisions.latest(readable(request, slug), policy=policy, limit=limit)}


@router.get("/routing/{slug}/predictor", response=list[PredictorOut], summary="What the predictor learnt, and what not")
def list_predictors(request: HttpRequest, slug: str) -> Any:
    return predictor.current(readable(request, slug))


@router.get("/routing/{slug}/health", summary="How the options did lately, as the answering process saw it")
def list_health(request: HttpRequest, slug: str) -> dict[str, Any]:
    return {"options": decisions.health(readable(request, slug))}


@router.get("/routing/{slug}/allowances", response=list[AllowanceOut])
def list_allowances(request: HttpRequest, slug: str) -> Any:
    return granting.held(readable(request, slug))


@router.put("/routing/{slug}/allowances", response=AllowanceOut, summary="Set a budget and limits")
def put_allowance(request: HttpRequest, slug: str, given: AllowanceIn) -> Any:
    project = owned(request, slug)
    told = given.dict()
    found = granting.grant(project, told.pop("key"), told)
    audit.note(project, "limits_set", f"Set the limits of {found['key'] or 'the project'}.", request=request)
    return found


@router.delete("/routing/{slug}/allowances", response={204: None})
def revoke_allowance(request: HttpRequest, slug: str, key: str | None = None) -> Status[None]:
    project = owned(request, slug)
    granting.revoke(project, key)
    audit.note(project, "limits_lifted", f"Lifted the limits of {key or 'the project'}.", request=request)
    return Status(204, None)
