"""The simulated world keeps what its description promises: rates, prices, flaws and labels, measured and by hand."""

from __future__ import annotations

import asyncio
import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.simulation import judge, personas, traffic
from netra.simulation.personas import PERSONAS, as_message, as_text, count_tokens, true_mean
from netra.simulation.provider import SimulatedProvider
from netra.simulation.tasks import FAMILIES, REFUSAL, UNITS, find, make

UNTIL = datetime(2026, 11, 2, tzinfo=UTC)
HARMLESS = sorted(set(FAMILIES) - {"refusal"})
DESCRIPTION = (Path(__file__).parents[2] / "docs" / "simulated-world.md").read_text()
names, families, seeds = st.sampled_from(sorted(PERSONAS)), st.sampled_from(sorted(FAMILIES)), st.integers(0, 10**6)


def sample(n: int, among: Any = tuple(FAMILIES)) -> list[Any]:
    return [make(among[number % len(among)], 50_000 + number) for number in range(n)]


def within(found: float, share: float, n: int) -> bool:
    """Four standard deviations of a binomial share, either side."""
    return abs(found - share) <= 4 * math.sqrt(share * (1 - share) / n) + 1e-9


# Tasks, worked out again from their words alone.


@given(seeds)
def test_arithmetic_is_what_its_words_say(seed: int) -> None:
    task = make("arithmetic", seed)
    pallets, boxes, loose = (int(number) for number in re.findall(r"\d+", task.prompt))
    assert int(task.right) == pallets * boxes + loose != int(task.wrong)


@given(seeds)
def test_the_last_day_of_payment_is_so_many_days_later(seed: int) -> None:
    task = make("dates", seed)
    written, days = re.search(r"dated (.+?) is payable within (\d+) days", task.prompt).groups()  # type: ignore[union-attr]
    start = datetime.strptime(written, "%d %B %Y").date()  # noqa: DTZ007
    assert task.right == (start + timedelta(days=int(days))).isoformat()


@given(seeds)
def test_units_are_converted_by_the_table(seed: int) -> None:
    task = make("units", seed)
    amount, source, target = re.search(r"Convert (\d+) (\w+) to (.+?),", task.prompt).groups()  # type: ignore[union-attr]
    [factor] = [factor for one, other, factor in UNITS if (one, other) == (source, target)]
    assert float(task.right) == pytest.approx(int(amount) * factor, abs=0.05)


@given(seeds)
def test_an_extraction_s_values_all_stand_in_its_text(seed: int) -> None:
    task = make("extraction", seed)
    right, wrong = json.loads(task.right), json.loads(task.wrong)
    assert all(str(value) in task.prompt for value in [*right.values(), wrong["recipient"]])
    assert right["recipient"] != wrong["recipient"]


@given(families, seeds)
def test_right_and_wrong_differ_for_any_seed(family: str, seed: int) -> None:
    task = make(family, seed)
    assert (task.grade(task.right), task.grade(task.wrong)) == (1.0, 0.0)


@pytest.mark.parametrize(
    "text", ["Ref: dates-" + "9" * 5_000, "Ref: dates-", "Ref: dates--1", "Ref: DATES-1", "Ref: -1"]
)
def test_a_reference_that_is_none_is_no_task(text: str) -> None:
    assert find(text) is None


# Models do as well as they claim.


@pytest.mark.parametrize("name", sorted(PERSONAS))
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_model_is_as_able_in_each_family_as_it_claims(name: str, family: str) -> None:
    tasks = [make(family, seed) for seed in range(1_500)]
    found = sum(PERSONAS[name].is_right(task) for task in tasks) / len(tasks)
    assert within(found, PERSONAS[name].skill_in(family), len(tasks))


