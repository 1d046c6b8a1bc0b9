"""What goes into an evidence pack, field by field: numbers exact, texts by their hash, and only this run's rows."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import packing, recommendations
from evaluation.evidence import FORMAT, canonical, verify
from evaluation.judges import _who
from evaluation.models import EvaluationRun, HumanLabel, PairwiseJudgement
from evaluation.rubrics import RUBRICS
from projects.models import Project, User
from tests import factories
from tests.evaluation.test_comparisons import NEW, OLD, answer, preference, run_of, scored, verdict


@pytest.fixture
def run(project: Project) -> EvaluationRun:
    return run_of(project)


def replied(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def packed_answer(run: EvaluationRun) -> dict[str, Any]:
    (found,) = packing.content(run)["answers"]
    return dict(found)


def test_an_empty_run_is_a_pack_of_its_plan(run: EvaluationRun) -> None:
    pack = packing.content(run)
    assert (pack["format"], pack["project"], pack["plan"]) == (FORMAT, "agent", run.plan)
    assert [pack[name] for name in ("answers", "verdicts", "preferences", "labels")] == [[], [], [], []]


def test_every_rubric_is_there_with_its_text(run: EvaluationRun) -> None:
    told = packing.content(run)["rubrics"]
    assert told == {each.identity: {"text": each.text, "version": each.version} for each in RUBRICS.values()}


def test_what_was_asked_of_the_run_is_there(project: Project) -> None:
    asked = {"seed": 7, "sampling": {"kind": "billing"}, "policy": {"temperature": 0}, "name": "A <b>name</b>"}
    told = packing.content(run_of(project, **asked))["run"]
    assert {name: told[name] for name in asked} == asked
    assert told["started_at"] is None and told["is_simulated"] is False and told["incumbent"] == OLD


def test_a_simulated_project_says_so_in_its_pack(project: Project) -> None:
    project.is_simulated = True
    run = run_of(project, started_at=factories.NOON)
    told = packing.content(run)["run"]
    assert told["is_simulated"] is True and told["started_at"] == "2026-11-02T12:00:00+00:00"


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, None),
        (Decimal(0), "0"),
        (Decimal("0E-12"), "0"),
        (Decimal("0.000000050000"), "0.00000005"),
        (Decimal("10.000000000000"), "10"),
        (Decimal("123.000000000001"), "123.000000000001"),
    ],
)
def test_money_is_plain_decimal_text_and_unknown_is_not_zero(
    run: EvaluationRun, usd: Decimal | None, text: str | None
) -> None:
    answer(run, 0, OLD, cost_usd=usd)
    assert packed_answer(run)["cost_usd"] == text


@given(st.decimals(min_value=0, max_value=10**8 - 1, places=12))
def test_no_digit_of_money_is_lost(usd: Decimal) -> None:
    text = packing._money(usd)
    assert text is not None and Decimal(text) == usd and "E" not in text


def test_the_circumstances_are_the_money_of_the_run(project: Project) -> None:
    run = run_of(project, budget_usd=Decimal("2.50"), charged_at_most_usd=Decimal("0.123"))
    assert packing.content(run)["circumstances"] == {"budget_usd": "2.5", "charged_at_most_usd": "0.123"}


def test_an_answer_is_named_by_its_hash_and_not_told(run: EvaluationRun) -> None:
    answer(run, 0, OLD, text="A secret of the customer's.")
    assert packed_answer(run)["text_sha256"] == hashlib.sha256(b"A secret of the customer's.").hexdigest()
    assert "secret" not in canonical(packing.content(run))


def test_an_answer_s_meters_are_there(run: EvaluationRun) -> None:
    meters = {"latency_ms": 12.5, "served_model": "old-1", "event_id": "ev"}
    answer(run, 2, OLD, tokens={"output_visible": 3, "reasoning": 4}, is_refusal=False, **meters)
    told = packed_answer(run)
    assert {name: told[name] for name in meters} == meters
    assert (told["position"], told["lane"], told["refused"], told["tokens_out"]) == (2, "incumbent", False, 7)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"state": "failed", "error_code": "timeout"}, (False, True, "timeout")),
        ({"state": "interrupted", "error_code": "interrupted"}, (True, False, "interrupted")),
        ({"state": "failed", "error_code": "budget_exhausted"}, (True, True, "budget_exhausted")),
    ],
)
def test_why_there_is_no_answer_is_told(run: EvaluationRun, fields: dict[str, str], told: tuple[Any, ...]) -> None:
    answer(run, 0, OLD, **fields)
    found = packed_answer(run)
    assert (found["is_left_out"], found["is_failed"], found["error_code"]) == told


def test_what_is_in_flight_or_only_recorded_is_no_evidence(run: EvaluationRun) -> None:
    answer(run, 0, OLD, state="in_flight")
    answer(run, 1, OLD, lane="recorded")
    verdict(answer(run, 2, OLD), None, state="in_flight")
    pack = packing.content(run)
    assert [each["position"] for each in pack["answers"]] == [2] and pack["verdicts"] == []


def test_a_repeated_answer_names_the_one_that_was_judged(run: EvaluationRun) -> None:
    first = scored(run, 0, OLD)
    answer(run, 0, NEW, same_answer_as=first)
    told = {each["option"]: each["same_answer_as"] for each in packing.content(run)["answers"]}
    assert told == {OLD: None, NEW: first.call_key}


@pytest.mark.parametrize(
    ("fields", "raw"),
    [
        ({"response": replied('{"score": 70}')}, '{"score": 70}'),
        ({"response": replied("I like it.")}, "I like it."),
        ({"response": None}, ""),
        ({"response": replied('{"score": 70}'), "state": "failed"}, None),
        ({"state": "interrupted"}, None),
    ],
)
def test_a_verdict_has_the_judge_s_own_words(run: EvaluationRun, fields: dict[str, Any], raw: str | None) -> None:
    verdict(answer(run, 0, OLD), None, **fields)
    assert packing.content(run)["verdicts"][0]["raw"] == raw


def test_a_verdict_has_its_score_rubric_and_attempts(run: EvaluationRun) -> None:
    call = answer(run, 0, OLD)
    verdict(call, 0.25, attempts=2, rubric="quality/1/abc")
    (told,) = packing.content(run)["verdicts"]
    assert (told["answer"], told["score"], told["attempts"], told["rubric"]) == (
        call.call_key,
        0.25,
        2,
        "quality/1/abc",
    )


PLACES = [
    ("incumbent", True, "A"),
    ("incumbent", False, "B"),
    ("candidate", True, "B"),
    ("candidate", False, "A"),
    ("tie", True, "tie"),
    ("tie", False, "tie"),
    ("", True, None),
]


@pytest.mark.parametrize(("winner", "first", "place"), PLACES)
def test_a_preference_is_told_by_lane_and_by_place(
    run: EvaluationRun, winner: str, first: bool, place: str | None
) -> None:
    old, new = answer(run, 0, OLD), answer(run, 0, NEW)
    preference(old, new, winner, first=first)
    (told,) = packing.content(run)["preferences"]
    assert (told["winner"], told["winner_place"], told["answer"]) == (winner, place, new.call_key)


@given(st.sampled_from(["A", "B", "tie"]), st.booleans())
def test_the_place_is_what_the_judge_had_said(said: str, first: bool) -> None:
    """From place to lane, as judges are read, and back, as packs are written."""
    row = PairwiseJudgement(winner=_who(said, first), is_incumbent_first=first)
    assert packing._place(row) == said


def test_a_person_s_scores_are_told_without_the_person(run: EvaluationRun, owner: User) -> None:
    call = answer(run, 1, NEW)
    HumanLabel.objects.create(call=call, dimension="quality", score=0.75, by=owner, note="Mind the tone.")
    pack = packing.content(run)
    assert pack["labels"] == [{"option": NEW, "position": 1, "dimension": "quality", "score": 0.75}]
    assert owner.email not in canonical(pack) and "tone" not in canonical(pack)


def test_prompts_are_in_their_order_with_all_that_stratified_them(run: EvaluationRun) -> None:
    run.prompts.filter(position=0).update(position=9, covariates=[0.5], content_hash="c")
    told = packing.content(run)["prompts"]
    assert [each["position"] for each in told] == [1, 2, 9]
    assert (told[2]["event_id"], told[2]["stratum"], told[2]["prompt_hash"]) == ("e-0", "any", "h")
    assert (told[2]["content_hash"], told[2]["covariates"]) == ("c", [0.5])


def test_answers_are_in_the_order_of_the_sample_whenever_they_came(run: EvaluationRun) -> None:
    for position, option in ((2, NEW), (0, OLD), (2, OLD), (0, NEW)):
        answer(run, position, option)
    told = [(each["position"], each["option"]) for each in packing.content(run)["answers"]]
    assert told == [(0, NEW), (0, OLD), (2, NEW), (2, OLD)]


def test_the_pack_is_the_same_whenever_it_is_made(run: EvaluationRun) -> None:
    scored(run, 0, OLD)
    scored(run, 0, NEW)
    assert canonical(packing.content(run)) == canonical(packing.content(EvaluationRun.objects.get(pk=run.pk)))


def test_a_stranger_run_s_rows_are_not_in_it(run: EvaluationRun, project: Project) -> None:
    for other in (run_of(project), run_of(factories.project("other"))):
        old, new = scored(other, 0, OLD), scored(other, 0, NEW)
        preference(old, new, "tie", first=True)
        HumanLabel.objects.create(call=new, dimension="quality", score=1)
    pack = packing.content(run)
    assert [pack[name] for name in ("answers", "verdicts", "preferences", "labels")] == [[], [], [], []]


HOSTILE = ["\u0001\u202e", '"}],"digest":"x', "</script>", "\U0001f600" * 50, "a\nb\r\u2028c", ""]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_of_models_and_judges_leave_the_pack_provable(run: EvaluationRun, text: str) -> None:
    for position in range(3):
        for option in (OLD, NEW):
            call = answer(run, position, option, text=text, served_model=text, error_code=text[:60])
            verdict(call, None, response=replied(text), unscored_because="not_json", rationale=text)
    made = recommendations.generate(run)
    assert verify(made.pack, sha256_noted=made.pack_sha256).problems == []


def test_a_run_of_every_fate_is_provable(run: EvaluationRun) -> None:
    first = scored(run, 0, OLD, 1.0)
    first.judgements.update(response=replied('{"score": 100}'))
    answer(run, 0, NEW, same_answer_as=first)
    answer(run, 1, OLD, state="failed", error_code="timeout")
    scored(run, 1, NEW, None)
    answer(run, 2, OLD, state="interrupted")
    pack = json.loads(recommendations.generate(run).pack)
    assert verify(recommendations.generate(run).pack).problems == [] and len(pack["pairs"][NEW]) == 2
