"""A pack proves its verdict without database or models, and every tampering shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from evaluation import recommendations
from evaluation.evidence import NotAPack, canonical, sealed, sha256, verify
from evaluation.models import HumanLabel, Recommendation, ReplayCall
from evaluation.tasks import run_evaluation


@pytest.fixture
def recommended(start) -> Recommendation:
    run = start(pairwise="simulated/sim-judge", max_pairs=30)
    run_evaluation(run.pk)
    return Recommendation.objects.get(run=run)


def resealed(pack):
    """As a forger would: the digest made to fit the changed content."""
    return sealed({name: value for name, value in pack.items() if name != "digest"})


def test_a_verdict_is_recomputed_to_the_byte(recommended):
    report = verify(recommended.pack, sha256_noted=recommended.pack_sha256)
    assert report.problems == [] and report.verdict == recommended.verdict
    assert {"decision", "pairs of simulated/sim-medium", "digest of the content"} <= set(report.checked)


def test_the_pack_holds_what_the_verdict_rests_on(recommended):
    pack = json.loads(recommended.pack)
    assert pack["run"]["seed"] == 1 and pack["plan"] == recommended.run.plan
    assert all(len(answer["text_sha256"]) == 64 for answer in pack["answers"])
    assert pack["verdicts"][0]["raw"].startswith("{") and pack["verdicts"][0]["rubric"] in pack["rubrics"]
    assert pack["prices"]["simulated/sim-large"]["rates"]["input"] == "0.0000025"
    assert len(pack["preferences"]) >= 2


def test_the_pack_holds_no_prompt_and_no_answer(recommended):
    texts = ReplayCall.objects.filter(run=recommended.run).exclude(text="").values_list("text", flat=True)
    assert not any(text in recommended.pack for text in texts if len(text) > 25)


def test_the_same_evidence_gives_the_same_pack_and_no_second_recommendation(recommended):
    again = recommendations.generate(recommended.run)
    assert again.pk == recommended.pk and again.pack_sha256 == sha256(again.pack)


def test_labels_make_a_new_recommendation(recommended):
    call = ReplayCall.objects.filter(run=recommended.run, lane="candidate", state="done").first()
    HumanLabel.objects.create(call=call, dimension="quality", score=0.5)
    again = recommendations.generate(recommended.run)
    assert again.pk != recommended.pk and verify(again.pack).problems == []


def score(pack):
    pack["verdicts"][3]["score"] = 1.0 - pack["verdicts"][3]["score"]


def raw_verdict(pack):
    pack["verdicts"][3]["raw"] = json.dumps({"score": 50, "rationale": "so"})


def latency_in_a_pair(pack):
    pack["pairs"]["simulated/sim-medium"][0]["candidate"]["latency_ms"] = 1.0


def cost_of_an_answer(pack):
    pack["answers"][1]["cost_usd"] = "0.5"


def verdict(pack):
    pack["decision"]["verdict"] = "KEEP" if pack["decision"]["verdict"] != "KEEP" else "SWITCH"


def margin(pack):
    pack["plan"]["margin_quality"] = 0.5


def a_pair_less(pack):
    pack["pairs"]["simulated/sim-medium"].pop()


def an_answer_less(pack):
    pack["answers"].pop(0)


def preference(pack):
    pack["preferences"][0]["winner_place"] = {"A": "B", "B": "A", "tie": "A"}[pack["preferences"][0]["winner_place"]]


def rubric(pack):
    identity = next(name for name in pack["rubrics"] if name.startswith("correctness"))
    pack["rubrics"][identity]["text"] += " Be generous."


def budget(pack):
    pack["circumstances"]["charged_at_most_usd"] = "garbage"


CHANGES = (
    score, raw_verdict, latency_in_a_pair, cost_of_an_answer, verdict, margin, a_pair_less, an_answer_less,
    preference, rubric, budget,
)  # fmt: skip


def test_every_tampering_shows_even_when_the_digest_was_made_to_fit(recommended):
    unseen = []
    for change in CHANGES:
        pack = json.loads(recommended.pack)
        change(pack)
        if not verify(resealed(pack)).problems:
            unseen.append(change.__name__)
        assert verify(canonical(pack)).problems, change.__name__
    assert unseen == []


def test_a_pack_forged_throughout_differs_from_the_hash_noted_elsewhere(recommended):
    pack = json.loads(recommended.pack)
    pack["run"]["name"] = "another"
    assert verify(resealed(pack)).problems == []
    assert verify(resealed(pack), sha256_noted=recommended.pack_sha256).problems


def test_another_form_of_the_same_json_is_not_the_pack(recommended):
    assert verify(json.dumps(json.loads(recommended.pack), indent=1)).problems


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"format": "netra-evidence/99"}', "[" * 100_000])
def test_what_is_no_pack_is_refused(text):
    with pytest.raises(NotAPack):
        verify(text)


@pytest.mark.parametrize("name", ["plan", "answers", "verdicts", "prompts", "decision", "pairs", "rubrics", "run"])
@pytest.mark.parametrize("value", [None, 3, [], {}, "text", [None], [{}]])
def test_a_mutilated_pack_is_a_difference_not_a_crash(name, value):
    pack = {"format": "netra-evidence/1", name: value}
    assert verify(sealed(pack)).problems


def test_the_command_says_what_it_checked(recommended, tmp_path, capsys):
    path = tmp_path / "pack.json"
    path.write_text(recommended.pack, encoding="utf-8")
    call_command("verify_evidence", str(path), sha256=recommended.pack_sha256)
    said = capsys.readouterr().out
    assert "checked decision: 1" in said and recommended.verdict in said


def test_the_command_fails_on_any_difference(recommended, tmp_path):
    path = tmp_path / "pack.json"
    path.write_text(recommended.pack.replace('"score":1.0', '"score":0.9', 1), encoding="utf-8")
    with pytest.raises(CommandError, match="differences"):
        call_command("verify_evidence", str(path))


def test_verification_needs_neither_database_nor_store(recommended, tmp_path):
    """In a process of its own, with an empty data directory: no migration ran, no file is opened."""
    path = tmp_path / "pack.json"
    path.write_text(recommended.pack, encoding="utf-8")
    environment = {"NETRA_DATA_DIR": str(tmp_path / "empty"), "PATH": "/usr/bin:/bin", "LOG_LEVEL": "ERROR"}
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "verify_evidence", str(path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "empty" / "netra.sqlite3").exists() and not (tmp_path / "empty" / "events").exists()
