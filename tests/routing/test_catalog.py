"""The catalog as the product reads it: what is shown as the price is what is charged, for each project its own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra.errors import Conflict, Invalid, NotFound
from netra.tokens import Tokens
from projects.models import Project
from routing import catalog, supply, targets
from routing.models import OptionPrice, SupplyOption
from routing.supply import Wanted
from tests import factories
from tests.factories import connection, option_price, supply_option

D = Decimal
pytestmark = pytest.mark.django_db


def per_token(usd_per_million: Any) -> dict[str, str]:
    rate = format(D(str(usd_per_million)) / 1_000_000, "f")
    return {"input": rate, "output": rate}


def charged(option: SupplyOption, project: Project, ago_days: float = 0) -> Decimal | None:
    """The input price per million at which the book charges."""
    at = timezone.now() - timedelta(days=ago_days)
    held = catalog.price_book(project.pk).of_option(option.name, at)
    return held.rates.input * 1_000_000 if held and held.rates.input is not None else None


def shown(option: SupplyOption, project: Project | None) -> Decimal | None:
    """The input price per million that pages and the API show."""
    price = supply.with_prices([option], project)[0].current_price
    return price.usd_per_million("input") if price else None


def names(project: Project | None = None, **wanted: Any) -> list[str]:
    return [row.name for row in supply.options(Wanted(**wanted), project, limit=100)]


# What is shown is what is charged.

price_rows = st.lists(
    st.tuples(st.integers(-9, 3), st.sampled_from([None, 1, 2, 3]), st.booleans()), min_size=1, max_size=7
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=price_rows)
def test_whatever_rows_were_written_the_price_shown_is_the_price_charged(project: Project, rows: Any) -> None:
    now = timezone.now()
    with transaction.atomic():
        option = supply_option(price=None)
        for days, usd, is_negotiated in rows:
            rates = {} if usd is None else per_token(usd)
            since = now + timedelta(days=days)
            option_price(option, rates, since=since, project=project if is_negotiated else None)
        assert shown(option, project) == charged(option, project)
        transaction.set_rollback(True)


def test_an_agreement_that_ended_leaves_no_price_where_none_is_listed(project: Project) -> None:
    option, now = supply_option(price=None), timezone.now()
    option_price(option, per_token(1), since=now - timedelta(days=2), project=project)
    option_price(option, {}, since=now - timedelta(days=1), project=project)
    assert charged(option, project, ago_days=1.5) == 1 and charged(option, project) is None


def test_prices_follow_one_another_by_their_dates(project: Project) -> None:
    option, now = supply_option(price=None), timezone.now()
    for days, usd in ((30, 3), (20, 2), (10, 1)):
        option_price(option, per_token(usd), since=now - timedelta(days=days))
    assert [charged(option, project, ago) for ago in (31, 25, 15, 5)] == [None, 3, 2, 1]


def test_a_price_holds_from_its_very_moment(project: Project) -> None:
    option, since = supply_option(price=None), timezone.now() - timedelta(days=1)
    option_price(option, per_token(1), since=since)
    book = catalog.price_book(project.pk)
    assert book.of_option(option.name, since) is not None
    assert book.of_option(option.name, since - timedelta(microseconds=1)) is None


def test_after_an_agreement_ends_the_list_price_of_the_day_holds(project: Project) -> None:
    option, now = supply_option(price=None), timezone.now()
    option_price(option, per_token(9), since=now - timedelta(days=40))
    option_price(option, per_token(1), since=now - timedelta(days=30), project=project)
    option_price(option, per_token(8), since=now - timedelta(days=20))  # the list changes while the agreement holds
    option_price(option, {}, since=now - timedelta(days=10), project=project)
    assert [charged(option, project, ago) for ago in (35, 25, 15, 5)] == [9, 1, 1, 8]


def test_another_project_s_agreement_is_neither_shown_nor_charged(project: Project) -> None:
    option, other = supply_option(), factories.project("other")
    supply.negotiate(other, option, {"input": 1, "output": 1}, since=None, by=None)
    assert (charged(option, project), shown(option, project)) == (2, 2)
    assert (charged(option, other), shown(option, other)) == (1, 1)
    assert [row.project for row in supply.history(option, project)] == [None]


def test_an_estimate_charges_what_the_page_shows(project: Project) -> None:
    option = supply_option()
    supply.negotiate(project, option, {"input": "0.5", "output": 4}, since=None, by=None)
    tokens = Tokens(input_fresh=1_000, output_visible=500)
    # 1,000 × 0.5 + 500 × 4 USD per million = 0.0005 + 0.002 = 0.0025 a call; 200 calls: 0.5.
    found = supply.estimate(option, project, tokens, at=timezone.now(), n_calls=200)
    assert found.cost_usd == D("0.5")
    assert found.price is not None and found.price.is_negotiated
    # At list: 1,000 × 2 + 500 × 8 = 0.006.
    assert supply.estimate(option, None, tokens, at=timezone.now()).cost_usd == D("0.006")


def test_what_is_offered_for_an_evaluation_can_be_called(project: Project) -> None:
    connection(project)
    for name, price in (("openai/none", None), ("openai/half", {"input": "0.000001"}), ("openai/whole", per_token(1))):
        supply_option(name, price=price)
    lost = supply_option("openai/lost")
    option_price(lost, {}, since=timezone.now())
    offered = [option.name for option in supply.callable_options(project)]
    assert offered == ["openai/whole"]
    assert targets.target(project, "openai/whole").option == "openai/whole"


# Which option a name means, and for whom.


def test_an_option_that_is_not_there_is_named_in_the_refusal(project: Project) -> None:
    with pytest.raises(NotFound, match="openai/none"):
        catalog.option("openai/none", project)


def test_the_refusal_does_not_repeat_a_book() -> None:
    with pytest.raises(NotFound) as refused:
        catalog.option("x" * 100_000)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "name", ["", "openai", "/", "openai/%", "openai/gpt_x", "OPENAI/GPT-X", "openai/gpt-x ", "' OR 1"]
)
def test_only_the_exact_name_is_the_option(name: str) -> None:
    supply_option()
    with pytest.raises(NotFound):
        catalog.option(name)


def test_an_own_option_is_nobody_elses(project: Project) -> None:
    supply_option("mine/phi", project=project)
    assert catalog.option("mine/phi", project).project == project
    for asking in (None, factories.project("other")):
        with pytest.raises(NotFound):
            catalog.option("mine/phi", asking)


def test_an_own_option_covers_the_shared_one_of_its_name_for_its_project_alone(project: Project) -> None:
    shared = supply_option("mine/phi")
    own = supply_option("mine/phi", project=project, price=per_token(7))
    assert catalog.option("mine/phi", project) == own
    assert catalog.option("mine/phi", factories.project("other")) == shared
    assert charged(own, project) == 7


# Filters.


@pytest.fixture
def shelf(project: Project) -> None:
    supply_option("anthropic/claude-x", abilities=["vision"], is_certified=True)
    supply_option("openai/gpt-x", abilities=["tools", "vision"], aliases=["gpt-x-2026"])
    supply_option("openai/embed", mode="embedding")
    supply_option("openai/old", is_gone=True)
    supply_option("simulated/sim", is_simulated=True)
    supply_option("mine/phi", project=project)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["anthropic/claude-x", "openai/gpt-x", "simulated/sim"]),
        ({"mode": ""}, ["anthropic/claude-x", "openai/embed", "openai/gpt-x", "simulated/sim"]),
        ({"with_gone": True, "provider": "openai"}, ["openai/gpt-x", "openai/old"]),
        ({"search": "GPT"}, ["openai/gpt-x"]),
        ({"search": "x claude"}, ["anthropic/claude-x"]),
        ({"search": "2026"}, ["openai/gpt-x"]),
        ({"search": "%"}, []),
        ({"search": "gpt_x"}, []),
        ({"provider": "open"}, []),
        ({"ability": "vision"}, ["anthropic/claude-x", "openai/gpt-x"]),
        ({"ability": "visio"}, []),
        ({"ability": '", "'}, []),
        ({"is_certified": True}, ["anthropic/claude-x"]),
        ({"is_certified": False}, ["openai/gpt-x", "simulated/sim"]),
        ({"is_simulated": True}, ["simulated/sim"]),
        ({"provider": "mine"}, []),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_filters_narrow_the_shared_catalog(wanted: dict[str, Any], expected: list[str]) -> None:
    assert names(**wanted) == expected


@pytest.mark.usefixtures("shelf")
def test_a_project_sees_its_own_options_among_the_others(project: Project) -> None:
    assert "mine/phi" in names(project)
    assert "mine/phi" not in names(factories.project("other"))


@pytest.mark.usefixtures("shelf")
def test_pages_of_one_cover_all_options_once(project: Project) -> None:
    seen, after = [], ""
    while page := supply.options(Wanted(), project, limit=1, after=after):
        after = page[-1].name
        seen.append(after)
    assert seen == names(project) and len(seen) == 4


# Adding to it.


def test_an_option_added_by_hand_has_always_had_its_price(project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    row = supply.add_own_option(project, "mine/org/phi-3", {"input": "0.5", "output": 1})
    assert (row.provider, row.model, row.project) == ("mine", "org/phi-3", project)
    assert charged(row, project, ago_days=1_000) == D("0.5")


def test_a_second_option_of_that_name_is_a_conflict_and_leaves_no_price(project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    supply.add_own_option(project, "mine/phi", {"input": 1, "output": 1})
    with pytest.raises(Conflict):
        supply.add_own_option(project, "mine/phi", {"input": 2, "output": 2})
    assert OptionPrice.objects.count() == 1


def test_another_project_s_connection_carries_no_option(project: Project) -> None:
    connection(factories.project("other"), "theirs", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Invalid, match="no connection named"):
        supply.add_own_option(project, "theirs/phi", {"input": 1, "output": 1})


def test_an_unknown_ability_is_refused_with_those_that_are_known(project: Project) -> None:
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Invalid, match=r"'flying' is no ability; known are .*vision") as refused:
        supply.add_own_option(project, "mine/phi", None, abilities=["tools", "flying"])
    assert refused.value.field == "abilities"


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity", "1e999999", "cheap", "1000000.01", [1], "0x10"])
def test_what_is_no_price_per_million_is_refused_with_its_field(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        supply.rates_of_millions({"input": 1, "output": value})
    assert refused.value.field == "output"


def test_prices_per_million_are_kept_exactly() -> None:
    # 0.075 USD per million = 0.000000075 per token; what is not given is left out, not zero.
    assert supply.rates_of_millions({"input": "0.075", "output": 0, "cache_read": None}) == {
        "input": "0.000000075",
        "output": "0",
    }
