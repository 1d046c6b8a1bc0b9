"""What is sent: logged requests as they were, a few at a time, and nothing twice that an earlier worker finished."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ledger import Ledger
from evaluation.material import CHUNK, GONE, Material, Sent, as_sent
from evaluation.models import EvaluationRun, Judgement, PairwiseJudgement, ReplayCall, SampledPrompt
from projects import log
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories

AS_SENT = {"temperature": "as_sent", "seed": "as_sent"}


@pytest.fixture
def home(transactional_db: None, events: None) -> Project:
    return factories.project("agent")


def asked(number: int, **fields: Any) -> WorkloadEvent:
    request = factories.chat_request(f"What is {number} + {number}?")
    at = factories.NOON + timedelta(minutes=number)
    return factories.event(f"r-{number}", **{"request": request, "started_at": at} | fields)


def run_over(project: Project, event_ids: Sequence[str], **fields: Any) -> EvaluationRun:
    given_ = {"name": "r", "incumbent": "a/old", "budget_usd": Decimal(1), "policy": AS_SENT}
    run = EvaluationRun.objects.create(project=project, **given_ | fields)
    SampledPrompt.objects.bulk_create(
        SampledPrompt(run=run, position=place, event_id=event_id, stratum="any", prompt_hash="h")
        for place, event_id in enumerate(event_ids)
    )
    assert run.claim("me")
    return run


def handed(run: EvaluationRun, positions: Sequence[int], expected: Sequence[int] | None = None) -> list[Sent | None]:
    """What the material of a run gives for these places, asked for in this order."""

    async def go() -> list[Sent | None]:
        async with Ledger(run.pk, "me") as ledger:
            material = Material(run.project_id, run.pk, run.policy, ledger)
            material.expect(positions if expected is None else expected)
            return [await material.of(position) for position in positions]

    return asyncio.run(go())


def only(run: EvaluationRun) -> Sent:
    found = handed(run, [0])[0]
    assert found is not None
    return found


@pytest.fixture
def run(home: Project) -> EvaluationRun:
    return run_over(home, log.write(home.pk, [asked(number) for number in range(5)]).ids)


def test_each_place_gets_the_request_of_its_own_event(run: EvaluationRun) -> None:
    texts = [sent.request["messages"][0]["content"] for sent in handed(run, [0, 3, 4]) if sent is not None]
    assert texts == ["What is 0 + 0?", "What is 3 + 3?", "What is 4 + 4?"]


def test_places_may_be_asked_for_out_of_order(run: EvaluationRun) -> None:
    found = handed(run, [4, 0, 2], expected=[0, 2, 4])
    assert [sent.prompt.position for sent in found if sent is not None] == [4, 0, 2]


def test_more_than_one_chunk_is_read_as_it_is_needed(home: Project) -> None:
    n = CHUNK + 5
    run = run_over(home, log.write(home.pk, [asked(number) for number in range(n)]).ids)
    found = handed(run, range(n))
    assert [sent.prompt.position for sent in found if sent is not None] == list(range(n))
    assert ReplayCall.objects.filter(run=run, lane="recorded").count() == n


def test_nothing_is_read_ahead_of_the_chunk(home: Project) -> None:
    n = CHUNK + 5
    run = run_over(home, log.write(home.pk, [asked(number) for number in range(n)]).ids)
    assert len([sent for sent in handed(run, [0], expected=range(n)) if sent is not None]) == 1
    assert ReplayCall.objects.filter(run=run).count() == CHUNK


def test_a_place_nobody_announced_is_a_mistake_of_ours_not_a_wait_for_ever(run: EvaluationRun) -> None:
    with pytest.raises(LookupError, match="not in the sample"):
        handed(run, [3], expected=[0, 1])


def test_the_request_s_hash_is_noted_at_its_prompt(run: EvaluationRun) -> None:
    sent = only(run)
    canonical = json.dumps(sent.request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    kept = run.prompts.get(position=0).content_hash
    assert kept == hashlib.sha256(canonical.encode()).hexdigest() and not run.prompts.get(position=1).content_hash


def test_what_was_answered_then_is_a_lane_that_costs_nothing_now(home: Project) -> None:
    run = run_over(home, log.write(home.pk, [asked(1, is_refusal=False)]).ids)
    only(run)
    call = ReplayCall.objects.get(run=run)
    assert (call.lane, call.state, call.option) == ("recorded", "done", "gpt-4o-mini-2024-07-18")
    assert (call.text, call.finish_reason, call.is_refusal, call.latency_ms) == ("4", "stop", False, 800.0)
    assert (call.charged_at_most_usd, call.reserved_usd, call.event_id) == (0, 0, call.prompt.event_id)


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"served_model": "s"}, "s"),
        ({"served_model": None}, "gpt-4o-mini"),
        ({"served_model": None, "requested_model": None}, ""),
        ({"served_model": "x" * 900}, "x" * 200),
    ],
)
def test_the_recorded_model_is_the_one_that_served_as_far_as_is_known(
    home: Project, fields: dict[str, Any], option: str
) -> None:
    run = run_over(home, log.write(home.pk, [asked(1, **fields)]).ids)
    only(run)
    assert ReplayCall.objects.get(run=run).option == option


def test_a_finish_reason_longer_than_its_column_is_cut(home: Project) -> None:
    run = run_over(home, log.write(home.pk, [asked(1, finish_reason="why " * 50)]).ids)
    only(run)
    assert len(ReplayCall.objects.get(run=run).finish_reason) == 40


def test_a_recorded_cost_is_the_log_s_and_unknown_stays_unknown(home: Project) -> None:
    factories.supply_option("openai/gpt-4o-mini", aliases=["gpt-4o-mini-2024-07-18"])
    unpriced = asked(2, provider="nobody", served_model="m", requested_model="m")
    run = run_over(home, log.write(home.pk, [asked(1), unpriced]).ids)
    handed(run, [0, 1])
    costs = ReplayCall.objects.filter(run=run).order_by("prompt__position").values_list("cost_usd", flat=True)
    assert list(costs) == [Decimal("0.000048"), None]  # 12 × 2 µ$ + 3 × 8 µ$


@pytest.mark.parametrize("event", ["gone", "without a request"])
def test_what_can_no_longer_be_asked_is_said_of_the_prompt(home: Project, event: str) -> None:
    ids = log.write(home.pk, [asked(1, request=None)]).ids if event == "without a request" else ["no-such-event"]
    run = run_over(home, ids)
    assert handed(run, [0]) == [None]
    call = ReplayCall.objects.get(run=run)
    assert (call.state, call.error_code, call.error, call.option) == ("interrupted", "event_gone", GONE, "a/old")
    assert call.charged_at_most_usd == 0


def test_an_event_of_a_stranger_s_project_is_gone_for_this_one(home: Project) -> None:
    theirs = log.write(factories.project("other").pk, [asked(1)]).ids
    run = run_over(home, theirs)
    assert handed(run, [0]) == [None] and not ReplayCall.objects.filter(run=run, lane="recorded").exists()


def test_being_read_again_adds_no_second_row(run: EvaluationRun) -> None:
    for _ in range(2):
        handed(run, [0, 1])
    assert ReplayCall.objects.filter(run=run).count() == 2


def test_a_corrected_event_is_sent_as_it_now_is(home: Project) -> None:
    run = run_over(home, log.write(home.pk, [asked(1)]).ids)
    log.write(home.pk, [asked(1, request=factories.chat_request("Corrected."))])
    assert only(run).request["messages"][0]["content"] == "Corrected."


def answered(run: EvaluationRun, position: int, place: int, **fields: Any) -> ReplayCall:
    lane, option = ("incumbent", "a/old") if place == 0 else ("candidate", f"a/new-{place}")
    key = f"run-{run.pk}-{position}-{place}"
    given_ = {"state": "done", "lane": lane, "option": option, "call_key": key}
    return ReplayCall.objects.create(run=run, prompt=run.prompts.get(position=position), **given_ | fields)


def judged(call: ReplayCall, judge: str) -> Judgement:
    key = f"{call.call_key}-judge-{judge}"
    return Judgement.objects.create(
        run=call.run, call=call, call_key=key, dimension="quality", judge=judge, rubric="r", state="done", score=0.5
    )


def test_what_an_earlier_worker_finished_comes_with_the_request(run: EvaluationRun) -> None:
    calls = [answered(run, 0, place) for place in (0, 1)]
    verdict = judged(calls[1], "j")
    sent = only(run)
    assert sent.calls == {"a/old": calls[0], "a/new-1": calls[1]}
    assert sent.judgements == {calls[1].pk: [verdict]} and sent.compared == set()


def test_a_comparison_that_was_made_is_known(run: EvaluationRun) -> None:
    old, new = (answered(run, 0, place) for place in (0, 1))
    PairwiseJudgement.objects.create(
        run=run, incumbent_call=old, candidate_call=new, call_key="p", judge="j", rubric="r", is_incumbent_first=True
    )
    assert only(run).compared == {new.pk}


def test_finished_rows_stay_with_their_own_prompt(run: EvaluationRun) -> None:
    judged(answered(run, 1, 0), "j")
    first, second = handed(run, [0, 1])
    assert first is not None and second is not None
    assert first.calls == {} and list(second.calls) == ["a/old"] and first.judgements == {}


def test_rows_of_another_run_over_the_same_events_are_not_taken(run: EvaluationRun) -> None:
    again = run_over(run.project, [run.prompts.get(position=0).event_id])
    answered(run, 0, 0)
    assert only(again).calls == {}


REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "top_p": 0.5, "x_unknown": [1, {"a": None}]}


def test_a_request_is_sent_as_it_was_but_for_the_model() -> None:
    assert as_sent(REQUEST, AS_SENT) == {name: value for name, value in REQUEST.items() if name != "model"}


def test_what_is_sent_is_a_copy() -> None:
    as_sent(REQUEST, {"temperature": 0})
    assert "temperature" not in REQUEST and REQUEST["model"] == "m"


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ({}, {"temperature": 0.7, "seed": 5}),
        (AS_SENT, {"temperature": 0.7, "seed": 5}),
        ({"temperature": 0}, {"temperature": 0, "seed": 5}),
        ({"seed": 11}, {"temperature": 0.7, "seed": 11}),
        ({"temperature": 1.5, "seed": 0}, {"temperature": 1.5, "seed": 0}),
        ({"top_p": 0.1}, {"temperature": 0.7, "seed": 5}),
    ],
)
def test_the_policy_changes_temperature_and_seed_and_nothing_else(policy: dict[str, Any], sent: dict[str, Any]) -> None:
    assert as_sent({"temperature": 0.7, "seed": 5}, policy) == sent


@pytest.mark.parametrize(
    ("asked_", "options"),
    [
        ({"stream": True}, {"include_usage": True}),
        ({"stream": True, "stream_options": None}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"x": 1}}, {"x": 1, "include_usage": True}),
        ({"stream": True, "stream_options": "yes"}, {"include_usage": True}),
        ({"stream": True, "stream_options": ["include_usage"]}, {"include_usage": True}),
        ({"stream": False}, None),
        ({}, None),
    ],
)
def test_a_stream_is_asked_to_tell_its_usage(asked_: dict[str, Any], options: dict[str, Any] | None) -> None:
    assert as_sent(asked_, AS_SENT).get("stream_options") == options


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=6))
def test_with_a_policy_of_as_sent_every_field_but_the_model_survives(request_: dict[str, Any]) -> None:
    request_.pop("stream", None)
    assert as_sent({**request_, "model": "m"}, AS_SENT) == {k: v for k, v in request_.items() if k != "model"}
