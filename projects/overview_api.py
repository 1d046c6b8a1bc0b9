"""API of the overviews: every section of a project's, and all projects side by side."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from netra.errors import Invalid
from projects import access
from projects.auth import either
from projects.overview.asking import newest_at
from projects.overview.fleet import fleet
from projects.overview.parts import section
from projects.overview_forms import FleetForm, OverviewForm
from projects.overview_schemas import FleetOut, SectionOut

router = Router(auth=either)


class OverviewQuery(Schema):
    """As the address of the page: `window` is 24h, 7d, 30d or 90d, or give days of your own."""

    window: str = ""
    first_day: str = ""
    last_day: str = ""
    by: str = ""
    over: str = ""


@router.get("/overview", response=FleetOut, summary="All projects you may read, beside the window before")
def all_projects(request: HttpRequest, window: str = "") -> FleetOut:
    form = _read(FleetForm({"window": window}))
    return FleetOut.of(fleet(access.visible_projects(request), form.name, "UTC"))


@router.get("/overview/{slug}/{name}", response=SectionOut, summary="One section of a project's overview")
def one_section(request: HttpRequest, slug: str, name: str, query: Query[OverviewQuery]) -> SectionOut:
    project = access.readable(request, slug)
    form = _read(OverviewForm(query.dict()))
    asked = form.asked(project.pk, newest_at(project.pk))
    return SectionOut.of(section(asked, name), asked.window)


def _read(form: Any) -> Any:
    """Where a page shows a sentence and goes on, the API refuses."""
    for field, problems in form.errors.items():
        raise Invalid(f"{field}: {problems[0]}", field=field)
    return form
