"""The demo's three verdicts are the true ones: the simulated world knows which model is best."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from evaluation import demonstration
from evaluation.demonstration import INCUMBENT, STORIES, option
from evaluation.models import EvaluationRun, Recommendation
from evaluation.selector import one_each
from netra.simulation.personas import true_mean
from netra.simulation.tasks import find
from projects import log
from projects.models import Import, Membership, Project
from routing import catalog_sync

WORTH = 0.05  # the margin of the first two stories


@pytest.fixture
def demo(transactional_db, events):
    catalog_sync.apply(catalog_sync.plans()[1])
    project, _ = demonstration.prepare()
    return project


def tasks_of(project):
    """Every distinct replayable task of the demo's traffic: the whole population, not a sample."""
    rows = one_each(log.population(project.pk, log.EventFilter()))
    ids = [row["event_id"] for row in rows]
    found = []
    for start in range(0, len(ids), 500):
        for event in log.requests(project.pk, ids[start : start + 500]).values():
            found.append(find(" ".join(str(message.get("content")) for message in event["request"]["messages"])))
    assert all(found)
    return found


def test_the_three_verdicts_stand_and_are_true(demo, capsys):
    call_command("demo")
    verdicts = {each.run.name: each for each in Recommendation.objects.select_related("run")}
    assert {name: each.verdict for name, each in verdicts.items()} == {each.name: each.verdict for each in STORIES}
    tasks = tasks_of(demo)
    incumbent = true_mean(INCUMBENT, tasks)
    assert true_mean("sim-medium", tasks) > incumbent - WORTH
    assert verdicts["A cheaper model of equal skill"].candidate == option("sim-medium")
    assert true_mean("sim-bargain", tasks) < incumbent - WORTH
    thin = verdicts["A small difference, a small sample"]
    assert thin.run.n_pairs <= 30 and [reason["code"] for reason in thin.reasons] == ["undecided_at_budget"]
    assert all(each.run.charged_at_most_usd <= each.run.budget_usd for each in verdicts.values())


def test_making_it_again_changes_nothing(demo):
    before = log.count(demo.pk, log.EventFilter())
    again, password = demonstration.prepare()
    assert again == demo and password is None and log.count(demo.pk, log.EventFilter()) == before
    assert (Project.objects.count(), Import.objects.count(), Membership.objects.count()) == (1, 1, 1)


def test_its_runs_are_made_once(demo):
    first = demonstration.evaluations(demo)
    assert demonstration.evaluations(demo) == first and EvaluationRun.objects.count() == len(STORIES)


def test_it_is_labelled_simulated_and_came_through_the_ordinary_import(demo):
    taking = Import.objects.get(project=demo)
    assert demo.is_simulated and taking.state == Import.State.DONE
    assert taking.n_taken == demonstration.N_CALLS and taking.n_rejected == 0


def test_a_lost_password_can_be_replaced(demo, client):
    password = demonstration.new_password()
    assert client.login(email=demonstration.OWNER, username=demonstration.OWNER, password=password)


def test_preparing_only_evaluates_nothing(transactional_db, events, capsys):
    catalog_sync.apply(catalog_sync.plans()[1])
    call_command("demo", "--prepare", "--calls", "40")
    assert "Password:" in capsys.readouterr().out and not EvaluationRun.objects.exists()