def test_needless_refusals_come_as_often_as_stated_and_only_from_whom_it_is_said() -> None:
    tasks = sample(3_000, HARMLESS)
    refused = {name: sum(each.answer(task) == REFUSAL for task in tasks) / 3_000 for name, each in PERSONAS.items()}
    assert within(refused.pop("sim-refuser"), 0.12, 3_000)
    assert set(refused.values()) == {0.0}


def test_the_reckless_one_helps_with_two_thirds_of_what_should_be_refused() -> None:
    tasks = [make("refusal", seed) for seed in range(2_000)]
    assert within(true_mean("sim-reckless", tasks), 0.35, 2_000)
    assert true_mean("sim-large", tasks) > 0.97


def test_the_talkative_one_is_right_as_often_and_scores_less() -> None:
    tasks = [make("units", seed) for seed in range(2_000)]
    # Right 0.95 of the time; half of those in the wrong form: 0.95 × (0.5 × 1 + 0.5 × 0.3) = 0.6175.
    assert true_mean("sim-chatty", tasks) == pytest.approx(0.6175, abs=0.03)


def test_the_flaky_one_fails_one_call_in_ten_and_the_others_never() -> None:
    requests = [f"request-{number}" for number in range(3_000)]
    failing = {name: sum(map(each.is_failing, requests)) / 3_000 for name, each in PERSONAS.items()}
    assert within(failing.pop("sim-flaky"), 0.10, 3_000)
    assert set(failing.values()) == {0.0}


def test_what_the_demo_rests_on_is_true() -> None:
    tasks = sample(4_500)
    means = {name: true_mean(name, tasks) for name in ("sim-large", "sim-medium", "sim-small", "sim-bargain")}
    assert abs(means["sim-medium"] - means["sim-large"]) < 0.01, "as good, so that switching is right"
    assert means["sim-large"] - means["sim-small"] > 0.03 and means["sim-small"] - means["sim-bargain"] > 0.15


@given(names, families, seeds, st.integers(1, 400))
def test_the_first_token_comes_before_the_last_and_longer_answers_later(
    name: str, family: str, seed: int, n: int
) -> None:
    task, persona = make(family, seed), PERSONAS[name]
    first, total = persona.latency_ms(task, n)
    assert 0 < first < total < persona.latency_ms(task, n + 1)[1]


@given(names, families, seeds)
def test_an_answer_survives_being_a_message(name: str, family: str, seed: int) -> None:
    task = make(family, seed)
    said = PERSONAS[name].answer(task)
    assert task.grade(as_text(as_message(task, said))) == task.grade(said)


# The description.


def test_every_model_of_the_description_is_there_and_no_other() -> None:
    rows = [line for line in DESCRIPTION.splitlines() if line.startswith("| sim-")]
    assert {name for row in rows for name in re.findall(r"sim-[a-z]+", row)} == set(PERSONAS)
    assert set(re.findall(r"`(sim-judge[a-z-]*)`", DESCRIPTION)) == set(judge.FLAWS) == set(personas.JUDGES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_of_tasks_is_described(family: str) -> None:
    assert {"tool": "tool calls", "refusal": "refusal of"}.get(family, family) in " ".join(DESCRIPTION.split())


# Judges err as often as stated.


def case(task: Any, **answers: str) -> str:
    return json.dumps({"conversation": task.messages(), "criterion": "quality", **answers}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "share"), [("sim-judge", 0.02), ("sim-judge-noisy", 0.20), ("sim-judge-biased", 0.02)]
)
def test_a_judge_s_verdicts_are_off_as_often_as_stated(name: str, share: float) -> None:
    tasks = sample(2_000, HARMLESS)
    scores = [json.loads(judge.reply(name, case(task, answer=task.wrong), None))["score"] for task in tasks]
    # A wrong answer is worth 0; a moved verdict shows only when it moves up, which half of them do.
    assert within(sum(score > 0 for score in scores) / 2_000, share / 2, 2_000)
    assert all(0 <= score <= 0.4 for score in scores)


