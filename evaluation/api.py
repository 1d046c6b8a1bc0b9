"""API of evaluations and recommendations: find with permission, call one stage, answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from evaluation import planner, reading, recommendations, runs
from evaluation.models import EvaluationRun, HumanLabel, Recommendation, ReplayCall
from evaluation.schemas import (
    AcknowledgeIn,
    EvaluationIn,
    EvaluationOut,
    ForecastOut,
    LabelIn,
    RecommendationOut,
    ResumeIn,
)
from evaluation.tasks import run_evaluation
from netra.errors import NotFound
from projects import access, audit
from projects.auth import either
from projects.models import User

router = Router(auth=either)
PAGE = 100


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


@router.post("/evaluations/{slug}", response={201: EvaluationOut}, summary="Start an evaluation")
def create_evaluation(request: HttpRequest, slug: str, payload: EvaluationIn) -> Status[EvaluationOut]:
    project = access.writable(request, slug)
    run = runs.create(project, payload.as_wish(project.incumbent), by=_person(request))
    sentence = f"Started the evaluation {run.name}, for at most {run.budget_usd} USD."
    audit.note(project, "evaluation_started", sentence, request=request)
    run_evaluation.delay_on_commit(run.pk)
    return Status(201, EvaluationOut.of(run))


@router.post("/evaluations/{slug}/plan", response=ForecastOut, summary="What would it cost, what could it detect?")
def plan_evaluation(request: HttpRequest, slug: str, payload: EvaluationIn) -> ForecastOut:
    """A forecast; nothing is written, called or paid."""
    project = access.writable(request, slug)
    return ForecastOut.of(planner.plan(project, payload.as_wish(project.incumbent)))


@router.get("/evaluations/{slug}", response=list[EvaluationOut], summary="Evaluations, newest first")
def list_evaluations(request: HttpRequest, slug: str, before: int | None = None) -> list[EvaluationOut]:
    found = EvaluationRun.objects.asked_for().filter(project=access.readable(request, slug)).order_by("-pk")
    found = found.filter(pk__lt=before) if before is not None else found
    return [EvaluationOut.of(run) for run in found.prefetch_related("candidates", "recommendations")[:PAGE]]


@router.get("/evaluations/{slug}/{int:pk}", response=EvaluationOut)
def get_evaluation(request: HttpRequest, slug: str, pk: int) -> EvaluationOut:
    return EvaluationOut.of(reading.run_of(access.readable(request, slug), pk))


@router.post("/evaluations/{slug}/{int:pk}/cancel", response=EvaluationOut)
def cancel_evaluation(request: HttpRequest, slug: str, pk: int) -> EvaluationOut:
    project = access.writable(request, slug)
    run = reading.run_of(project, pk)
    runs.cancel(run)
    audit.note(project, "evaluation_cancelled", f"Cancelled the evaluation {run.name}.", request=request)
    return EvaluationOut.of(reading.run_of(project, pk))


@router.post("/evaluations/{slug}/{int:pk}/resume", response=EvaluationOut)
def resume_evaluation(request: HttpRequest, slug: str, pk: int, payload: ResumeIn) -> EvaluationOut:
    project = access.writable(request, slug)
    run = reading.run_of(project, pk)
    runs.resume(run, budget_usd=payload.budget_usd)
    audit.note(project, "evaluation_resumed", f"Resumed the evaluation {run.name}.", request=request)
    run_evaluation.delay_on_commit(run.pk)
    return EvaluationOut.of(reading.run_of(project, pk))


@router.post("/evaluations/{slug}/{int:pk}/labels", response={201: dict[str, int]}, summary="Score an answer yourself")
def label_answer(request: HttpRequest, slug: str, pk: int, payload: LabelIn) -> Status[dict[str, int]]:
    project = access.writable(request, slug)
    run = reading.run_of(project, pk)
    call = ReplayCall.objects.filter(run=run, pk=payload.call, state=ReplayCall.State.DONE).first()
    if call is None:
        raise NotFound("There is no such answer in this evaluation.")
    said: dict[str, Any] = {"score": payload.score, "note": payload.note}
    label, _ = HumanLabel.objects.update_or_create(
        call=call, dimension=payload.dimension, by=_person(request), defaults=said
    )
    return Status(201, {"id": label.pk})


@router.post("/recommendations/{slug}/{int:run}/generate", response=RecommendationOut)
def generate_recommendation(request: HttpRequest, slug: str, run: int) -> RecommendationOut:
    """Decide again on what a run has gathered, for instance after labelling answers. Costs nothing."""
    project = access.writable(request, slug)
    return RecommendationOut.of(recommendations.generate(reading.run_of(project, run)))


@router.get("/recommendations/{slug}", response=list[RecommendationOut])
def list_recommendations(request: HttpRequest, slug: str) -> list[RecommendationOut]:
    project = access.readable(request, slug)
    found = Recommendation.objects.filter(project=project).select_related("acknowledged_by").defer("pack")
    return [RecommendationOut.of(each) for each in found[:PAGE]]


@router.get("/recommendations/{slug}/latest", response=RecommendationOut)
def latest_recommendation(request: HttpRequest, slug: str) -> RecommendationOut:
    found = reading.latest(access.readable(request, slug))
    if found is None:
        raise NotFound("There is no recommendation yet: start an evaluation.")
    return RecommendationOut.of(found)


@router.get("/recommendations/{slug}/{int:pk}", response=RecommendationOut)
def get_recommendation(request: HttpRequest, slug: str, pk: int) -> RecommendationOut:
    return RecommendationOut.of(reading.recommendation_of(access.readable(request, slug), pk))


@router.post("/recommendations/{slug}/{int:pk}/acknowledge", response=RecommendationOut)
def acknowledge_recommendation(request: HttpRequest, slug: str, pk: int, payload: AcknowledgeIn) -> RecommendationOut:
    """Say that it was seen. Nothing is switched by it."""
    project = access.writable(request, slug)
    found = recommendations.acknowledge(reading.recommendation_of(project, pk), by=_person(request), note=payload.note)
    audit.note(project, "recommendation_acknowledged", f"Acknowledged: {found.sentence}", request=request)
    return RecommendationOut.of(found)


@router.get("/recommendations/{slug}/{int:pk}/evidence", summary="The evidence pack, as its hash was taken")
def download_evidence(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    found = reading.recommendation_of(access.readable(request, slug), pk)
    response = HttpResponse(found.pack, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="netra-evidence-{found.pk}.json"'
    return response
