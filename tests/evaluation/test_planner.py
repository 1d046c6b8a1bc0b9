"""The planner's figures against hand-worked numbers: what one prompt costs over every lane and judge, and for whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import planner
from evaluation.models import EvaluationRun, SampledPrompt
from evaluation.planning import Forecast
from evaluation.runs import Wish
from netra.errors import Conflict, Invalid, NotFound
from netra.tokens import Tokens
from projects import log
from projects.models import Project
from projects.workloads import WorkloadEvent
from tests import factories

MICRO = Decimal("0.000001")
FREE = {"input": "0", "output": "0"}
OUT_ONLY = {"old": "0.000008", "new": "0.000004", "newer": "0.000002", "judge": "0.00001", "other-judge": "0.00002"}


@pytest.fixture
def market(project: Project, events: None) -> Project:
    """Options that charge for output alone: 8, 4 and 2 millionths of a dollar a token; judges 10 and 20."""
    factories.connection(project)
    for name, usd in OUT_ONLY.items():
        factories.supply_option(f"openai/{name}", price={"input": "0", "output": usd})
    return project


def wish(**changed: Any) -> Wish:
    given_: dict[str, Any] = {
        "name": "",
        "incumbent": "openai/old",
        "candidates": ["openai/new"],
        "judges": {"quality": ["openai/judge"]},
        "budget_usd": Decimal(1),
    }
    return Wish(**given_ | changed)


def asked(number: int, **fields: Any) -> WorkloadEvent:
    """A prompt of its own, at most 100 tokens of answer, 3 of them used."""
    request = factories.chat_request(f"What is {number} + {number}?", max_tokens=100)
    return factories.event(f"r-{number}", **{"request": request} | fields)


def plan(project: Project, *events: WorkloadEvent, **changed: Any) -> Forecast:
    log.write(project.pk, events or [asked(1)])
    return planner.plan(project, wish(**changed))


def test_the_likely_cost_is_every_lane_and_a_verdict_on_each(market: Project) -> None:
    """3 tokens at 8 µ$ and at 4 µ$, and two verdicts of 80 tokens at 10 µ$: 24 + 12 + 1,600."""
    assert plan(market).cost_likely_usd == 1_636 * MICRO


def test_the_worst_cost_is_every_attempt_in_full_and_each_verdict_asked_twice(market: Project) -> None:
    """100 tokens × 3 attempts at 8 and 4 µ$: 3,600; verdicts 500 tokens × 3 × 2 at 10 µ$, twice: 60,000."""
    assert plan(market).cost_at_most_usd == 63_600 * MICRO


def test_every_candidate_adds_a_lane_and_a_verdict(market: Project) -> None:
    """1,636 as above, 3 tokens at 2 µ$ and 80 at 10 µ$."""
    assert plan(market, candidates=["openai/new", "openai/newer"]).cost_likely_usd == 2_442 * MICRO


def test_every_judge_reads_every_lane(market: Project) -> None:
    """36 for the lanes; two lanes × 80 tokens × (10 + 20) µ$ = 4,800."""
    found = plan(market, judges={"quality": ["openai/judge", "openai/other-judge"]})
    assert found.cost_likely_usd == 4_836 * MICRO


def test_every_dimension_is_judged_apart(market: Project) -> None:
    """36 for the lanes, four verdicts of 800."""
    found = plan(market, judges={"quality": ["openai/judge"], "safety": ["openai/judge"]})
    assert found.cost_likely_usd == 3_236 * MICRO


def test_pairs_are_compared_in_two_orders_for_each_candidate(market: Project) -> None:
    """2,442 for three lanes as above; 2 candidates × 2 orders × 80 tokens at 20 µ$ = 6,400."""
    found = plan(market, candidates=["openai/new", "openai/newer"], pairwise="openai/other-judge")
    assert found.cost_likely_usd == 8_842 * MICRO


def test_a_comparison_at_worst_is_asked_twice_with_every_attempt(market: Project) -> None:
    """63,600 as above; 2 orders × 500 tokens × 3 × 2 at 20 µ$ = 120,000."""
    assert plan(market, pairwise="openai/other-judge").cost_at_most_usd == 183_600 * MICRO


def test_the_likely_cost_is_the_mean_over_prompts_times_the_pairs(market: Project) -> None:
    """Answers of 3 and of 13 tokens at 12 µ$ a token of both lanes, and two verdicts each: 1,636 + 1,756."""
    longer = asked(2, tokens=Tokens(input_fresh=12, output_visible=13))
    found = plan(market, asked(1), longer)
    assert (found.pairs, found.cost_likely_usd) == (2, 3_392 * MICRO)


@pytest.mark.parametrize(
    ("tokens", "counted"),
    [
        (Tokens(input_fresh=12, output_visible=3), 12),
        (Tokens(input_fresh=10, cache_read=5, cache_write_5m=2, cache_write_1h=1, output_visible=3), 18),
        (Tokens(cache_read=7, output_visible=3), 7),
        (Tokens(input_fresh=0, output_visible=3), 0),
        (Tokens(output_visible=3), 11),
    ],
)
def test_what_was_read_from_a_cache_is_fresh_input_elsewhere(market: Project, tokens: Tokens, counted: int) -> None:
    """Uncounted, the 47 characters of [{'role': 'user', 'content': 'What is 1 + 1?'}] make 47 // 4 = 11 tokens."""
    factories.supply_option("openai/reader", price={"input": "0.000002", "output": "0"})
    factories.supply_option("openai/free", price=FREE)
    factories.supply_option("openai/free-judge", price=FREE)
    lanes = {"incumbent": "openai/reader", "candidates": ["openai/free"], "judges": {"quality": ["openai/free-judge"]}}
    assert plan(market, asked(1, tokens=tokens), **lanes).cost_likely_usd == counted * 2 * MICRO


