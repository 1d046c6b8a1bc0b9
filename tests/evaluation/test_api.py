"""The API of evaluations: members evaluate, viewers look, strangers see nothing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.test import Client

from evaluation.evidence import verify
from evaluation.models import EvaluationRun, HumanLabel, Recommendation, ReplayCall
from evaluation.tasks import run_evaluation
from netra import celery
from projects.models import User
from tests import factories

BODY = {
    "candidates": ["simulated/sim-medium"],
    "judges": {"correctness": ["simulated/sim-judge"]},
    "budget_usd": "1.5",
    "max_pairs": 12,
}


@pytest.fixture
def eager():
    """Tasks run where they are sent."""
    celery.app.conf.task_always_eager = True
    yield
    celery.app.conf.task_always_eager = False


@pytest.fixture
def api(simulated) -> Client:
    return factories.api_client(simulated)


def post(client, path, body=None):
    return client.post(f"/api/v1{path}", json.dumps(body if body is not None else {}), content_type="application/json")


def finished(start) -> EvaluationRun:
    run = start(max_pairs=12)
    run_evaluation(run.pk)
    run.refresh_from_db()
    return run


def test_an_evaluation_is_started_and_ends_in_a_recommendation(api, eager):
    made = post(api, "/evaluations/agent", BODY)
    assert made.status_code == 201 and made.json()["incumbent"] == "simulated/sim-large"
    seen = api.get(f"/api/v1/evaluations/agent/{made.json()['id']}").json()
    assert seen["state"] == "done" and seen["n_pairs"] == 12 and seen["plan"]["max_pairs"] == 12
    latest = api.get("/api/v1/recommendations/agent/latest").json()
    assert latest["id"] == seen["recommendation"] and latest["verdict"] == "NO_RECOMMENDATION"


def test_a_plan_says_what_it_costs_and_shows_and_starts_nothing(api):
    answer = post(api, "/evaluations/agent/plan", BODY)
    told = answer.json()
    assert answer.status_code == 200 and told["pairs"] == 12 and told["population_size"] > 100
    assert 0 < Decimal(told["cost_likely_usd"]) < Decimal(told["cost_at_most_usd"]) <= Decimal("1.5")
    assert told["detectable_gap"] > 0.05 and not EvaluationRun.objects.exists()


def test_comparing_pairs_costs_extra(api):
    plain, compared = (
        Decimal(post(api, "/evaluations/agent/plan", BODY | extra).json()["cost_likely_usd"])
        for extra in ({}, {"pairwise": "simulated/sim-judge"})
    )
    assert compared > plain


def test_the_likely_cost_is_near_what_it_came_to(api, eager):
    likely = Decimal(post(api, "/evaluations/agent/plan", BODY).json()["cost_likely_usd"])
    spent = Decimal(
        api.get(f"/api/v1/evaluations/agent/{post(api, '/evaluations/agent', BODY).json()['id']}").json()["spent_usd"]
    )
    assert likely / 3 < spent < likely * 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"budget_usd": "-1"}, "budget_usd"),
        ({"budget_usd": "NaN"}, "budget_usd"),
        ({"candidates": []}, "candidates"),
        ({"judges": {"beauty": ["x"]}}, "judges"),
        ({"max_pairs": 0}, "max_pairs"),
        ({"thresholds": {"alpha": 3}}, "thresholds"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_values_are_refused_at_their_field(api, changed, field):
    answer = post(api, "/evaluations/agent", BODY | changed)
    assert answer.status_code == 422 and answer.json()["field"].startswith(field)
    assert not EvaluationRun.objects.exists()


def test_an_option_nobody_can_call_is_refused_with_a_sentence(api):
    answer = post(api, "/evaluations/agent", BODY | {"candidates": ["simulated/no-such-model"]})
    assert answer.status_code == 404 and "no-such-model" in answer.json()["detail"]


def test_evaluations_are_listed_newest_first(api, start):
    first, second = start(max_pairs=5), start(max_pairs=5)
    assert [each["id"] for each in api.get("/api/v1/evaluations/agent").json()] == [second.pk, first.pk]
    assert [each["id"] for each in api.get(f"/api/v1/evaluations/agent?before={second.pk}").json()] == [first.pk]


def test_a_waiting_evaluation_is_cancelled_and_resumed(api, start, eager):
    run = start(max_pairs=12)
    assert post(api, f"/evaluations/agent/{run.pk}/cancel").json()["state"] == "cancelled"
    assert post(api, f"/evaluations/agent/{run.pk}/cancel").status_code == 409
    assert post(api, f"/evaluations/agent/{run.pk}/resume", {"budget_usd": "3"}).status_code == 200
    run.refresh_from_db()
    assert run.state == "done" and run.budget_usd == Decimal(3)


def test_a_finished_evaluation_is_not_resumed(api, start):
    assert post(api, f"/evaluations/agent/{finished(start).pk}/resume").status_code == 409


def test_the_evidence_downloads_as_its_hash_was_taken(api, start):
    found = Recommendation.objects.get(run=finished(start))
    answer = api.get(f"/api/v1/recommendations/agent/{found.pk}/evidence")
    assert verify(answer.content.decode(), sha256_noted=found.pack_sha256).problems == []


def test_acknowledging_records_who_and_switches_nothing(start, simulated):
    found = Recommendation.objects.get(run=finished(start))
    owner = factories.client(User.objects.get(email="owner@example.com"))
    answer = post(owner, f"/recommendations/agent/{found.pk}/acknowledge", {"note": "seen"})
    assert answer.json()["acknowledged_by"] == "owner@example.com" and answer.json()["note"] == "seen"
    assert post(owner, f"/recommendations/agent/{found.pk}/acknowledge").status_code == 409
    simulated.refresh_from_db()
    assert simulated.incumbent == "simulated/sim-large"


def test_a_person_scores_an_answer_and_decides_again(api, start):
    run = finished(start)
    call = ReplayCall.objects.filter(run=run, lane="candidate", state="done").first()
    said = {"call": call.pk, "dimension": "quality", "score": 0.4}
    assert post(api, f"/evaluations/agent/{run.pk}/labels", said).status_code == 201
    assert HumanLabel.objects.get().score == 0.4
    assert post(api, f"/recommendations/agent/{run.pk}/generate").status_code == 200
    assert Recommendation.objects.filter(run=run).count() == 2


@pytest.mark.parametrize("said", [{"score": 1.5}, {"score": "NaN"}, {"dimension": "beauty"}, {"call": 0}])
def test_a_label_that_means_nothing_is_refused(api, start, said):
    run = start(max_pairs=5)
    answer = post(api, f"/evaluations/agent/{run.pk}/labels", {"call": 1, "dimension": "quality", "score": 1} | said)
    assert answer.status_code in (404, 422) and not HumanLabel.objects.exists()


def test_a_run_that_has_not_begun_cannot_be_decided(api, start):
    assert post(api, f"/recommendations/agent/{start().pk}/generate").status_code == 409


def test_without_recommendations_the_latest_is_missing_with_advice(api):
    answer = api.get("/api/v1/recommendations/agent/latest")
    assert answer.status_code == 404 and "evaluation" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/evaluations/agent", "/recommendations/agent", "/recommendations/agent/latest"])
def test_a_stranger_sees_nothing(simulated, path):
    stranger = factories.client(factories.user("stranger@example.com"))
    assert stranger.get(f"/api/v1{path}").status_code == 404
    assert Client().get(f"/api/v1{path}").status_code == 401


def test_a_viewer_may_look_and_not_start(simulated, start):
    viewer = factories.client(User.objects.get(email="viewer@example.com"))
    run = start(max_pairs=5)
    assert viewer.get(f"/api/v1/evaluations/agent/{run.pk}").status_code == 200
    assert post(viewer, "/evaluations/agent", BODY).status_code == 403
    assert post(viewer, f"/evaluations/agent/{run.pk}/cancel").status_code == 403


def test_another_projects_run_is_not_found(simulated, start):
    run = start(max_pairs=5)
    other = factories.api_client(factories.project("other"))
    assert other.get(f"/api/v1/evaluations/other/{run.pk}").status_code == 404
    assert post(other, f"/evaluations/other/{run.pk}/cancel").status_code == 404
