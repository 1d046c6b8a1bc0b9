"""Options as a project sees them: which it may call, at what price, and under which name."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from netra.errors import Conflict, Invalid, NotFound
from netra.tokens import Tokens
from projects.models import Project
from routing import catalog, supply
from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, SupplyOption
from tests import factories
from tests.factories import NOON, connection, option_price, supply_option

HOST = "http://127.0.0.1:9/v1"


def callable_names(project: Project) -> list[str]:
    return [option.name for option in supply.callable_options(project)]


def test_what_a_project_can_call(project: Project) -> None:
    supply_option("openai/gpt-x")
    supply_option("anthropic/claude")
    supply_option("simulated/sim-large", is_simulated=True)
    assert callable_names(project) == ["simulated/sim-large"]
    connection(project)
    assert callable_names(project) == ["openai/gpt-x", "simulated/sim-large"]


@pytest.mark.parametrize("facts", [{"price": None}, {"is_gone": True}, {"mode": "embedding"}])
def test_what_it_cannot_call(project: Project, facts: dict[str, object]) -> None:
    connection(project)
    supply_option(**facts)
    assert callable_names(project) == []


def test_anothers_connection_opens_nothing(project: Project) -> None:
    supply_option()
    connection(factories.project("other"))
    connection(project, "off", is_active=False)
    assert callable_names(project) == []


def test_own_options_come_through_their_own_connection(project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url=HOST)
    supply_option("mine/phi", project=project)
    supply_option("theirs/phi", project=factories.project("other"))
    assert callable_names(project) == ["mine/phi"]


def test_a_projects_own_option_goes_before_a_shared_one_of_that_name(project: Project) -> None:
    shared = supply_option("mine/phi")
    own = supply_option("mine/phi", project=project)
    assert catalog.option("mine/phi", project) == own
    assert catalog.option("mine/phi") == catalog.option("mine/phi", factories.project("other")) == shared


def test_an_option_nobody_has(project: Project) -> None:
    with pytest.raises(NotFound, match="openai/none"):
        catalog.option("openai/none", project)


def test_names_are_unique_where_they_are_seen(project: Project) -> None:
    supply_option("a/b")
    with pytest.raises(IntegrityError), transaction.atomic():
        supply_option("a/b")
    supply_option("a/b", project=project)
    with pytest.raises(IntegrityError), transaction.atomic():
        supply_option("a/b", project=project)


def test_the_current_price_is_the_negotiated_one_until_it_ends(project: Project) -> None:
    option = supply_option()
    now = timezone.now()
    agreed = option_price(option, {"input": "0.000001", "output": "0"}, since=now - timedelta(days=2), project=project)
    assert [each.current_price for each in supply.with_prices([option], project)] == [agreed]
    option_price(option, {}, since=now - timedelta(days=1), project=project)
    [row] = supply.with_prices([option], project)
    assert row.current_price is not None and row.current_price.project is None


def test_a_price_of_tomorrow_does_not_hold_today(project: Project) -> None:
    option = supply_option(price=None)
    option_price(option, {"input": "1", "output": "1"}, since=timezone.now() + timedelta(days=1))
    assert supply.with_prices([option], project)[0].current_price is None


def test_prices_for_people_are_per_million(db: None) -> None:
    price = supply_option().prices.get()
    assert price.usd_per_million("input") == 2 and price.usd_per_million("cache_read") is None


def test_a_first_list_price_is_assumed_and_later_ones_are_dated(db: None) -> None:
    option = supply_option(price=None)
    rates = {"input": "0.000001", "output": "0.000002"}
    first = supply.add_list_price(option, rates, source="by hand", since=None)
    second = supply.add_list_price(option, {**rates, "input": "0.000003"}, source="by hand", since=None)
    assert (first.effective_from, first.is_assumed) == (ALWAYS_KNOWN_FROM, True)
    assert second.effective_from > NOON and not second.is_assumed
    dated = supply.add_list_price(option, rates, source="by hand", since=NOON)
    assert (dated.effective_from, dated.is_assumed) == (NOON, False)


def test_a_price_per_million_taken_for_one_per_token_is_refused(db: None) -> None:
    with pytest.raises(Invalid, match="per token"):
        supply.add_list_price(supply_option(), {"input": "2.5", "output": "10"}, source="by hand", since=None)
    assert OptionPrice.objects.count() == 1


def test_history_is_newest_first_and_ones_own(project: Project) -> None:
    option = supply_option()
    option_price(option, {"input": "1", "output": "1"}, since=NOON)
    option_price(option, {"input": "0", "output": "0"}, since=NOON + timedelta(days=1), project=project)
    option_price(option, {"input": "0", "output": "0"}, since=NOON, project=factories.project("other"))
    assert [row.project for row in supply.history(option, project)] == [project, None, None]
    assert len(supply.history(option, None)) == 2


def test_an_own_option_needs_its_connection_first(project: Project) -> None:
    with pytest.raises(Invalid, match="add it first"):
        supply.add_own_option(project, "mine/phi", {"input": 1, "output": 1})
    connection(project, "mine", provider="openai_compatible", base_url=HOST)
    made = supply.add_own_option(project, "mine/org/phi", {"input": 1, "output": 1})
    assert (made.provider, made.model) == ("mine", "org/phi")
    with pytest.raises(Conflict):
        supply.add_own_option(project, "mine/org/phi", None)
    assert SupplyOption.objects.count() == 1


@pytest.mark.parametrize("name", ["phi", "/phi", "mine/", "mine/a\nb", " mine/phi", "mine/\u202ephi"])
def test_names_that_are_refused(project: Project, name: str) -> None:
    connection(project, "mine", provider="openai_compatible", base_url=HOST)
    with pytest.raises(Invalid) as refused:
        supply.add_own_option(project, name, None)
    assert refused.value.field == "name"


def test_a_bad_price_leaves_no_half_made_option(project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url=HOST)
    with pytest.raises(Invalid):
        supply.add_own_option(project, "mine/phi", {"input": "-1", "output": "1"})
    assert SupplyOption.objects.count() == 0


def test_an_estimate_says_what_it_rests_on(project: Project) -> None:
    option = supply_option()
    found = supply.estimate(option, project, Tokens(input_fresh=500, output_visible=100), at=NOON, n_calls=4)
    assert found.cost_usd == 4 * (500 * Decimal("0.000002") + 100 * Decimal("0.000008"))
    assert "0.0018 USD" in found.sentence and "assumed" in found.sentence
    before = supply.estimate(option, project, Tokens(), at=ALWAYS_KNOWN_FROM - timedelta(days=1))
    assert before.cost_usd is None and before.price is None


def test_deprecation_is_a_matter_of_the_day(db: None) -> None:
    option = supply_option(deprecates_on=NOON.date())
    assert option.is_deprecated(NOON.date()) and not option.is_deprecated(NOON.date() - timedelta(days=1))
    assert not supply_option("a/b").is_deprecated(NOON.date())


def test_abilities(db: None) -> None:
    option = supply_option(abilities=["tools"])
    assert option.can("tools") and not option.can("vision")
    with pytest.raises(ValidationError):
        SupplyOption(name="x" * 300, provider="x", model="x").full_clean()
