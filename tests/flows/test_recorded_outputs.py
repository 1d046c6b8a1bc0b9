"""Real prompts, real model outputs, real verdicts: the recommendation agrees with the truth over all 805 prompts."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from statistics import fmean

import pytest

from evaluation import runs
from evaluation.evidence import verify
from evaluation.models import EvaluationRun, Judgement, Recommendation, ReplayCall
from evaluation.tasks import run_evaluation
from projects.models import Import, Project
from tests.flows import recorded

JUDGE = "weighted_alpaca_eval_gpt4_turbo"
MARGIN = 0.05
OTHERS = ("gpt-3.5-turbo-1106", "vicuna-7b", "phi-2", "alpaca-7b")


@pytest.fixture(scope="module")
def truth(shared_dir: Path) -> dict[str, float]:
    """Mean verdict of each model over every prompt."""
    wins: dict[str, list[float]] = {}
    path = shared_dir / "data" / "judged" / "alpacaeval_judgments_dev.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["judge"] == JUDGE and row["win"]:
                wins.setdefault(row["model"], []).append(float(row["win"]))
    return {model: fmean(each) for model, each in wins.items()}


@pytest.fixture(scope="module")
def base_url(shared_dir: Path) -> Iterator[str]:
    with recorded.provider() as address:
        yield address


@pytest.fixture
def project(transactional_db, events, base_url: str, tmp_path: Path) -> Project:
    return recorded.stage("real", base_url, recorded.make_log(tmp_path, n=220))


def evaluated(project: Project, incumbent: str, candidates, **changed) -> Recommendation:
    given = {
        "name": "real outputs",
        "incumbent": f"recorded/{incumbent}",
        "candidates": recorded.named(candidates),
        "judges": {"quality": ["recorded/judge-alpacaeval"]},
        "budget_usd": Decimal(5),
        "max_pairs": 60,
        "concurrency": 8,
        "thresholds": {"margin_quality": MARGIN, "refusal_rise": 0.15, "error_rise": 0.15},
    }
    run = runs.create(project, runs.Wish(**given | changed))
    run_evaluation(run.pk)
    return Recommendation.objects.select_related("run").get(run=run)


def test_the_log_is_taken_in(project):
    taking = Import.objects.get(project=project)
    assert taking.state == Import.State.DONE and taking.n_rejected == 0 and taking.n_replayable > 60


def test_the_better_and_cheaper_model_is_found_among_four(project, truth):
    candidates = ("FuseChat-Gemma-2-9B-Instruct", *OTHERS[:3])
    found = evaluated(project, "claude", candidates)
    best = max(candidates, key=lambda model: truth[model])
    assert truth[best] > truth["claude"] - MARGIN
    assert (found.verdict, found.candidate) == ("SWITCH", f"recorded/{best}")
    assert verify(found.pack, sha256_noted=found.pack_sha256).problems == []


def test_a_far_better_incumbent_is_kept(project, truth):
    found = evaluated(project, "FuseChat-Gemma-2-9B-Instruct", OTHERS)
    assert all(truth[model] < truth["FuseChat-Gemma-2-9B-Instruct"] - MARGIN for model in OTHERS)
    assert found.verdict == "KEEP" and [reason["code"] for reason in found.reasons] == ["all_inferior"]


def test_the_scores_are_the_recorded_verdicts(project, truth):
    found = evaluated(project, "claude", ["phi-2"], max_pairs=40)
    scores = Judgement.objects.filter(run=found.run, call__option="recorded/phi-2").exclude(score=None)
    assert len(scores) >= 20 and abs(fmean(each.score for each in scores) - truth["phi-2"]) < 0.15


def test_a_judge_that_follows_the_order_is_not_believed(project):
    """It prefers the first answer in 30 % of comparisons: flips show, and with a strict plan nothing is recommended."""
    found = evaluated(
        project,
        "claude",
        ["FuseChat-Gemma-2-9B-Instruct"],
        pairwise="recorded/judge-position-biased",
        thresholds={"margin_quality": MARGIN, "refusal_rise": 0.15, "error_rise": 0.15, "max_flip_share": 0.05},
    )
    assert found.verdict == "NO_RECOMMENDATION"
    assert "judge_unreliable" in [reason["code"] for reason in found.reasons]


@pytest.mark.parametrize("faults", ["429", "500", "malformed", "disconnect"])
def test_a_faulty_provider_loses_no_run_and_no_money(shared_dir, transactional_db, events, tmp_path, faults):
    log = tmp_path / "provider.jsonl"
    calls = recorded.make_log(tmp_path, n=80)
    with recorded.provider("--fault-rate", "0.15", "--faults", faults, "--log", str(log)) as address:
        project = recorded.stage("faulty", address, calls)
        found = evaluated(project, "claude", ["FuseChat-Gemma-2-9B-Instruct"], max_pairs=30, concurrency=16)
    run = EvaluationRun.objects.get(pk=found.run_id)
    rows = [*ReplayCall.objects.filter(run=run).exclude(lane="recorded"), *Judgement.objects.filter(run=run)]
    assert run.state == "done" and all(row.state in ("done", "failed") for row in rows)
    assert sum(row.attempts for row in rows) <= len(recorded.requests_of(log)) + 3
    assert sum((row.charged_at_most_usd for row in rows), Decimal(0)) == run.charged_at_most_usd <= run.budget_usd
    assert run.reserved_usd == 0