def test_an_answer_of_unknown_length_counts_three_hundred_tokens(market: Project) -> None:
    """300 × (8 + 4) + 1,600."""
    assert plan(market, asked(1, tokens=Tokens(input_fresh=12))).cost_likely_usd == 5_200 * MICRO


def test_a_call_without_an_answer_is_priced_all_the_same(market: Project) -> None:
    assert plan(market, asked(1, response=None)).cost_likely_usd == 1_636 * MICRO


def test_a_count_that_contradicts_itself_makes_the_likely_cost_unknown(market: Project) -> None:
    found = plan(market, asked(1, tokens=Tokens(input_fresh=12, output_visible=-3)))
    assert found.cost_likely_usd is None and found.cost_at_most_usd == 63_600 * MICRO


def test_models_that_are_free_cost_nothing_and_are_not_unknown(market: Project) -> None:
    for name in ("a", "b", "c"):
        factories.supply_option(f"openai/{name}", price=FREE)
    found = plan(market, incumbent="openai/a", candidates=["openai/b"], judges={"quality": ["openai/c"]})
    assert (found.pairs, found.cost_likely_usd, found.cost_at_most_usd) == (1, 0, 0)


def test_a_file_of_unknown_size_has_no_worst_case_so_the_budget_stands(market: Project) -> None:
    parts = [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}]
    request = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    found = plan(market, asked(1, request=request), budget_usd=Decimal(7))
    assert (found.pairs_certain, found.cost_at_most_usd) == (None, 7)


def test_a_budget_smaller_than_the_worst_case_is_the_most_it_can_cost(market: Project) -> None:
    """0.01 USD pay for six likely pairs of 0.001636, of which there is one; at worst for none of 0.0636."""
    found = plan(market, budget_usd=Decimal("0.01"))
    assert (found.pairs, found.pairs_certain, found.cost_at_most_usd) == (1, 0, Decimal("0.01"))


def test_the_population_is_of_distinct_prompts(market: Project) -> None:
    again = asked(1)
    found = plan(market, asked(1), asked(2), factories.event("the same", request=again.request))
    assert (found.population_size, found.pairs) == (2, 2)


def test_a_filter_on_the_sample_narrows_the_forecast(market: Project) -> None:
    billing = asked(1, metadata={"feature": "billing"})
    assert plan(market, billing, asked(2), asked(3), sampling={"kind": "billing"}).population_size == 1


def test_an_empty_log_is_a_forecast_of_nothing(market: Project) -> None:
    found = planner.plan(market, wish())
    assert (found.population_size, found.pairs, found.cost_likely_usd) == (0, 0, None)
    assert found.detectable_gap is None and not found.can_show_margin


def test_no_more_pairs_than_asked_for(market: Project) -> None:
    assert plan(market, *(asked(number) for number in range(9)), max_pairs=4).pairs == 4


def test_a_wider_margin_needs_fewer_pairs_and_is_easier_to_show(market: Project) -> None:
    calls = [asked(number) for number in range(60)]
    narrow, wide = (plan(market, *calls, max_pairs=20, thresholds={"margin_quality": margin}) for margin in (0.05, 0.5))
    assert narrow.pairs_for_margin and wide.pairs_for_margin and wide.pairs_for_margin < narrow.pairs_for_margin
    assert wide.can_show_margin and not narrow.can_show_margin


def test_without_thresholds_the_margin_is_two_points_at_five_percent(market: Project) -> None:
    calls = [asked(number) for number in range(60)]
    said = {"margin_quality": 0.02, "alpha": 0.05}
    assert (
        plan(market, *calls) == plan(market, *calls, thresholds=said) != plan(market, *calls, thresholds={"alpha": 0.2})
    )


