"""In the admin pages evidence is looked at, not edited; and the chain of tasks that makes it, link by link."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from evaluation import tasks
from evaluation.models import EvaluationRun, HumanLabel, Recommendation, ReplayCall
from netra import celery
from projects.models import Project, User
from routing.models import SupplyOption
from tests import factories
from tests.evaluation.conftest import Starter
from tests.evaluation.test_comparisons import NEW, OLD, answer, run_of
from tests.evaluation.test_reading import advice

ADMIN = "/admin/evaluation"


@pytest.fixture
def staff(db: None) -> Client:
    return factories.client(factories.user("root@example.com", is_staff=True, is_superuser=True))


@pytest.fixture
def run(project: Project) -> EvaluationRun:
    return run_of(project, name="The run of runs")


def text(client: Client, path: str) -> str:
    answer_ = client.get(f"{ADMIN}{path}")
    assert answer_.status_code == 200
    return answer_.content.decode()


def test_runs_are_listed_with_their_money(staff: Client, run: EvaluationRun) -> None:
    page = text(staff, "/evaluationrun/")
    assert "The run of runs" in page and OLD in page


@pytest.mark.parametrize(("query", "is_found"), [("runs", True), ("agent", True), ("' OR 1=1", False)])
def test_runs_are_searched_by_name_and_project(staff: Client, run: EvaluationRun, query: str, is_found: bool) -> None:
    assert ("The run of runs" in text(staff, f"/evaluationrun/?q={query}")) is is_found


def test_runs_are_narrowed_by_state(staff: Client, run: EvaluationRun) -> None:
    assert "The run of runs" in text(staff, "/evaluationrun/?state__exact=running")
    assert "The run of runs" not in text(staff, "/evaluationrun/?state__exact=done")


@pytest.mark.parametrize("table", ["evaluationrun", "recommendation"])
def test_what_a_verdict_rests_on_cannot_be_added(staff: Client, run: EvaluationRun, table: str) -> None:
    assert staff.get(f"{ADMIN}/{table}/add/").status_code == 403
    assert staff.post(f"{ADMIN}/{table}/add/", {"name": "forged"}).status_code == 403


def test_a_run_is_shown_and_not_changed(staff: Client, run: EvaluationRun) -> None:
    path = f"/evaluationrun/{run.pk}/change/"
    assert "The run of runs" in text(staff, path) and 'name="_save"' not in text(staff, path)
    assert staff.post(f"{ADMIN}{path}", {"name": "forged", "budget_usd": "9"}).status_code == 403
    run.refresh_from_db()
    assert (run.name, run.budget_usd) == ("The run of runs", 1)


def test_a_recommendation_is_shown_without_its_pack_and_not_changed(staff: Client, run: EvaluationRun) -> None:
    made = advice(run, pack='{"bytes": "of the pack"}')
    path = f"/recommendation/{made.pk}/change/"
    assert "Keep it." in text(staff, path) and "of the pack" not in text(staff, path)
    assert staff.post(f"{ADMIN}{path}", {"verdict": "SWITCH"}).status_code == 403
    assert Recommendation.objects.get().verdict == "KEEP"


def test_recommendations_are_listed_by_verdict(staff: Client, run: EvaluationRun) -> None:
    advice(run)
    assert "KEEP" in text(staff, "/recommendation/") and OLD in text(staff, "/recommendation/?verdict__exact=KEEP")


def test_hostile_names_are_only_text(staff: Client, project: Project) -> None:
    run_of(project, name="<script>alert(1)</script>")
    assert "<script>alert" not in text(staff, "/evaluationrun/")


def label(staff: Client, run: EvaluationRun, score: str) -> int:
    call = ReplayCall.objects.filter(run=run).first() or answer(run, 0, NEW)
    when = {"created_at_0": "2026-11-02", "created_at_1": "12:00:00"}
    said = {
        "call": call.pk,
        "dimension": "quality",
        "score": score,
        "note": "",
        "by": run.project.memberships.first().user_id,
        **when,
    }
    return staff.post(f"{ADMIN}/humanlabel/add/", said).status_code


@pytest.mark.parametrize("score", ["0", "0.5", "1"])
def test_a_label_can_be_given_there(staff: Client, run: EvaluationRun, score: str) -> None:
    assert label(staff, run, score) == 302 and HumanLabel.objects.get().score == float(score)


@pytest.mark.parametrize("score", ["1.01", "-0.1", "lots", "NaN", "inf", ""])
def test_a_label_outside_its_range_is_refused_with_a_page(staff: Client, run: EvaluationRun, score: str) -> None:
    assert label(staff, run, score) == 200 and not HumanLabel.objects.exists()


@pytest.mark.parametrize("table", ["evaluationrun", "recommendation", "humanlabel"])
def test_nobody_but_staff_gets_in(run: EvaluationRun, owner: User, stranger: User, table: str) -> None:
    for client in (factories.client(owner), factories.client(stranger), Client()):
        assert client.get(f"{ADMIN}/{table}/").status_code == 302


def test_staff_without_the_right_to_see_runs_does_not(run: EvaluationRun) -> None:
    clerk = factories.client(factories.user("clerk@example.com", is_staff=True))
    assert clerk.get(f"{ADMIN}/evaluationrun/").status_code == 403


@pytest.fixture
def eager() -> Iterator[None]:
    """Tasks run where they are sent."""
    celery.app.conf.task_always_eager = True
    yield
    celery.app.conf.task_always_eager = False


def test_a_run_is_carried_out_and_then_decided(start: Starter) -> None:
    run = start(max_pairs=5)
    tasks.run_evaluation(run.pk)
    run.refresh_from_db()
    assert run.state == "done" and run.recommendations.count() == 1


def test_sent_twice_it_is_done_once(start: Starter) -> None:
    run = start(max_pairs=5)
    for _ in range(2):
        tasks.run_evaluation(run.pk)
    assert run.recommendations.count() == 1 and run.calls.filter(lane="incumbent").count() == 5


def test_a_run_that_failed_is_not_decided(start: Starter) -> None:
    run = start(max_pairs=5)
    SupplyOption.objects.filter(name="simulated/sim-medium").delete()
    tasks.run_evaluation(run.pk)
    run.refresh_from_db()
    assert run.state == "failed" and not run.recommendations.exists()


@pytest.mark.parametrize("pk", [0, 10**12])
def test_a_run_that_was_deleted_meanwhile_is_no_trouble(db: None, pk: int) -> None:
    tasks.run_evaluation(pk)
    assert not Recommendation.objects.exists()


def test_deciding_again_on_the_same_evidence_adds_nothing(start: Starter) -> None:
    run = start(max_pairs=5)
    tasks.run_evaluation(run.pk)
    tasks.recommend(run.pk)
    assert run.recommendations.count() == 1


def test_only_unfinished_runs_that_nobody_holds_are_taken_up(
    project: Project, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tasks.run_evaluation, "delay", sent.append)
    now, minute = timezone.now(), timedelta(minutes=1)
    waiting = [run_of(project, state=state) for state in ("queued", "running", "deciding")]
    waiting.append(run_of(project, lease_owner="dead", lease_until=now - minute))
    run_of(project, lease_owner="alive", lease_until=now + minute)
    for state in ("done", "cancelled", "failed"):
        run_of(project, state=state)
    tasks.resume_runs()
    assert sent == [run.pk for run in waiting]


def test_a_run_left_while_deciding_is_decided_when_taken_up(start: Starter, eager: None) -> None:
    run = start(max_pairs=5)
    tasks.runs.carry_out(run.pk)
    assert not run.recommendations.exists()
    tasks.resume_runs()
    run.refresh_from_db()
    assert run.state == "done" and run.recommendations.count() == 1
    assert run.charged_at_most_usd > Decimal(0)
