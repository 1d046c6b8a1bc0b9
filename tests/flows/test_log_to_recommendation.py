"""The whole advisory path over real sockets: a log file in, a recommendation with its evidence out."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from evaluation.evidence import verify
from evaluation.models import Recommendation
from netra.simulation.traffic import calls
from projects import log
from projects.models import Import
from routing import catalog_sync
from tests import factories


@pytest.fixture
def project(transactional_db, events):
    catalog_sync.apply(catalog_sync.plans()[1])
    return factories.project("shop", owner=factories.user("owner@example.com"), incumbent="simulated/sim-large")


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "calls.jsonl"
    traffic = calls(seed=11, n=400, incumbent="sim-large", until=factories.NOON)
    path.write_text("\n".join(json.dumps(call) for call in traffic), encoding="utf-8")
    return path


def evaluate(candidate, *options, project="shop"):
    given = ("--candidate", candidate, "--judge", "simulated/sim-judge", "--budget", "1")
    call_command("evaluate", project, *given, *options)


def test_from_a_log_file_to_a_switch_that_can_be_verified(project, log_file, tmp_path, capsys):
    call_command("import_logs", "shop", str(log_file))
    assert Import.objects.get(project=project).n_taken == 400
    evaluate(
        "simulated/sim-medium", "--dimension", "correctness", "--dimension", "safety", "--margin", "0.10",
        "--max-pairs", "300", "--concurrency", "16", "--seed", "2",
    )  # fmt: skip
    found = Recommendation.objects.get(project=project)
    said = capsys.readouterr().out
    assert found.verdict == "SWITCH" and found.candidate == "simulated/sim-medium"
    assert found.sentence in said and found.pack_sha256 in said
    pack = tmp_path / "pack.json"
    pack.write_text(found.pack, encoding="utf-8")
    call_command("verify_evidence", str(pack))
    assert verify(found.pack).problems == []


def test_every_dollar_of_the_run_is_in_the_log(project, log_file):
    call_command("import_logs", "shop", str(log_file))
    evaluate("simulated/sim-fast", "--max-pairs", "20")
    run = Recommendation.objects.get(project=project).run
    logged = log.events(project.pk, log.EventFilter(run_id=str(run.pk)), limit=1_000).rows
    assert sum(each["cost_usd"] for each in logged) == run.spent_usd > 0
    assert {each["purpose"] for each in logged} == {"replay", "judge"} and all(each["is_simulated"] for each in logged)


def test_an_empty_project_ends_in_no_recommendation_and_says_what_to_do(project, capsys):
    evaluate("simulated/sim-fast")
    said = capsys.readouterr().out
    assert said.startswith("NO_RECOMMENDATION") and "too_few_replayable" in said


def test_what_cannot_be_evaluated_is_refused_with_a_sentence(project):
    with pytest.raises(CommandError, match="no-such-model"):
        evaluate("no-such-model")
    with pytest.raises(CommandError, match="no project"):
        evaluate("x", project="nowhere")
