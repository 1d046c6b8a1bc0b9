"""Asking models for a run over a real socket: money before words, every call in the log, what judges get to read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.asking import Asker, OutOfBudget, SetUpWrongly, answer_text, charge, together
from evaluation.ledger import Ledger
from evaluation.models import EvaluationRun, Judgement, PaidCall, ReplayCall, SampledPrompt
from netra.prices import Rates
from projects import log
from routing import execution
from routing.calls import OptionTarget, Outcome, worst_case_usd
from tests import factories
from tests.routing.scripted import Provider, Step, error, provider, said, target

COST = Decimal("0.000018")  # 12 tokens at 1 µ$ and 3 at 2 µ$
REQUEST = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
Scenario = Callable[[Asker, OptionTarget], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "BACKOFF_S", 0.002)


@pytest.fixture
def run(transactional_db: None, events: None) -> EvaluationRun:
    """A claimed run of one dollar with one sampled prompt; transactional, because the ledger has a thread."""
    project = factories.project("agent")
    made = EvaluationRun.objects.create(project=project, name="r", incumbent="proxy/foo", budget_usd=Decimal(1))
    SampledPrompt.objects.create(run=made, position=0, event_id="e", stratum="any", prompt_hash="h")
    assert made.claim("me")
    return made


def row(run: EvaluationRun, number: int = 0) -> ReplayCall:
    return ReplayCall(
        call_key=f"run-{run.pk}-{number}-0", run=run, prompt=run.prompts.get(), lane="incumbent", option="proxy/foo"
    )


def asking(run: EvaluationRun, *script: Step, scenario: Scenario, concurrency: int = 4, **fields: Any) -> Provider:
    """Run a scenario against a provider that plays a script; what the provider saw."""

    async def go() -> Provider:
        async with (
            provider(*script) as there,
            Ledger(run.pk, "me") as ledger,
            Asker(run.project_id, run.pk, ledger, concurrency) as asker,
        ):
            await scenario(asker, target(there.base_url, **fields))
        return there

    return asyncio.run(go())


def asked_once(run: EvaluationRun, *script: Step, **fields: Any) -> tuple[ReplayCall, Provider]:
    """One call, finished; its row as it is in the database."""
    made = row(run)

    async def scenario(asker: Asker, to: OptionTarget) -> None:
        await asker.ask(made, to, REQUEST, purpose="replay")
        await asker.finish(made)

    there = asking(run, *script, scenario=scenario, **fields)
    run.refresh_from_db()
    return ReplayCall.objects.get(call_key=made.call_key), there


def test_a_good_answer_is_charged_what_it_cost(run: EvaluationRun) -> None:
    made, _ = asked_once(run, said())
    assert (made.state, made.cost_usd, made.charged_at_most_usd, made.attempts) == ("done", COST, COST, 1)
    assert (run.spent_usd, run.charged_at_most_usd, run.reserved_usd) == (COST, COST, 0)


def test_every_call_becomes_an_event_that_its_row_names(run: EvaluationRun) -> None:
    made, _ = asked_once(run, said())
    event = log.event(run.project_id, made.event_id)
    assert (event["source_record_id"], event["run_id"], event["purpose"]) == (made.call_key, str(run.pk), "replay")


def test_a_retry_is_reserved_before_it_is_sent_and_counted(run: EvaluationRun) -> None:
    made, there = asked_once(run, error(503), said())
    assert (made.attempts, len(there.asked), made.cost_usd, made.reserved_usd) == (2, 2, COST, 0)


def test_an_answer_whose_cost_cannot_be_told_is_charged_at_its_worst(run: EvaluationRun) -> None:
    made, _ = asked_once(run, said(usage=None))
    worst = worst_case_usd(REQUEST, target("http://nowhere"))
    assert (made.state, made.cost_usd, made.charged_at_most_usd) == ("done", None, worst)
    assert (run.spent_usd, run.charged_at_most_usd) == (0, worst)


def test_a_refused_request_is_booked_as_failed_and_free(run: EvaluationRun) -> None:
    made, _ = asked_once(run, error(400, "no such field"))
    assert (made.state, made.cost_usd, run.charged_at_most_usd) == ("failed", 0, 0)
    assert "no such field" in made.error and made.error_code


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_retry_can_mend_stops_the_run_after_it_was_booked(run: EvaluationRun, status: int) -> None:
    with pytest.raises(SetUpWrongly):
        asked_once(run, error(status))
    made = ReplayCall.objects.get()
    assert made.state == "failed" and made.reserved_usd == 0


def test_without_a_known_worst_case_nothing_is_sent(run: EvaluationRun) -> None:
    with pytest.raises(SetUpWrongly, match="proxy/foo can cost at most is not known"):
        asked_once(run, said(), rates=Rates())
    assert not ReplayCall.objects.exists()


def test_without_money_for_one_call_nothing_is_sent_and_no_row_is_left(run: EvaluationRun) -> None:
    EvaluationRun.objects.filter(pk=run.pk).update(budget_usd=COST)
    seen: list[int] = []

    async def scenario(asker: Asker, to: OptionTarget) -> None:
        with pytest.raises(OutOfBudget):
            await asker.ask(row(run), to, REQUEST, purpose="replay")

    seen.append(len(asking(run, said(), scenario=scenario).asked))
    assert seen == [0] and not ReplayCall.objects.exists()


def test_a_retry_that_could_pass_the_budget_is_not_made(run: EvaluationRun) -> None:
    """The budget is one worst case and a half: the first attempt fits, the second does not."""
    worst = worst_case_usd(REQUEST, target("http://nowhere"))
    assert worst is not None
    EvaluationRun.objects.filter(pk=run.pk).update(budget_usd=worst * 3 / 2)
    made, there = asked_once(run, error(503), said())
    assert (made.error_code, made.attempts, len(there.asked)) == ("budget_exhausted", 1, 1)


def test_a_second_question_is_in_flight_again_before_it_is_sent(run: EvaluationRun) -> None:
    """Killed while a judge is asked again, the row must be found in flight, or its worst case is never booked."""
    states: list[str] = []

    async def scenario(asker: Asker, to: OptionTarget) -> None:
        made = row(run)
        await asker.ask(made, to, REQUEST, purpose="judge")
        await asker.ledger.reserve(made, Decimal("0.01"))
        states.append(await asker.ledger.in_thread(lambda: ReplayCall.objects.get().state))

    asking(run, said(), scenario=scenario)
    assert states == [PaidCall.State.IN_FLIGHT]


def test_a_question_asked_again_is_a_second_event_and_adds_to_the_row(run: EvaluationRun) -> None:
    made = row(run)

    async def scenario(asker: Asker, to: OptionTarget) -> None:
        for suffix in ("", "-again"):
            await asker.ask(made, to, REQUEST, purpose="judge", suffix=suffix)
        await asker.finish(made)

    asking(run, said(), scenario=scenario)
    made.refresh_from_db()
    assert (made.attempts, made.cost_usd, made.charged_at_most_usd) == (2, 2 * COST, 2 * COST)
    assert log.count(run.project_id, log.EventFilter(run_id=str(run.pk))) == 2


def test_no_more_calls_at_once_than_the_run_allows(run: EvaluationRun) -> None:
    async def scenario(asker: Asker, to: OptionTarget) -> None:
        rows = [row(run, number) for number in range(12)]
        await together(asker.ask(each, to, REQUEST, purpose="replay") for each in rows)
        await together(asker.finish(each) for each in rows)

    there = asking(run, replace(said(), silence_s=0.01), scenario=scenario, concurrency=3)
    assert len(there.asked) == 12 and there.n_inside_most <= 3
    assert not ReplayCall.objects.filter(event_id="").exists()


@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b", "\udfff", "\U0001f600\u202e", "x" * 200_000])
def test_an_answer_of_awkward_characters_is_kept_and_logged(run: EvaluationRun, text: str) -> None:
    made = row(run)

    async def scenario(asker: Asker, to: OptionTarget) -> None:
        outcome = await asker.ask(made, to, REQUEST, purpose="replay")
        made.text = answer_text(outcome.response)
        await asker.finish(made)

    asking(run, said(text), scenario=scenario)
    made.refresh_from_db()
    assert made.state == "done" and made.text
    assert answer_text(log.event(run.project_id, made.event_id)["response"]) == made.text


def test_an_error_of_awkward_characters_is_kept_and_logged(run: EvaluationRun) -> None:
    made, _ = asked_once(run, error(400, "no \ud800 such \x00 field"))
    assert made.state == "failed" and made.event_id and "such" in made.error


def test_together_raises_the_first_problem_after_all_have_ended() -> None:
    ended: list[int] = []

    async def one(number: int) -> int:
        await asyncio.sleep(0.001 * number)
        ended.append(number)
        if number % 2:
            raise OutOfBudget(number)
        return number

    with pytest.raises(OutOfBudget, match="1"):
        asyncio.run(together(one(number) for number in range(5)))
    assert ended == [0, 1, 2, 3, 4]


def test_together_returns_the_results_in_their_order() -> None:
    async def one(number: int) -> int:
        await asyncio.sleep(0.001 * (3 - number))
        return number

    assert asyncio.run(together(one(number) for number in range(3))) == [0, 1, 2]


def outcome(cost: str | None, at_most: str, *, ok: bool = True) -> Outcome:
    known = None if cost is None else Decimal(cost)
    return Outcome("k", ok, factories.NOON, factories.NOON, cost_usd=known, charged_at_most_usd=Decimal(at_most))


@pytest.mark.parametrize(
    ("made", "cost", "at_most"),
    [
        ([outcome("1", "1"), outcome("2", "2")], Decimal(3), Decimal(3)),
        ([outcome(None, "5"), outcome("2", "2")], None, Decimal(7)),
        ([outcome("2", "2"), outcome(None, "5")], None, Decimal(7)),
        ([outcome("0", "0"), outcome("0", "0")], Decimal(0), Decimal(0)),
    ],
)
def test_a_cost_that_is_not_known_makes_the_sum_unknown_never_smaller(
    made: list[Outcome], cost: Decimal | None, at_most: Decimal
) -> None:
    booked = Judgement()
    for each in made:
        charge(booked, each)
    assert (booked.cost_usd, booked.charged_at_most_usd) == (cost, at_most)


def test_the_state_is_that_of_the_last_question_and_the_start_that_of_the_first() -> None:
    booked = Judgement()
    charge(booked, outcome("1", "1"))
    charge(booked, replace(outcome("0", "0", ok=False), error_code="timeout", error_sentence="No answer in time."))
    assert (booked.state, booked.error_code, booked.error) == ("failed", "timeout", "No answer in time.")
    assert booked.started_at == factories.NOON


def message(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", **fields}}]}


CALL = {"function": {"name": "refund", "arguments": '{"order": 7}'}}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"choices": []}, ""),
        ({"choices": "none"}, ""),
        ({"choices": [{"message": "four"}]}, ""),
        ({"error": {"message": "overloaded"}}, ""),
        (message(content="four"), "four"),
        (message(content=""), ""),
        (message(content=None), ""),
        (message(content=4), ""),
        (message(content=None, refusal="I will not."), "I will not."),
        (message(content="four", refusal="I will not."), "four"),
        (message(content=[{"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}]), "four"),
        (message(content=[{"type": "image_url"}, "loose", None, {"text": "four"}]), "four"),
        (message(content=[{"type": "text", "text": None}, {"text": "four"}]), "four"),
        (message(content="four", tool_calls=[]), "four"),
        (message(content="four", tool_calls="none"), "four"),
    ],
)
def test_judges_read_the_text_of_an_answer(answer: dict[str, Any] | None, text: str) -> None:
    assert answer_text(answer) == text


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ([CALL], {"name": "refund", "arguments": {"order": 7}}),
        ([CALL, CALL], [{"name": "refund", "arguments": {"order": 7}}] * 2),
        ([{"function": {"name": "refund", "arguments": "{broken"}}], {"name": "refund", "arguments": "{broken"}),
        ([{"function": {"name": "refund", "arguments": {"order": 7}}}], {"name": "refund", "arguments": {"order": 7}}),
        ([{"function": {"name": "refund"}}], {"name": "refund", "arguments": None}),
        ([{"function": "refund"}], {"name": "refund", "arguments": None}),
        ([{"function": None}], {"name": None, "arguments": None}),
        ([{}], {"name": None, "arguments": None}),
        (["refund", None, CALL], {"name": "refund", "arguments": {"order": 7}}),
        (["refund"], []),
    ],
)
def test_judges_read_tool_calls_as_json(calls: list[Any], shown: Any) -> None:
    assert json.loads(answer_text(message(content=None, tool_calls=calls))) == shown


def test_arguments_nested_beyond_reason_stay_text() -> None:
    deep = "[" * 100_000
    shown = json.loads(answer_text(message(tool_calls=[{"function": {"name": "f", "arguments": deep}}])))
    assert shown == {"name": "f", "arguments": deep}


def test_characters_are_not_escaped_so_that_a_judge_reads_what_a_person_reads() -> None:
    assert "Grüße" in answer_text(message(tool_calls=[{"function": {"name": "f", "arguments": '{"a": "Grüße"}'}}]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["content", "text", "tool_calls", "function", "name", "arguments", "refusal", "type"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_a_provider_answers_judges_get_text(said_: Any) -> None:
    assert isinstance(answer_text({"choices": [{"message": said_}]}), str)
