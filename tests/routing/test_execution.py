"""Making a call over a real socket: what comes back, what is tried again, and what every attempt cost."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

import pytest

from netra.prices import Rates
from netra.tokens import Tokens
from routing import execution
from routing.calls import worst_case_usd
from tests.routing.scripted import CANARY, Step, call, error, paid, piece, provider, said, streamed, target

D = Decimal
COST = D("0.000018")  # 12 × 1 µ$ + 3 × 2 µ$


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "BACKOFF_S", 0.002)


async def test_a_good_answer() -> None:
    async with provider(said("four")) as there:
        outcome = await execution.run(call(target(there.base_url)))
    assert outcome.ok and outcome.text == "four"
    assert (outcome.finish_reason, outcome.http_status, outcome.is_refusal) == ("stop", 200, False)
    assert outcome.tokens == Tokens(input_fresh=12, output_visible=3)
    assert outcome.cost_usd == outcome.charged_at_most_usd == COST
    assert (outcome.served_model, outcome.provider_response_id) == ("foo-2026-01-01", "chatcmpl-9")
    assert [attempt.number for attempt in outcome.attempts] == [1]


async def test_the_request_goes_out_as_it_is_with_model_key_and_headers() -> None:
    request = {"temperature": 0.3, "tools": [{"type": "function"}], "x_unknown": {"a": [1]}, "seed": 7}
    async with provider(said()) as there:
        await execution.run(call(target(there.base_url, headers={"X-Team": "red"}), request=request))
    assert there.asked[0] == {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "model": "foo", **request}
    assert there.headers[0]["authorization"] == f"Bearer {CANARY}"
    assert there.headers[0]["x-team"] == "red"
    assert there.paths == ["/v1/chat/completions"]


async def test_characters_that_utf8_refuses_are_sent_escaped() -> None:
    async with provider(said()) as there:
        request = {"messages": [{"role": "user", "content": "a\ud800b ünïcode"}]}
        outcome = await execution.run(call(target(there.base_url), request=request))
    assert outcome.ok
    assert there.asked[0]["messages"][0]["content"] == "a\ud800b ünïcode"


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    async with provider(error(status), said()) as there:
        outcome = await execution.run(call(target(there.base_url)))
    assert outcome.ok and len(outcome.attempts) == 2
    assert outcome.attempts[0].http_status == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
async def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    async with provider(error(status), said()) as there:
        outcome = await execution.run(call(target(there.base_url)))
    assert not outcome.ok and len(outcome.attempts) == 1 and len(there.asked) == 1
    assert outcome.charged_at_most_usd == outcome.cost_usd == 0
    assert str(status) in (outcome.error_sentence or "")


async def test_attempts_are_counted_and_end() -> None:
    async with provider(error(500)) as there:
        outcome = await execution.run(call(target(there.base_url), max_attempts=3))
    assert not outcome.ok and len(there.asked) == 3
    assert outcome.error_code == "provider_error"


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Step(body=b'{"choices": [{"mess', headers={"Content-Type": "application/json"}), "malformed"),
        (Step(body=b"[]"), "malformed"),
        (Step(body=b"<html>"), "malformed"),
        (Step(body=b'{"choices": []}'), "malformed"),
        (Step(body=b'{"choices": [{"message": null}]}'), "malformed"),
        (Step(body=b'{"error": {"message": "overloaded"}}'), "error_in_answer"),
        (Step(body=said().body, cut=40), "cut_answer"),
        (Step(hang_up=True), "disconnected"),
        (Step(502, b"Bad gateway"), "provider_error"),
        (Step(500, b"<html>proxy</html>"), "provider_error"),
        (streamed(piece({"content": "4"}), done=False), "cut_stream"),
        (streamed(piece({"content": "4"}), done=True), "cut_stream"),
        (Step(body=b"data: {half\n\n", headers={"Content-Type": "text/event-stream"}), "cut_stream"),
        (Step(body=streamed(piece({"content": "four"}, "stop")).body, cut=30,
              headers={"Content-Type": "text/event-stream"}), "cut_answer"),
    ],
)  # fmt: skip
async def test_an_attempt_whose_payment_is_in_doubt_is_booked_at_its_worst(step: Step, code: str) -> None:
    async with provider(step, said()) as there:
        made = call(target(there.base_url))
        outcome = await execution.run(made)
    worst = worst_case_usd(made, made.option)
    assert worst is not None
    assert outcome.ok and outcome.attempts[0].error_code == code
    assert paid(outcome.attempts) == [None, True]
    assert outcome.cost_usd is None, "the whole cost is not known"
    assert outcome.charged_at_most_usd == worst + COST


async def test_silence_ends_at_the_deadline_and_is_booked() -> None:
    async with provider(Step(silence_s=30)) as there:
        made = call(target(there.base_url), deadline_s=0.05, max_attempts=2)
        outcome = await execution.run(made)
    assert outcome.error_code == "timeout" and paid(outcome.attempts) == [None, None]
    assert outcome.charged_at_most_usd == 2 * (worst_case_usd(made, made.option) or 0)


@pytest.mark.parametrize("step", [error(500), error(503), error(429), error(400)])
async def test_what_the_provider_itself_says_failed_costs_nothing(step: Step) -> None:
    async with provider(step) as there:
        outcome = await execution.run(call(target(there.base_url), max_attempts=2))
    assert outcome.cost_usd == outcome.charged_at_most_usd == 0


async def test_a_server_that_is_not_there_costs_nothing() -> None:
    async with provider(said()) as there:
        base_url = there.base_url
    outcome = await execution.run(call(target(base_url), max_attempts=2))
    assert outcome.error_code == "unreachable" and len(outcome.attempts) == 2
    assert outcome.cost_usd == outcome.charged_at_most_usd == 0


async def test_an_address_that_is_none_ends_as_an_outcome() -> None:
    outcome = await execution.run(call(target("http://[broken")))
    assert not outcome.ok and outcome.charged_at_most_usd == 0


async def test_without_usage_the_cost_is_unknown_and_booked_at_its_worst() -> None:
    async with provider(said(usage=None)) as there:
        made = call(target(there.base_url))
        outcome = await execution.run(made)
    assert outcome.ok and outcome.cost_usd is None
    assert outcome.charged_at_most_usd == worst_case_usd(made, made.option)


@pytest.mark.parametrize("usage", [{"prompt_tokens": "many"}, {"prompt_tokens": -4, "completion_tokens": 1}, [], 3])
async def test_usage_that_is_no_count_is_not_believed(usage: Any) -> None:
    async with provider(said(usage=usage)) as there:
        made = call(target(there.base_url))
        outcome = await execution.run(made)
    assert outcome.ok and outcome.cost_usd is None
    assert outcome.charged_at_most_usd == worst_case_usd(made, made.option)


async def test_cached_input_is_priced_as_such() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 100,
             "prompt_tokens_details": {"cached_tokens": 60}}  # fmt: skip
    rates = Rates(input=D("0.000001"), output=D("0.000002"), cache_read=D("0.0000001"))
    async with provider(said(usage=usage)) as there:
        outcome = await execution.run(call(target(there.base_url, rates=rates)))
    assert outcome.cost_usd == D("0.000046")  # 40 × 1 + 60 × 0.1


async def test_the_service_that_served_sets_the_price() -> None:
    rates = Rates(input=D(1), output=D(1), services={"flex": Rates(input=D("0.5"), output=D("0.5"))})
    async with provider(said(service_tier="flex")) as there:
        outcome = await execution.run(call(target(there.base_url, rates=rates)))
    assert outcome.cost_usd == D("7.5")


class Purse:
    """A budget that lets some attempts through."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.asked: list[tuple[int, Decimal]] = []

    async def __call__(self, number: int, worst_usd: Decimal) -> bool:
        self.asked.append((number, worst_usd))
        return len(self.asked) <= self.n


