"""From evidence to a verdict in one sentence: kept once, dated, proved by its pack, acknowledged by one person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from evaluation import recommendations
from evaluation.answers import Paired
from evaluation.evidence import sha256, verify
from evaluation.findings import Decision, Finding, Gate, Reason
from evaluation.models import EvaluationRun, HumanLabel, Recommendation
from evaluation.paired import Plan
from netra.errors import Conflict
from projects.models import Project, User
from routing import beliefs
from routing.models import JudgedPair
from tests import factories
from tests.evaluation.test_comparisons import NEW, OLD, answer, run_of, verdict


def plan(**fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"candidates": (NEW,), "population_size": 1_000, "max_pairs": 200, "min_pairs": 5}
    return Plan(**given | fields).to_dict()


def reply(score: int) -> dict[str, Any]:
    return {"choices": [{"message": {"content": f'{{"score": {score}}}'}}]}


def gathered(project: Project, n: int, scores: dict[str, int], **fields: Any) -> EvaluationRun:
    """`n` prompts, at which each option always gets the same score and costs a cent, the candidate half of it."""
    run = run_of(project, n=n, state="deciding", **{"plan": plan(), "charged_at_most_usd": Decimal("0.1")} | fields)
    for position in range(n):
        for option, score in scores.items():
            usd = Decimal("0.01") if option == OLD else Decimal("0.005")
            call = answer(run, position, option, cost_usd=usd, latency_ms=100.0, is_refusal=False)
            verdict(call, score / 100, response=reply(score))
    return run


@pytest.fixture
def equal(project: Project) -> EvaluationRun:
    """Too few pairs to say anything: the same score in six pairs."""
    return gathered(project, 6, {OLD: 90, NEW: 90})


def test_six_pairs_alike_are_no_recommendation_and_say_what_is_missing(equal: EvaluationRun) -> None:
    made = recommendations.generate(equal)
    assert (made.verdict, made.candidate, made.incumbent) == ("NO_RECOMMENDATION", "", OLD)
    assert made.sentence.startswith("No recommendation. ") and [each["code"] for each in made.reasons]


def test_what_was_found_is_what_live_routing_goes_by(project: Project) -> None:
    recommendations.generate(gathered(project, 60, {OLD: 100, NEW: 10}))
    found = beliefs.held(project)[NEW, OLD]
    assert found.n == 60 and found.high < 0 and found.low <= found.mean


def test_a_candidate_shown_to_be_much_worse_is_a_keep(project: Project) -> None:
    made = recommendations.generate(gathered(project, 60, {OLD: 100, NEW: 10}))
    assert (made.verdict, made.candidate) == ("KEEP", "")
    assert made.sentence == f"Keep {OLD}: no candidate holds up. Shown to be worse than the plan allows: {NEW}."


def test_a_cheaper_candidate_that_is_much_better_is_a_switch(project: Project) -> None:
    """Half the cost of every pair: better by 50 %; scores 10 and 100: better by 90 points."""
    bare = plan(refusal_rise=None, error_rise=None, margin_safety=None)
    made = recommendations.generate(gathered(project, 120, {OLD: 10, NEW: 100}, plan=bare))
    assert (made.verdict, made.candidate) == ("SWITCH", NEW)
    assert made.sentence.startswith(f"Switch from {OLD} to {NEW}: over 120 pairs quality differs by +90.0 points [")
    assert made.sentence.endswith("] and the objective is better by 50 %.")


def test_too_small_a_population_says_how_many_more_are_needed(project: Project) -> None:
    run = gathered(project, 6, {OLD: 90, NEW: 90}, plan=plan(population_size=6))
    (reason,) = recommendations.generate(run).reasons
    assert reason["code"] == "too_few_replayable" and "24 more calls" in reason["remedy"]


def test_a_run_that_has_not_begun_cannot_be_decided(project: Project) -> None:
    with pytest.raises(Conflict, match="has not begun"):
        recommendations.generate(run_of(project, plan=None, state="queued"))
    assert not Recommendation.objects.exists()


def test_a_run_without_one_answer_is_no_recommendation(project: Project) -> None:
    made = recommendations.generate(run_of(project, state="deciding", plan=plan()))
    assert made.verdict == "NO_RECOMMENDATION" and verify(made.pack).problems == []


def test_deciding_ends_the_run_with_the_decision_as_shown(equal: EvaluationRun) -> None:
    made = recommendations.generate(equal)
    equal.refresh_from_db()
    assert (equal.state, equal.decision) == ("done", made.decision) and equal.finished_at is not None


@pytest.mark.parametrize("state", ["running", "cancelled", "failed", "done"])
def test_deciding_on_another_run_leaves_its_state(project: Project, state: str) -> None:
    run = run_of(project, state=state, plan=plan())
    recommendations.generate(run)
    run.refresh_from_db()
    assert (run.state, run.decision) == (state, None)


def test_the_pack_is_what_its_hash_is_of_and_proves_the_verdict(equal: EvaluationRun) -> None:
    made = recommendations.generate(equal)
    report = verify(made.pack, sha256_noted=made.pack_sha256)
    assert made.pack_sha256 == sha256(made.pack) and report.problems == [] and report.verdict == made.verdict


def test_the_same_evidence_is_the_same_recommendation(equal: EvaluationRun) -> None:
    first = recommendations.generate(equal)
    again = recommendations.generate(EvaluationRun.objects.get(pk=equal.pk))
    assert again.pk == first.pk and Recommendation.objects.count() == 1


def test_a_person_s_score_makes_another_one_and_keeps_the_first(equal: EvaluationRun, owner: User) -> None:
    first = recommendations.generate(equal)
    HumanLabel.objects.create(call=equal.calls.earliest("pk"), dimension="quality", score=0.1, by=owner)
    second = recommendations.generate(equal)
    assert second.pk != first.pk and Recommendation.objects.get(pk=first.pk).pack == first.pack


def test_two_runs_with_the_same_answers_have_their_own_recommendations(project: Project) -> None:
    runs = [gathered(project, 2, {OLD: 90, NEW: 90}) for _ in range(2)]
    assert len({recommendations.generate(run).pk for run in runs}) == 2


def test_a_stranger_s_run_is_recommended_to_the_stranger(equal: EvaluationRun) -> None:
    theirs = gathered(factories.project("other"), 2, {OLD: 90, NEW: 90})
    assert recommendations.generate(theirs).project.slug == "other"
    assert not Recommendation.objects.filter(project=equal.project).exists()


def test_it_is_valid_for_thirty_days(equal: EvaluationRun) -> None:
    made = recommendations.generate(equal)
    assert timedelta(days=29, hours=23) < made.expires_at - timezone.now() <= timedelta(days=30)
    assert not made.is_expired and Recommendation(expires_at=timezone.now()).is_expired


def test_the_most_telling_pairs_are_named_by_their_place_in_the_sample(project: Project) -> None:
    """The first prompt is left out, so pair 0 stands at place 1; only the pair at place 3 differs."""
    run = gathered(project, 4, {OLD: 90, NEW: 90})
    run.calls.filter(prompt__position=0, option=NEW).update(state="interrupted")
    run.judgements.filter(call__prompt__position=3, call__option=NEW).update(score=0.1, response=reply(10))
    made = recommendations.generate(run)
    assert made.decision["findings"][0]["influential"] == [3] and verify(made.pack).problems == []


def gate(name: str, estimate: float | None, low: float | None = None, high: float | None = None) -> Gate:
    return Gate(name, estimate, low, high, None, None, 0.0, 40, 0, 30.0, 0.0, True, False, False)


def finding(*gates: Gate, candidate: str = NEW, influential: tuple[int, ...] = ()) -> Finding:
    money = (Decimal("0.1"), Decimal("0.2"))
    return Finding(candidate, "passed", gates, 40, 30.0, 30.0, 0.96, *money, 1.0, 2.0, ((1, 1.0),), influential)


def decision(verdict_: Any, *findings: Finding, why: tuple[Reason, ...] = (), to: str | None = None) -> Decision:
    return Decision(verdict_, to, findings, why, 40, 0.05)


QUALITY = gate("quality", -0.0123, -0.03, 0.005)


@pytest.mark.parametrize(
    ("gates", "numbers"),
    [
        ((QUALITY,), "over 40 pairs quality differs by -1.2 points [-3.0, +0.5]."),
        (
            (QUALITY, gate("saving", 0.756)),
            "over 40 pairs quality differs by -1.2 points [-3.0, +0.5] and the objective is better by 76 %.",
        ),
        ((gate("quality", 0.0),), "over 40 pairs quality differs by +0.0 points."),
        ((gate("quality", None), gate("saving", 0.5)), "over 40 pairs the objective is better by 50 %."),
        ((gate("quality", None),), "over 40 pairs every gate is passed."),
        ((), "over 40 pairs every gate is passed."),
    ],
)
def test_a_switch_tells_the_numbers_that_are_known(gates: tuple[Gate, ...], numbers: str) -> None:
    told = recommendations.sentence(OLD, decision("SWITCH", finding(*gates), to=NEW))
    assert told == f"Switch from {OLD} to {NEW}: {numbers}"


def test_of_several_candidates_the_one_to_switch_to_is_told() -> None:
    others = finding(gate("quality", 0.5), candidate="a/other")
    told = recommendations.sentence(OLD, decision("SWITCH", others, finding(QUALITY), to=NEW))
    assert NEW in told and "-1.2" in told and "a/other" not in told


REASONS = tuple(Reason(f"code-{number}", f"Reason {number}.", "Do so.") for number in range(5))


@pytest.mark.parametrize(
    ("verdict_", "n_reasons", "told"),
    [
        ("KEEP", 1, f"Keep {OLD}: no candidate holds up. Reason 0."),
        ("KEEP", 0, f"Keep {OLD}: no candidate holds up."),
        ("NO_RECOMMENDATION", 2, "No recommendation. Reason 0. Reason 1."),
        ("NO_RECOMMENDATION", 5, "No recommendation. Reason 0. Reason 1. Reason 2."),
        ("NO_RECOMMENDATION", 0, "No recommendation."),
        (None, 0, "No recommendation."),
    ],
)
def test_otherwise_at_most_three_reasons_are_told(verdict_: str | None, n_reasons: int, told: str) -> None:
    assert recommendations.sentence(OLD, decision(verdict_, why=REASONS[:n_reasons])) == told


def test_what_is_shown_names_places_and_leaves_the_decision_alone() -> None:
    made = decision("KEEP", finding(influential=(1, 0)))
    told = recommendations.shown(made, {NEW: Paired((), (4, 9))})
    assert told["findings"][0]["influential"] == [9, 4] and made.findings[0].influential == (1, 0)


def test_each_candidate_s_pairs_have_their_own_places() -> None:
    made = decision("KEEP", finding(influential=(0,)), finding(candidate="a/other", influential=(0,)))
    told = recommendations.shown(made, {NEW: Paired((), (4,)), "a/other": Paired((), (7,))})
    assert [each["influential"] for each in told["findings"]] == [[4], [7]]


def test_what_is_shown_is_the_decision_in_all_else() -> None:
    made = decision("KEEP", replace(finding(QUALITY), influential=()), why=REASONS[:1])
    assert recommendations.shown(made, {NEW: Paired((), ())}) == made.to_dict()


def test_acknowledging_notes_who_when_and_what_and_switches_nothing(equal: EvaluationRun, member: User) -> None:
    made = recommendations.acknowledge(recommendations.generate(equal), by=member, note="Seen; not now.")
    assert (made.acknowledged_by, made.note) == (member, "Seen; not now.") and made.acknowledged_at is not None
    assert Project.objects.get(pk=equal.project_id).incumbent == equal.project.incumbent


def test_the_second_to_acknowledge_is_told_and_changes_nothing(equal: EvaluationRun, owner: User, member: User) -> None:
    made = recommendations.generate(equal)
    recommendations.acknowledge(made, by=owner, note="first")
    with pytest.raises(Conflict, match="acknowledged already"):
        recommendations.acknowledge(Recommendation.objects.get(pk=made.pk), by=member, note="second")
    assert Recommendation.objects.get(pk=made.pk).note == "first"


@pytest.mark.parametrize(("note", "kept"), [("", ""), ("n" * 4_000, "n" * 4_000), ("n" * 9_999, "n" * 4_000)])
def test_a_note_is_kept_up_to_its_limit(equal: EvaluationRun, note: str, kept: str) -> None:
    assert recommendations.acknowledge(recommendations.generate(equal), by=None, note=note).note == kept


def test_every_pair_scored_in_both_lanes_is_handed_down_to_the_predictor(project: Project) -> None:
    run = gathered(project, 6, {OLD: 90, NEW: 70})
    recommendations.generate(run)
    found = JudgedPair.objects.filter(project=project, option=NEW, default_option=OLD)
    assert {row.event_id: round(row.difference, 6) for row in found} == {
        prompt.event_id: -0.2 for prompt in run.prompts.all()
    }
    assert {row.default_quality for row in found} == {0.9}
