"""Judges are blind, the same for both lanes, and their failures stay visible."""

from __future__ import annotations

import json

from evaluation import runs
from evaluation.asking import answer_text
from evaluation.models import Judgement, PairwiseJudgement, ReplayCall
from evaluation.rubrics import RUBRICS
from projects import log


def carried_out(run):
    done = runs.carry_out(run.pk)
    assert done is not None
    return done


def test_what_a_judge_reads_names_no_model_and_no_lane(start):
    run = carried_out(start(max_pairs=15))
    for judgement in Judgement.objects.filter(run=run):
        sent = json.dumps(log.event(run.project_id, judgement.event_id)["request"]["messages"])
        assert not any(name in sent for name in ("sim-large", "sim-medium", "incumbent", "candidate"))


def test_both_lanes_are_judged_by_the_same_judges_and_rubric(start):
    run = carried_out(start(judges={"correctness": ["simulated/sim-judge", "simulated/sim-judge-noisy"]}, max_pairs=15))
    rows = Judgement.objects.filter(run=run)
    assert {row.rubric for row in rows} == {RUBRICS["correctness"].identity}
    for call in ReplayCall.objects.filter(run=run, same_answer_as=None, state="done").exclude(lane="recorded"):
        assert {row.judge for row in call.judgements.all()} == {"simulated/sim-judge", "simulated/sim-judge-noisy"}


def test_several_dimensions_are_judged_apart(start):
    judges = {name: ["simulated/sim-judge"] for name in ("correctness", "safety")}
    run = carried_out(start(judges=judges, max_pairs=10))
    by_dimension = {name: Judgement.objects.filter(run=run, dimension=name).count() for name in judges}
    assert by_dimension["correctness"] == by_dimension["safety"] > 0


def test_a_judge_that_follows_the_order_shows_flips(start):
    run = carried_out(start(candidates=["simulated/sim-bargain"], pairwise="simulated/sim-judge-biased", max_pairs=60))
    rows = PairwiseJudgement.objects.filter(run=run)
    by_pair = {}
    for row in rows:
        by_pair.setdefault(row.candidate_call_id, set()).add(row.winner)
    assert any(len(winners) > 1 for winners in by_pair.values())


def test_a_tool_call_is_read_as_json():
    call = {"id": "1", "type": "function", "function": {"name": "refund", "arguments": '{"order": 7}'}}
    answer = {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]}
    assert json.loads(answer_text(answer)) == {"name": "refund", "arguments": {"order": 7}}


def test_several_tool_calls_are_a_list_and_broken_arguments_stay_text():
    function = {"name": "refund", "arguments": "{broken"}
    answer = {"choices": [{"message": {"tool_calls": [{"function": function}, {"function": function}]}}]}
    assert json.loads(answer_text(answer)) == [{"name": "refund", "arguments": "{broken"}] * 2


def test_text_parts_are_joined_and_a_refusal_is_what_was_said():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert answer_text({"choices": [{"message": {"content": parts}}]}) == "ab"
    assert answer_text({"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}) == "I cannot."


def test_no_answer_is_empty_text():
    assert answer_text(None) == answer_text({}) == answer_text({"choices": []}) == ""