def test_the_biased_judge_is_fair_in_neither_order_and_the_plain_one_in_both() -> None:
    tasks = sample(1_500, HARMLESS)
    for name, share in (("sim-judge", 0.0), ("sim-judge-biased", 0.35)):
        prompts = [case(task, answer_a=task.wrong, answer_b=task.right) for task in tasks]
        won = sum(json.loads(judge.reply(name, prompt, None))["winner"] == "A" for prompt in prompts)
        assert within(won / 1_500, share, 1_500)


def test_the_broken_judge_is_unreadable_as_often_as_stated() -> None:
    replies = [judge.reply("sim-judge-broken", case(task, answer=task.right), None) for task in sample(1_500, HARMLESS)]
    assert within(sum(text == judge.UNREADABLE for text in replies) / 1_500, 0.20, 1_500)


@pytest.mark.parametrize(
    ("score", "expected"),
    [({"minimum": 1, "maximum": 5, "type": "integer"}, 5), ({"minimum": 0, "maximum": 10}, 10.0), ({}, 1.0), (3, 1.0)],
)
def test_a_right_answer_gets_the_best_mark_of_any_scale(score: Any, expected: float) -> None:
    task = make("dates", 1)
    found = judge.reply("sim-judge", case(task, answer=task.right), {"properties": {"score": score}})
    assert json.loads(found)["score"] == expected


@pytest.mark.parametrize(
    "schema", ["x", [1], {"properties": "x"}, {"properties": {"score": {"minimum": "low"}}}, {"properties": None}]
)
def test_a_schema_that_is_none_changes_no_verdict(schema: Any) -> None:
    task = make("dates", 1)
    assert json.loads(judge.reply("sim-judge", case(task, answer=task.right), schema))["score"] == 1.0


@pytest.mark.parametrize("answer", ["\ud800", "\x00", "}" * 50, '"}', "Ref: dates-2", "x" * 10_000])
def test_no_answer_breaks_a_judge(answer: str) -> None:
    task = make("dates", 1)
    assert json.loads(judge.reply("sim-judge", case(task, answer=answer), None))["score"] < 1


# Prices, and what the traffic cost.


def test_the_catalog_s_prices_are_the_models_own_by_hand() -> None:
    listed = {each.model: each for each in personas.catalog()}
    # sim-large: 2.50 and 10.00 USD per million; cached input at half of 2.50.
    large = listed["sim-large"]
    assert (large.input, large.output) == (Decimal("0.0000025"), Decimal("0.00001"))
    assert large.cache_read == Decimal("0.00000125")
    assert set(listed) == {*PERSONAS, *judge.FLAWS}


def successes(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call for call in calls if call["outcome"] == "ok"]


@pytest.mark.parametrize("incumbent", ["sim-large", "sim-bargain"])
def test_every_logged_cost_is_its_tokens_at_their_price(incumbent: str) -> None:
    persona = PERSONAS[incumbent]
    for call in successes(list(traffic.calls(seed=5, n=300, incumbent=incumbent, until=UNTIL))):
        usage = call["usage"]
        exact = usage["prompt_tokens"] * Decimal(persona.input_usd) + usage["completion_tokens"] * Decimal(
            persona.output_usd
        )
        assert Decimal(call["cost_usd"]) * 1_000_000 == exact
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_what_the_log_says_the_model_said_is_what_it_says() -> None:
    calls = successes(list(traffic.calls(seed=6, n=400, incumbent="sim-small", until=UNTIL)))
    scores = []
    for call in calls:
        task = find(call["request"]["messages"][-1]["content"])
        assert task is not None and call["tags"] == [task.family]
        said = as_text(call["response"]["choices"][0]["message"])
        assert said == as_text(as_message(task, PERSONAS["sim-small"].answer(task)))
        scores.append(task.grade(said))
    tasks = [find(call["request"]["messages"][-1]["content"]) for call in calls]
    assert sum(scores) / len(scores) == pytest.approx(true_mean("sim-small", tasks))  # type: ignore[arg-type]


