"""Pages of evaluations: planned before paid, watched while running, read as a verdict, acknowledged by a person."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from evaluation.models import EvaluationRun, Recommendation
from evaluation.tasks import run_evaluation
from projects.models import Project, User
from tests import factories
from tests.evaluation.conftest import Starter

pytestmark = pytest.mark.django_db(transaction=True)

RUNS, ADVICE = "/projects/agent/evaluations/", "/projects/agent/recommendations/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def mine(simulated: Project) -> Client:
    return factories.client(User.objects.get(email="owner@example.com"))


@pytest.fixture
def looking(simulated: Project) -> Client:
    return factories.client(User.objects.get(email="viewer@example.com"))


@pytest.fixture
def finished(start: Starter) -> Recommendation:
    run = start(max_pairs=30)
    run_evaluation(run.pk)
    return Recommendation.objects.get(run=run)


def _form(**changed: Any) -> dict[str, Any]:
    given = {
        "name": "a test",
        "incumbent": "simulated/sim-large",
        "candidates": ["simulated/sim-medium"],
        "judges": ["simulated/sim-judge"],
        "dimensions": ["correctness"],
        "budget_usd": "1.00",
        "max_pairs": "40",
        "margin_points": "5",
        "min_saving_percent": "10",
        "alpha_percent": "5",
        "concurrency": "4",
        "seed": "1",
    }
    return given | changed


def _text(client: Client, path: str, **options: Any) -> str:
    answer = client.get(path, **options)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_runs_the_page_says_what_to_do(mine: Client) -> None:
    assert "/evaluations/new" in _text(mine, RUNS)
    assert _text(mine, ADVICE)


def test_a_budget_that_is_no_money_gets_a_sentence_and_starts_nothing(mine: Client) -> None:
    answer = mine.post(f"{RUNS}new", _form(budget_usd="lots", start="1"))
    assert answer.status_code == 200
    assert "field-error" in answer.content.decode()
    assert not EvaluationRun.objects.exists()


def test_asking_for_the_price_starts_nothing_and_starting_writes_the_plan_down(
    mine: Client, simulated: Project
) -> None:
    forecast = mine.post(f"{RUNS}new", _form(), headers=HTMX).content.decode()
    assert "Costs at most" in forecast
    assert "<html" not in forecast
    assert not EvaluationRun.objects.exists()
    assert mine.post(f"{RUNS}new", _form(start="1")).status_code == 302
    run = EvaluationRun.objects.get()
    assert (run.project, str(run.budget_usd.normalize()), run.seed) == (simulated, "1", 1)
    assert simulated.audit_entries.filter(action="evaluation_started").exists()


def test_a_viewer_may_watch_but_not_spend(looking: Client, start: Starter) -> None:
    run = start()
    assert run.name in _text(looking, f"{RUNS}{run.pk}/")
    assert looking.post(f"{RUNS}new", _form(start="1")).status_code == 403
    assert looking.post(f"{RUNS}{run.pk}/cancel").status_code == 403
    assert EvaluationRun.objects.count() == 1


def test_a_stranger_learns_nothing(start: Starter, stranger: User) -> None:
    run, away = start(), factories.client(stranger)
    for path in (RUNS, f"{RUNS}{run.pk}/", ADVICE, f"{ADVICE}latest-card"):
        assert away.get(path).status_code == 404


def test_a_run_under_way_refreshes_itself_and_one_that_is_over_does_not(mine: Client, start: Starter) -> None:
    run = start()
    path = f"{RUNS}{run.pk}/"
    assert 'hx-trigger="every 1s"' in _text(mine, path)
    fragment = _text(mine, path, headers=HTMX)
    assert 'id="progress"' in fragment
    assert "<html" not in fragment
    EvaluationRun.objects.filter(pk=run.pk).update(state=EvaluationRun.State.CANCELLED)
    assert "every 1s" not in _text(mine, path)


def test_cancelling_and_resuming_are_written_down(mine: Client, start: Starter, simulated: Project) -> None:
    run = start()
    assert mine.post(f"{RUNS}{run.pk}/cancel").status_code == 302
    assert simulated.audit_entries.filter(action="evaluation_cancelled").exists()


@pytest.mark.parametrize(
    "path", [f"{RUNS}999/", f"{ADVICE}999/", f"{ADVICE}999/evidence", f"{ADVICE}999/charts/evidence"]
)
def test_what_is_not_there_is_404(mine: Client, path: str) -> None:
    assert mine.get(path).status_code == 404


def test_a_verdict_leads_with_estimate_pairs_and_error_rate(mine: Client, finished: Recommendation) -> None:
    page = _text(mine, finished.get_absolute_url())
    assert finished.get_verdict_display() in page
    for told in ("interval", "unscored", "Confidence", "5.0\u202f%", "simulated"):
        assert told in page
    assert "nan" not in page.lower().split()
    assert _text(mine, f"{ADVICE}latest-card").count("verdict") >= 1


def test_signs_of_a_verdict_are_typeset_on_pages_and_kept_in_its_pack(mine: Client, finished: Recommendation) -> None:
    kept = "Switch to a-1: quality differs by -1.2 points [-3.4, +5.5]."
    reasons = [{"code": "x", "sentence": "It fell by -2 of gpt-4o.", "remedy": "Up to -3."}]
    Recommendation.objects.filter(pk=finished.pk).update(sentence=kept, reasons=reasons)
    for path in (ADVICE, finished.get_absolute_url(), f"{ADVICE}latest-card", finished.run.get_absolute_url()):
        assert "a-1: quality differs by −1.2 points [−3.4, +5.5]" in _text(mine, path)
    assert "fell by −2 of gpt-4o" in _text(mine, finished.get_absolute_url())
    finished.refresh_from_db()
    assert finished.sentence == kept


def test_what_was_fixed_is_told_in_words_and_units(mine: Client, finished: Recommendation) -> None:
    page = " ".join(_text(mine, finished.run.get_absolute_url()).split())
    for told in (
        f"<dt>Quality margin</dt><dd>{100 * finished.run.plan['margin_quality']:.1f} points",
        "<dt>Pairs at most</dt><dd>30</dd>",
        "<dt>Temperature of a replay</dt><dd>as in the logged call",
    ):
        assert told in page
    assert "as_sent" not in page and "<dt>temperature</dt>" not in page


def test_differences_are_in_points_and_a_saving_in_percent(mine: Client, finished: Recommendation) -> None:
    table = _text(mine, finished.get_absolute_url()).split("Numbers of the gates")[1].split("</table>")[0]
    rows = {row.split("<td>")[1].split("<")[0].strip(): row for row in table.split("<tr>") if "<td>" in row}
    assert "points" in rows["quality"] and "points" not in rows["saving"] and "%" in rows["saving"]


def test_its_charts_are_json_and_other_names_are_404(mine: Client, finished: Recommendation) -> None:
    for name in ("evidence", "trade-off"):
        answer = mine.get(f"{finished.get_absolute_url()}charts/{name}?scheme=dark")
        assert answer["Content-Type"] == "application/json"
        assert json.loads(answer.content)["doc"]
    assert mine.get(f"{finished.get_absolute_url()}charts/secrets").status_code == 404


def test_answers_of_models_are_only_text(mine: Client, finished: Recommendation) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    finished.run.calls.update(text=hostile)
    page = _text(mine, finished.get_absolute_url())
    assert "<img src=x" not in page
    assert "<script>alert" not in page


def test_the_pack_is_the_bytes_that_were_hashed(mine: Client, finished: Recommendation) -> None:
    answer = mine.get(f"{finished.get_absolute_url()}evidence")
    assert answer["Content-Disposition"].startswith("attachment")
    assert hashlib.sha256(answer.content).hexdigest() == finished.pack_sha256


def test_a_person_acknowledges_once_with_a_note(mine: Client, finished: Recommendation) -> None:
    mine.post(f"{finished.get_absolute_url()}acknowledge", {"note": "<b>Seen</b>"})
    page = _text(mine, finished.get_absolute_url())
    assert "Acknowledged by owner@example.com" in page
    assert "&lt;b&gt;Seen&lt;/b&gt;" in page


def test_a_viewer_may_read_it_but_not_acknowledge(looking: Client, finished: Recommendation) -> None:
    assert _text(looking, finished.get_absolute_url())
    assert looking.post(f"{finished.get_absolute_url()}acknowledge").status_code == 403
    finished.refresh_from_db()
    assert finished.acknowledged_at is None


def test_every_call_of_a_run_is_listed_with_its_verdicts(mine: Client, finished: Recommendation) -> None:
    path = f"{RUNS}{finished.run_id}/calls"
    page = _text(mine, path)
    assert page.count("<tr>") == min(100, finished.run.calls.count()) + 1
    assert "correctness" in page
    assert page.count("judged once") == finished.run.calls.exclude(same_answer_as=None).count()
    candidates = _text(mine, f"{path}?lane=candidate")
    assert candidates.count("<tr>") - 1 == min(100, finished.run.calls.filter(lane="candidate").count())


@pytest.mark.parametrize(
    "query", ["?start=-1", "?start=x", "?lane=nobody", "?state=%00", "?option=" + "x" * 300, "?start=999"]
)
def test_spoilt_filters_of_calls_get_a_page(mine: Client, start: Starter, query: str) -> None:
    assert "No calls here" in _text(mine, f"{RUNS}{start().pk}/calls{query}")


def test_calls_of_others_are_404(start: Starter, stranger: User) -> None:
    assert factories.client(stranger).get(f"{RUNS}{start().pk}/calls").status_code == 404
