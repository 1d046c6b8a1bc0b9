"""What a run has gathered, read from its rows: complete answers only, in unbroken order, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import comparisons
from evaluation.comparisons import answer_of, scores_of
from evaluation.models import EvaluationRun, Judgement, PairwiseJudgement, ReplayCall, RunCandidate, SampledPrompt
from evaluation.paired import Plan
from projects.models import Project
from tests import factories

OLD, NEW, NEWER = "a/old", "a/new", "a/newer"
SEAT = ("quality", "a/judge")


def run_of(
    project: Project,
    n: int = 3,
    *,
    candidates: Sequence[str] = (NEW,),
    judges: Mapping[str, Sequence[str]] | None = None,
    **fields: Any,
) -> EvaluationRun:
    """A run under way over `n` prompts of one stratum, its plan frozen; no call was made yet."""
    plan = Plan(candidates=tuple(candidates), population_size=100, max_pairs=n or 1, min_pairs=1, min_population=1)
    given_: dict[str, Any] = {
        "name": "a run",
        "state": "running",
        "incumbent": OLD,
        "budget_usd": Decimal(1),
        "judging": {"dimensions": judges or {"quality": ["a/judge"]}, "pairwise": None},
        "plan": plan.to_dict(),
    }
    run = EvaluationRun.objects.create(project=project, **given_ | fields)
    for place in range(n):
        SampledPrompt.objects.create(run=run, position=place, event_id=f"e-{place}", stratum="any", prompt_hash="h")
    for place, option in enumerate(candidates):
        RunCandidate.objects.create(run=run, option=option, position=place)
    return run


def answer(run: EvaluationRun, position: int, option: str, **fields: Any) -> ReplayCall:
    """A finished answer of a lane, without verdicts."""
    given_: dict[str, Any] = {
        "call_key": f"run-{run.pk}-{position}-{option}",
        "state": "done",
        "lane": "incumbent" if option == run.incumbent else "candidate",
        "option": option,
        "text": f"{option} at {position}",
    }
    return ReplayCall.objects.create(run=run, prompt=run.prompts.get(position=position), **given_ | fields)


def verdict(call: ReplayCall, score: float | None, **fields: Any) -> Judgement:
    """What the judge said of an answer."""
    given_: dict[str, Any] = {"state": "done", "dimension": SEAT[0], "judge": SEAT[1], "rubric": "quality/1/x"}
    given_ |= fields
    key = f"{call.call_key}-{given_['dimension']}-{given_['judge']}"
    return Judgement.objects.create(run=call.run, call=call, call_key=key, score=score, **given_)


def scored(run: EvaluationRun, position: int, option: str, score: float | None = 0.5, **fields: Any) -> ReplayCall:
    """An answer with its verdict."""
    call = answer(run, position, option, **fields)
    verdict(call, score)
    return call


def preference(old: ReplayCall, new: ReplayCall, winner: str, *, first: bool, **fields: Any) -> PairwiseJudgement:
    """Which of the two answers the judge preferred, with the incumbent first or second."""
    given_: dict[str, Any] = {"state": "done", "judge": SEAT[1], "rubric": "preference/1/x", "winner": winner}
    key = f"{new.call_key}-{first}"
    return PairwiseJudgement.objects.create(
        run=new.run, incumbent_call=old, candidate_call=new, call_key=key, is_incumbent_first=first, **given_ | fields
    )


@pytest.fixture
def run(project: Project) -> EvaluationRun:
    return run_of(project)


def test_prompts_come_in_their_order_with_what_was_known_of_them(run: EvaluationRun) -> None:
    run.prompts.filter(position=1).update(position=7, covariates=[1.5, 2.0], stratum="billing")
    found = comparisons.prompts(run)
    assert [prompt.position for prompt in found] == [0, 2, 7]
    assert (found[2].stratum, found[2].covariates, found[0].covariates) == ("billing", (1.5, 2.0), None)


@pytest.mark.parametrize(
    ("fields", "is_left_out", "is_failed"),
    [
        ({"state": "done"}, False, False),
        ({"state": "failed", "error_code": "timeout"}, False, True),
        ({"state": "interrupted", "error_code": "interrupted"}, True, False),
        ({"state": "interrupted", "error_code": "event_gone"}, True, False),
        ({"state": "failed", "error_code": "budget_exhausted"}, True, True),
    ],
)
def test_our_own_troubles_are_left_out_and_the_model_s_are_failures(
    fields: dict[str, str], is_left_out: bool, is_failed: bool
) -> None:
    found = answer_of(ReplayCall(**fields), {})
    assert (found.is_left_out, found.is_failed) == (is_left_out, is_failed)


@pytest.mark.parametrize(
    ("tokens", "counted"),
    [
        ({}, None),
        ({"input_fresh": 12}, None),
        ({"output_visible": None, "reasoning": None}, None),
        ({"output_visible": 0}, 0),
        ({"output_visible": 3}, 3),
        ({"output_visible": 3, "reasoning": 40, "audio_out": 5, "input_fresh": 1_000}, 48),
        ({"output_visible": None, "reasoning": 40}, 40),
    ],
)
def test_tokens_out_are_all_that_was_produced_and_unknown_is_not_zero(
    tokens: dict[str, int | None], counted: int | None
) -> None:
    assert answer_of(ReplayCall(tokens=tokens), {}).tokens_out == counted


def test_an_answer_keeps_its_meters_and_scores() -> None:
    call = ReplayCall(is_refusal=True, latency_ms=12.5, cost_usd=Decimal("0.01"))
    found = answer_of(call, {SEAT: 0.7})
    assert (found.refused, found.latency_ms, found.cost_usd, found.scores) == (True, 12.5, Decimal("0.01"), {SEAT: 0.7})


def test_a_verdict_still_under_way_is_no_verdict() -> None:
    said = [
        Judgement(dimension="quality", judge="one", state="done", score=0.5),
        Judgement(dimension="quality", judge="two", state="in_flight"),
        Judgement(dimension="quality", judge="three", state="failed"),
    ]
    assert scores_of(said) == {("quality", "one"): 0.5, ("quality", "three"): None}


def test_a_judged_answer_is_there_with_its_score(run: EvaluationRun) -> None:
    scored(run, 0, OLD, 0.8)
    found = comparisons.answers(run)
    assert found[OLD][0].scores == {SEAT: 0.8} and list(found) == [OLD]


def test_an_unreadable_verdict_is_there_and_unscored(run: EvaluationRun) -> None:
    scored(run, 0, OLD, None)
    assert comparisons.answers(run)[OLD][0].scores == {SEAT: None}


@pytest.mark.parametrize("state", ["done", "in_flight"])
def test_an_answer_that_is_not_judged_by_all_is_not_there_yet(project: Project, state: str) -> None:
    run = run_of(project, judges={"quality": ["a/judge", "a/second"]})
    verdict(scored(run, 0, OLD), 0.5, judge="a/second", state=state)
    assert (OLD in comparisons.answers(run)) == (state == "done")


def test_an_answer_in_flight_is_not_there(run: EvaluationRun) -> None:
    scored(run, 0, OLD, state="in_flight")
    assert comparisons.answers(run) == {}


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_what_gave_no_answer_waits_for_no_judge(run: EvaluationRun, state: str) -> None:
    answer(run, 0, OLD, state=state)
    assert comparisons.answers(run)[OLD][0].scores == {}


def test_the_same_answer_has_the_scores_of_the_one_that_was_judged(run: EvaluationRun) -> None:
    first = scored(run, 0, OLD, 0.9)
    answer(run, 0, NEW, same_answer_as=first)
    assert comparisons.answers(run)[NEW][0].scores == {SEAT: 0.9}


def test_the_recorded_lane_is_not_compared_even_under_the_incumbent_s_name(run: EvaluationRun) -> None:
    scored(run, 0, OLD, lane="recorded")
    assert comparisons.answers(run) == {}


def test_a_stranger_run_s_rows_are_not_read(run: EvaluationRun, project: Project) -> None:
    theirs = run_of(factories.project("other"))
    for each in (theirs, run_of(project)):
        scored(each, 0, OLD)
        scored(each, 0, NEW)
    assert comparisons.answers(run) == {} and comparisons.paired(run)[NEW].pairs == ()


def test_both_lanes_of_a_prompt_make_a_pair(run: EvaluationRun) -> None:
    scored(run, 0, OLD, 0.4)
    scored(run, 0, NEW, 0.9)
    (pair,) = comparisons.paired(run)[NEW].pairs
    assert (pair.incumbent.quality, pair.candidate.quality, pair.stratum) == (0.4, 0.9, "any")


def test_pairs_end_where_one_is_still_open(run: EvaluationRun) -> None:
    for position, option in ((0, OLD), (0, NEW), (1, OLD), (2, OLD), (2, NEW)):
        scored(run, position, option)
    assert comparisons.paired(run)[NEW].positions == (0,)


def test_a_prompt_left_out_is_passed_over_and_counted(run: EvaluationRun) -> None:
    for position, option in ((0, OLD), (0, NEW), (1, OLD), (2, OLD), (2, NEW)):
        scored(run, position, option)
    answer(run, 1, NEW, state="interrupted")
    found = comparisons.paired(run)[NEW]
    assert found.positions == (0, 2) and [pair.position for pair in found.pairs] == [0, 1]
    assert comparisons.n_left_out(run) == 1


def test_one_candidate_s_interruption_leaves_the_prompt_out_for_all(project: Project) -> None:
    """Or candidates would be measured on different prompts."""
    run = run_of(project, candidates=[NEW, NEWER])
    for option in (OLD, NEW, NEWER):
        scored(run, 1, option)
    scored(run, 0, OLD)
    scored(run, 0, NEW)
    answer(run, 0, NEWER, state="interrupted")
    assert [found.positions for found in comparisons.paired(run).values()] == [(1,), (1,)]


def test_a_candidate_without_answers_has_no_pairs_and_is_still_named(project: Project) -> None:
    run = run_of(project, candidates=[NEW, NEWER])
    scored(run, 0, OLD)
    scored(run, 0, NEW)
    assert {option: len(found.pairs) for option, found in comparisons.paired(run).items()} == {NEW: 1, NEWER: 0}


def test_a_failed_answer_is_a_pair_and_says_so(run: EvaluationRun) -> None:
    scored(run, 0, OLD, 0.9)
    answer(run, 0, NEW, state="failed", error_code="timeout")
    (pair,) = comparisons.paired(run)[NEW].pairs
    assert pair.candidate.failed and not pair.incumbent.failed and pair.candidate.quality is None


def test_a_run_without_a_sample_has_nothing(project: Project) -> None:
    run = run_of(project, n=0)
    assert comparisons.prompts(run) == [] and comparisons.paired(run)[NEW].pairs == ()
    assert comparisons.n_left_out(run) == 0


FATE = st.sampled_from(["scored", "failed", "interrupted", "open"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(FATE, FATE), max_size=6))
def test_pairs_are_all_usable_prompts_before_the_first_open_one(project: Project, fates: list[tuple[str, str]]) -> None:
    run = run_of(project, n=len(fates))
    for position, lanes in enumerate(fates):
        for option, fate in zip((OLD, NEW), lanes, strict=True):
            if fate == "scored":
                scored(run, position, option)
            elif fate != "open":
                answer(run, position, option, state=fate)
    wanted: list[int] = []
    for position, lanes in enumerate(fates):
        if "interrupted" in lanes:
            continue
        if "open" in lanes:
            break
        wanted.append(position)
    assert list(comparisons.paired(run)[NEW].positions) == wanted