def test_calls_fail_as_often_as_stated_and_a_flaky_model_more() -> None:
    for incumbent, share in (("sim-large", 0.012), ("sim-flaky", 0.112)):
        calls = list(traffic.calls(seed=7, n=2_500, incumbent=incumbent, until=UNTIL))
        assert within(1 - len(successes(calls)) / 2_500, share, 2_500)
        assert all("usage" not in call and "cost_usd" not in call for call in calls if call["outcome"] != "ok")


def test_all_calls_lie_in_the_thirty_days_oldest_first_each_with_its_own_name() -> None:
    calls = list(traffic.calls(seed=8, n=1_000, incumbent="sim-large", until=UNTIL))
    times = [datetime.fromisoformat(call["started_at"]) for call in calls]
    assert times == sorted(times) and UNTIL - timedelta(days=30) <= times[0] and times[-1] <= UNTIL
    assert len({call["id"] for call in calls}) == 1_000


def test_two_seeds_are_two_months() -> None:
    first, second = (list(traffic.calls(seed=seed, n=50, incumbent="sim-large", until=UNTIL)) for seed in (1, 2))
    assert not {call["id"] for call in first} & {call["id"] for call in second}


# The provider, asked without a socket.


def served(request: Any, *, path: str = "/v1/chat/completions", method: str = "POST") -> tuple[int, Any]:
    """Status and body; the headers must carry the label whatever the answer."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"authorization", b"Bearer any")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(request).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(SimulatedProvider(time_scale=0)(scope, receive, send))
    assert (b"x-simulated", b"true") in sent[0]["headers"]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(set(PERSONAS) - {"sim-flaky"})), families, seeds)
def test_what_is_served_earns_what_the_truth_says(name: str, family: str, seed: int) -> None:
    task = make(family, seed)
    status, body = served(task.request(name))
    message = json.loads(body)["choices"][0]["message"]
    assert status == 200
    assert task.grade(as_text(message)) == PERSONAS[name].expected_score(task)


def test_usage_is_four_characters_a_token_by_hand() -> None:
    messages = [{"role": "user", "content": "abcd"}]
    # [{"role": "user", "content": "abcd"}] has 37 characters: 10 tokens; the honest answer 53: 14.
    body = json.loads(served({"model": "sim-large", "messages": messages})[1])
    said = body["choices"][0]["message"]["content"]
    assert (len(json.dumps(messages)), len(said)) == (37, 53)
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (10, 14)
    assert count_tokens("a" * 37) == 10


GOOD = make("dates", 1).request("sim-large")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ["sim-large"]},
        {"model": {}},
        {"model": None},
        {"messages": [{"role": "user", "content": "Ref: dates-" + "9" * 5_000}]},
        {"messages": [{"role": "user", "content": "\ud800 Ref: dates-1"}]},
        {"messages": [{"role": "user", "content": 5}, {"role": [], "content": {}}]},
        {"stream": True, "stream_options": "all"},
        {"response_format": "json"},
        {"response_format": {"json_schema": "x"}, "model": "sim-judge"},
        {"response_format": "json", "model": "sim-judge"},
        {"tools": 5, "temperature": "hot", "seed": {}},
    ],
    ids=lambda changes: json.dumps(changes)[:50],
)
def test_no_request_breaks_the_provider(changes: dict[str, Any]) -> None:
    assert served(GOOD | changes)[0] in (200, 400, 404)


@pytest.mark.parametrize(("path", "method"), [("/v1/chat/completions", "GET"), ("/v1/models", "POST"), ("/", "GET")])
def test_unknown_paths_are_refused_in_openai_s_shape(path: str, method: str) -> None:
    status, body = served(GOOD, path=path, method=method)
    assert status == 404 and json.loads(body)["error"]["code"] == "unknown_url"
