"""What can be done with a log: counts and shares by reason, with examples; sums of what is known only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from netra.tokens import Tokens
from projects import ledger_reading, log
from projects.ledger_reading import Standing, standing
from projects.log import EventFilter
from projects.models import Project
from tests import factories
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ALL = EventFilter()
# Without a catalog nothing is priced but what is told here.
FREE: dict[str, Any] = {"outcome": "cached", "flags": frozenset({"response_cache_hit"})}


def test_nothing_is_known_of_nothing(project: Project) -> None:
    found = standing(project.pk, ALL)
    assert (found.all.n_calls, found.all.spent_usd, found.costs.residual_usd) == (0, None, None)


def test_reasons_are_counted_with_their_spend_and_examples(project: Project) -> None:
    one = factories.event("cut-1", flags=frozenset({"truncated_request"}), cost_recorded_usd=Decimal(2))
    cut = [one, replace(one, source_record_id="cut-2", started_at=NOON + timedelta(hours=1))]
    ids = log.write(project.pk, [*cut, factories.event("whole", cost_recorded_usd=Decimal(6))]).ids
    found = standing(project.pk, ALL)
    (reason,) = found.reasons
    assert (reason.code, reason.amount.n_calls, reason.amount.spent_usd) == ("truncated", 2, Decimal(4))
    assert {event_id for _, event_id in reason.examples} == set(ids[:2])
    assert (found.replayable.n_calls, found.all.spent_usd) == (1, Decimal(10))


def test_a_call_with_two_reasons_counts_for_both_and_once_in_the_sum(project: Project) -> None:
    given = factories.event("r", flags=frozenset({"truncated_request", "synthetic"}))
    log.write(project.pk, [given])
    found = standing(project.pk, ALL)
    assert sorted(each.code for each in found.reasons) == ["synthetic", "truncated"]
    assert found.blocked.n_calls == found.all.n_calls == 1


def test_replayable_without_a_cost_says_which_part_is_missing(project: Project) -> None:
    log.write(project.pk, [factories.event("priceless"), factories.event("uncounted", tokens=Tokens())])
    found = standing(project.pk, ALL)
    assert {each.code: each.amount.n_calls for each in found.cost_reasons} == {"price_unknown": 1, "no_usage": 1}
    assert found.comparable.n_calls == 0


def test_residuals_sum_over_calls_of_which_both_are_known(project: Project) -> None:
    factories.supply_option("openai/gpt-x", price={"input": "0.000001", "output": "0.000001"})
    priced = {"requested_model": "gpt-x", "served_model": "gpt-x", "tokens": Tokens(input_fresh=10, output_visible=10)}
    given = [factories.event("over", cost_recorded_usd=Decimal("0.00003"), **priced)]
    given += [
        factories.event("under", cost_recorded_usd=Decimal("0.00001"), **priced),
        factories.event("bare", **priced),
    ]
    log.write(project.pk, [*given, factories.event("other", cost_recorded_usd=Decimal(9))])
    costs = standing(project.pk, ALL).costs
    assert (costs.n_both, costs.n_computed_only, costs.n_recorded_only) == (2, 1, 1)
    assert (costs.residual_usd, costs.absolute_usd) == (0, Decimal("0.00002"))


def test_the_model_that_is_widest_apart_comes_first(project: Project) -> None:
    factories.supply_option("openai/gpt-x")
    near = {"requested_model": "gpt-x", "served_model": "gpt-x"}
    ids = log.write(project.pk, [factories.event("r", cost_recorded_usd=Decimal(1), **near), factories.event("s")]).ids
    (row,) = ledger_reading.by_model(project.pk, ALL)
    assert (row["model"], row["example"], row["n_calls"]) == ("gpt-x", ids[0], 1)


def test_judges_and_replays_are_no_traffic(project: Project) -> None:
    log.write(project.pk, [factories.event("r", purpose="replay"), factories.event("j", purpose="judge")])
    assert standing(project.pk, ALL).all.n_calls == 0


def test_a_response_cache_costs_nothing_and_is_no_baseline(project: Project) -> None:
    log.write(project.pk, [factories.event("r", **FREE)])
    found = standing(project.pk, ALL)
    assert [each.code for each in found.reasons] == ["cached_answer"]
    assert found.all.spent_usd == 0


def test_codes_that_are_not_known_any_more_still_count() -> None:
    row = {"not_replayable": ["old"], "is_priced": False, "is_recorded": False, "is_counted": False, "recorded_by": ""}
    sums = dict.fromkeys(("spent_usd", "recorded_usd", "computed_usd", "absolute_usd"))
    found = Standing.of([row | sums | {"n_calls": 3, "n_spent": 0, "n_tokens": 0, "examples": []}])
    assert (found.reasons[0].code, found.reasons[0].sentence, found.blocked.n_calls) == ("old", "", 3)
