"""API of a project's response caches and guardrails."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from netra.errors import Invalid
from projects import audit
from projects.access import owned, readable
from projects.auth import either
from routing import control_report, controls
from routing.control_schemas import ControlReportOut, ControlsIn, ControlsOut

router = Router(auth=either)


@router.get("/routing/{slug}/controls", response=ControlsOut, summary="Response caches and guardrails")
def get_controls(request: HttpRequest, slug: str) -> Any:
    return controls.of(readable(request, slug))


@router.put("/routing/{slug}/controls", response=ControlsOut, summary="Set what is named; the rest stays")
def put_controls(request: HttpRequest, slug: str, given: ControlsIn) -> Any:
    project = owned(request, slug)
    told = {name: value for name, value in given.dict(exclude_unset=True).items() if value is not None}
    row = controls.write(project, told)
    audit.note(project, "controls_set", f"Set {', '.join(sorted(told)) or 'nothing'} of the gateway.", request=request)
    return row


@router.get("/routing/{slug}/controls/report", response=ControlReportOut, summary="Hits, savings, false hits, finds")
def get_report(request: HttpRequest, slug: str, days: int = control_report.DAYS) -> dict[str, Any]:
    if not 1 <= days <= 366:
        raise Invalid("days lies between 1 and 366.", field="days")
    project = readable(request, slug)
    return {**control_report.report(project, days=days), "expected": control_report.expected(project)}


@router.delete("/routing/{slug}/controls/cache", response={204: None}, summary="Forget all answers kept until now")
def clear_cache(request: HttpRequest, slug: str) -> Status[None]:
    project = owned(request, slug)
    controls.clear(project)
    audit.note(project, "cache_cleared", "Cleared the response cache.", request=request)
    return Status(204, None)
