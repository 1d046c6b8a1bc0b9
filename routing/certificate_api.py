"""API of certificates: what holds and why, and the rule they are given and withdrawn by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from netra.errors import Invalid
from projects import audit
from projects.access import owned, readable
from projects.auth import either
from routing import certificates
from routing.models import Certificate
from routing.schemas import Strict
from routing.tasks import certify_project

router = Router(auth=either)


class RuleIn(Strict):
    """Shares are fractions; null = not looked at."""

    is_on: bool
    margin: float = Field(0.05, ge=0, le=0.5)
    min_pairs: int = Field(50, ge=1, le=100_000)
    max_error_share: float | None = Field(0.05, ge=0, le=1)
    max_refusal_share: float | None = Field(None, ge=0, le=1)
    max_p95_ms: float | None = Field(None, ge=1, le=3_600_000)


class RuleOut(Schema):
    is_on: bool
    margin: float
    min_pairs: int
    max_error_share: float | None
    max_refusal_share: float | None
    max_p95_ms: float | None


class CertificateOut(Schema):
    option: str
    default_option: str
    standing: str = Field(description="certified or withdrawn")
    reason: str
    evidence: dict[str, Any]
    is_current: bool
    decided_at: datetime


@router.get("/routing/{slug}/certificates", response=list[CertificateOut], summary="What is certified, and why")
def list_certificates(request: HttpRequest, slug: str, history: bool = False, limit: int = 100) -> Any:
    """Newest first; with `history` also those that others came after."""
    if not 1 <= limit <= 500:
        raise Invalid("limit lies between 1 and 500.", field="limit")
    found = Certificate.objects.filter(project=readable(request, slug))
    return (found if history else found.current())[:limit]


@router.get("/routing/{slug}/certification", response=RuleOut, summary="The rule of certification")
def get_rule(request: HttpRequest, slug: str) -> Any:
    return certificates.rule_of(readable(request, slug))


@router.put("/routing/{slug}/certification", response=RuleOut, summary="Write the rule of certification")
def put_rule(request: HttpRequest, slug: str, given: RuleIn) -> Any:
    project = owned(request, slug)
    row = certificates.write_rule(project, given.dict())
    audit.note(project, "certification_set", certificates.sentence(row), request=request)
    if row.is_on:
        certify_project.delay_on_commit(project.pk)
    return row
