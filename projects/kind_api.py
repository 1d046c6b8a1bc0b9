"""API of kinds of work: what they are, and fitting them anew."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from netra.errors import NotFound
from projects import access, audit, kind_fitting, kind_report
from projects.auth import either
from projects.kind_schemas import ExampleOut, FitIn, FitOut, KindOut, KindsOut, NameIn, OneKindOut
from projects.models import KindFit, Project, User
from projects.tasks import run_kind_fit

router = Router(auth=either)


@router.get("/analytics/{slug}/kinds", response=KindsOut, summary="Kinds of work, with size, cost and latency")
def kinds(request: HttpRequest, slug: str) -> KindsOut:
    return KindsOut.of(kind_report.report(access.readable(request, slug)))


@router.get("/analytics/{slug}/kinds/{int:number}", response=OneKindOut, summary="One kind with examples")
def kind(request: HttpRequest, slug: str, number: int) -> OneKindOut:
    project = access.readable(request, slug)
    told, row = kind_report.one(project, number)
    assert told.fit is not None
    typical, fringe = kind_report.examples(project, row.kind, told.fit)
    return OneKindOut(
        kind=KindOut.of(row),
        typical=[ExampleOut.of(each) for each in typical],
        fringe=[ExampleOut.of(each) for each in fringe],
    )


@router.patch("/analytics/{slug}/kinds/{int:number}", response=KindOut, summary="Give a kind a name; refits keep it")
def rename(request: HttpRequest, slug: str, number: int, payload: NameIn) -> KindOut:
    project = access.writable(request, slug)
    kind_report.rename(project, number, payload.name)
    audit.note(project, "kind_renamed", f"Named the kind of work {number}.", request=request)
    return KindOut.of(kind_report.one(project, number)[1])


@router.post("/analytics/{slug}/kinds/fits", response={202: FitOut}, summary="Find the kinds of work anew")
def fit(request: HttpRequest, slug: str, payload: FitIn | None = None) -> Status[FitOut]:
    project = access.writable(request, slug)
    by = request.user if isinstance(request.user, User) else None
    made = kind_fitting.start(project, by=by, seed=payload.seed if payload else None)
    audit.note(project, "kinds_fitted", "Began to find the kinds of work.", request=request)
    run_kind_fit.delay_on_commit(made.pk)
    return Status(202, FitOut.of(made))


@router.get("/analytics/{slug}/kinds/fits/{int:pk}", response=FitOut, summary="How far a fit is")
def get_fit(request: HttpRequest, slug: str, pk: int) -> FitOut:
    return FitOut.of(_fit(access.readable(request, slug), pk))


@router.post("/analytics/{slug}/kinds/fits/{int:pk}/cancel", response=FitOut, summary="Stop it; the one before holds")
def cancel(request: HttpRequest, slug: str, pk: int) -> FitOut:
    project = access.writable(request, slug)
    kind_fitting.cancel(_fit(project, pk))
    return FitOut.of(_fit(project, pk))


def _fit(project: Project, pk: int) -> KindFit:
    found = KindFit.objects.filter(project=project, pk=pk).first()
    if found is None:
        raise NotFound("There is no such fit in this project.")
    return found