async def test_each_attempt_is_asked_for_before_it_is_sent() -> None:
    purse = Purse(1)
    async with provider(error(500)) as there:
        made = call(target(there.base_url))
        outcome = await execution.run(made, purse)
    assert outcome.error_code == "budget_exhausted"
    assert len(there.asked) == 1 and [number for number, _ in purse.asked] == [1, 2]
    assert purse.asked[0][1] == worst_case_usd(made, made.option)


async def test_a_plain_function_may_refuse_too() -> None:
    async with provider(said()) as there:
        outcome = await execution.run(call(target(there.base_url)), lambda _number, _worst: False)
    assert outcome.error_code == "budget_exhausted" and there.asked == [] and outcome.attempts == ()
    assert outcome.cost_usd == 0


async def test_a_call_without_a_bound_is_not_made() -> None:
    request = {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}
    async with provider(said()) as there:
        outcome = await execution.run(call(target(there.base_url), request=request))
    assert outcome.error_code == "cost_unbounded" and there.asked == []


@pytest.mark.parametrize(
    "header", [{"Retry-After": "0.04"}, {"retry-after-ms": "40"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}]
)
async def test_retry_after_is_honoured(header: dict[str, str]) -> None:
    async with provider(error(429, **header), said()) as there:
        outcome = await execution.run(call(target(there.base_url)))
    assert outcome.ok and outcome.attempts[0].error_code == "rate_limited"