def test_only_forty_prompts_are_priced_however_many_there_are(market: Project) -> None:
    """The mean of any 40 of 60 alike is the price of one: 40 pairs cost 40 × 1,636."""
    found = plan(market, *(asked(number) for number in range(60)), max_pairs=40)
    assert (found.population_size, found.cost_likely_usd) == (60, 40 * 1_636 * MICRO)


def test_planning_writes_nothing_and_calls_nobody(market: Project) -> None:
    plan(market)
    assert not EvaluationRun.objects.exists() and not SampledPrompt.objects.exists()
    assert log.count(market.pk, log.EventFilter()) == 1


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        ({"candidates": ["openai/nowhere"]}, NotFound, "no supply option 'openai/nowhere'"),
        ({"judges": {"quality": ["nobody"]}}, NotFound, "'nobody'"),
        ({"pairwise": "nobody"}, NotFound, "'nobody'"),
        ({"incumbent": ""}, Invalid, "option in use today"),
        ({"budget_usd": Decimal("Infinity")}, Invalid, "at least 0.000001 USD"),
        ({"thresholds": {"margin_quality": float("nan")}}, Invalid, "Margins lie between 0 and 1"),
        ({"sampling": {"since": "soon"}}, Invalid, "time with its zone"),
    ],
)
def test_what_could_not_be_started_cannot_be_planned(
    market: Project, changed: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        plan(market, **changed)


@pytest.mark.parametrize("role", ["incumbent", "candidates", "judges", "pairwise"])
def test_a_model_without_a_price_is_refused_wherever_it_stands(market: Project, role: str) -> None:
    factories.supply_option("openai/unpriced", price=None)
    name = "openai/unpriced"
    changed = {"incumbent": name, "candidates": [name], "judges": {"quality": [name]}, "pairwise": name}[role]
    with pytest.raises(Conflict, match="price of openai/unpriced is not known"):
        plan(market, **{role: changed})


def test_a_model_that_no_connection_leads_to_is_refused(market: Project) -> None:
    factories.supply_option("elsewhere/m")
    with pytest.raises(Conflict, match="No connection leads to elsewhere/m"):
        plan(market, candidates=["elsewhere/m"])


def test_a_stranger_s_traffic_and_models_are_not_in_the_forecast(market: Project) -> None:
    other = factories.project("other")
    log.write(other.pk, [asked(number) for number in range(5)])
    factories.supply_option("openai/theirs", project=other)
    assert plan(market).population_size == 1
    with pytest.raises(NotFound, match="openai/theirs"):
        plan(market, candidates=["openai/theirs"])


def test_a_stranger_s_connection_is_not_used(project: Project, events: None) -> None:
    factories.connection(factories.project("other"))
    for name in ("old", "new", "judge"):
        factories.supply_option(f"openai/{name}")
    with pytest.raises(Conflict, match="No connection"):
        planner.plan(project, wish())


@pytest.mark.parametrize(
    "request_",
    [
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"content": [{"type": "text", "text": None}, 5, None]}]},
        {"messages": [{"role": 7, "content": {"a": "b"}}], "tools": "none"},
        {"messages": [{"role": "user", "content": "a\x00b\u202e"}], "max_tokens": "lots", "n": -4},
        {"messages": [{"role": "user", "content": "x"}], "max_tokens": True, "service_tier": ["gold"]},
    ],
)
def test_a_misshapen_request_is_priced_not_stumbled_over(market: Project, request_: dict[str, Any]) -> None:
    found = plan(market, asked(1, request=request_))
    assert found.population_size == 1 and found.cost_likely_usd == 1_636 * MICRO


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"function": "refund"}]},
        {"tool_calls": [{"function": {"name": None, "arguments": ["x"]}}]},
        {"tool_calls": ["refund", None]},
        {"content": [{"type": "text", "text": None}]},
        {"content": 5},
    ],
)
def test_a_misshapen_answer_is_priced_not_stumbled_over(market: Project, message: dict[str, Any]) -> None:
    answer = {"choices": [{"message": message}]}
    assert plan(market, asked(1, response=answer)).cost_likely_usd == 1_636 * MICRO


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(budget=st.decimals("0.0001", "100", places=4), most=st.integers(1, 100), seed=st.integers(0, 2**63 - 1))
def test_whatever_is_asked_the_most_is_within_the_budget_and_no_less_than_likely(
    market: Project, budget: Decimal, most: int, seed: int
) -> None:
    found = plan(market, *(asked(number) for number in range(5)), budget_usd=budget, max_pairs=most, seed=seed)
    assert found.cost_likely_usd is not None and found.cost_likely_usd <= found.cost_at_most_usd <= budget
    assert found.pairs_certain is not None and found.pairs_certain <= found.pairs <= min(most, 5)