def test_pauses_grow_and_have_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "BACKOFF_S", 0.5)
    assert execution.pause_s(1, 10_000) <= execution.RETRY_AFTER_CAP_S + 0.1
    assert execution.pause_s(1, 3) >= 3
    for attempt in range(1, 40):
        assert 0 < execution.pause_s(attempt, None) <= execution.BACKOFF_CAP_S


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async with (
        provider(said()) as elsewhere,
        provider(Step(307, headers={"Location": elsewhere.base_url})) as there,
    ):
        outcome = await execution.run(call(target(there.base_url)))
    assert not outcome.ok and elsewhere.asked == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "I'm sorry, but I can't help with that."}, True),
        ({"content": None, "refusal": "No."}, True),
        ({"content": "The answer is 4."}, False),
        ({"content": None, "tool_calls": [{"id": "1"}]}, False),
    ],
)
async def test_refusals_are_seen(message: dict[str, Any], expected: bool) -> None:
    choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}]
    async with provider(said(choices=choices)) as there:
        outcome = await execution.run(call(target(there.base_url)))
    assert outcome.is_refusal is expected


@pytest.mark.parametrize(
    "step",
    [
        error(401, f"Incorrect API key provided: {CANARY}"),
        error(400, f"bad {CANARY} header sk-abcdefghijkl"),
        Step(body=b'{"error": {"message": "' + CANARY.encode() + b'"}}'),
        Step(hang_up=True),
    ],
)
async def test_no_key_in_outcomes_or_logs(step: Step, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with provider(step) as there:
        to = target(there.base_url, headers={"X-Other": f"{CANARY}-2"})
        made = call(to, max_attempts=2)
        outcome = await execution.run(made)
    assert not outcome.ok
    for text in (repr(outcome), caplog.text, repr(to), repr(made)):
        assert CANARY not in text and "sk-abcdefghijkl" not in text


async def test_cancelling_frees_the_place() -> None:
    async with provider(Step(silence_s=30), said()) as there:
        to = target(there.base_url, max_concurrency=1)
        stuck = asyncio.create_task(execution.run(call(to)))
        while not there.asked:
            await asyncio.sleep(0.01)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        assert (await execution.run(call(to))).ok


async def test_never_more_at_once_than_the_connection_allows() -> None:
    async with provider(Step(body=said().body, silence_s=0.02)) as there:
        to = target(there.base_url, max_concurrency=3)
        outcomes = await asyncio.gather(*(execution.run(call(to, call_key=f"k-{n}")) for n in range(15)))
    assert all(outcome.ok for outcome in outcomes)
    assert there.n_inside_most <= 3
