"""The supply side's rows: who sees which, one of a name where it is seen, and keys that only show their end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from netra import vault
from projects.models import Project
from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, ProviderConnection, SupplyOption
from tests import factories
from tests.factories import NOON, connection, option_price, supply_option


@pytest.fixture
def other(db: None) -> Project:
    return factories.project("other")


# Who sees which.


def test_a_project_sees_the_shared_options_and_its_own(project: Project, other: Project) -> None:
    for name, of in (("openai/shared", None), ("mine/own", project), ("theirs/own", other)):
        supply_option(name, project=of)
    assert {row.name for row in SupplyOption.objects.visible_to(project)} == {"openai/shared", "mine/own"}
    assert {row.name for row in SupplyOption.objects.visible_to(project.pk)} == {"openai/shared", "mine/own"}
    assert {row.name for row in SupplyOption.objects.visible_to(None)} == {"openai/shared"}


def test_a_project_uses_the_shared_connections_and_its_own(project: Project, other: Project) -> None:
    for name, of in (("shared", None), ("own", project), ("theirs", other)):
        connection(of, name)
    assert {row.name for row in ProviderConnection.objects.usable_by(project)} == {"shared", "own"}
    assert {row.name for row in ProviderConnection.objects.usable_by(None)} == {"shared"}


def test_what_is_switched_off_is_used_only_when_asked_for(project: Project) -> None:
    connection(project, "off", is_active=False)
    assert not ProviderConnection.objects.usable_by(project).exists()
    assert ProviderConnection.objects.usable_by(project, with_inactive=True).count() == 1


def test_a_name_means_the_project_s_own_option_first(project: Project, other: Project) -> None:
    shared, own = supply_option("mine/phi"), supply_option("mine/phi", project=project)
    assert SupplyOption.objects.named("mine/phi", project) == own
    assert SupplyOption.objects.named("mine/phi", other) == shared
    assert SupplyOption.objects.named("mine/phi") == shared
    assert SupplyOption.objects.named("mine/none", project) is None


def test_gone_options_are_kept_but_not_current(db: None) -> None:
    supply_option("openai/old", is_gone=True)
    assert not SupplyOption.objects.current().exists()
    assert SupplyOption.objects.named("openai/old") is not None


# One of a name where it is seen.


@pytest.mark.parametrize("make", [supply_option, lambda name, project: connection(project, name)])
@pytest.mark.parametrize("is_own", [False, True])
def test_a_name_stands_once_where_it_is_seen(project: Project, make: Any, is_own: bool) -> None:
    of = project if is_own else None
    make("mine", project=of)
    with pytest.raises(IntegrityError), transaction.atomic():
        make("mine", project=of)


@pytest.mark.parametrize("make", [supply_option, lambda name, project: connection(project, name)])
def test_the_same_name_may_stand_in_each_project_and_be_shared(project: Project, other: Project, make: Any) -> None:
    made = [make("mine", project=of) for of in (None, project, other)]
    assert len({row.pk for row in made}) == 3


# A project that goes takes its own along and nothing else.


def test_a_project_that_goes_takes_its_options_connections_and_prices_along(project: Project) -> None:
    shared = supply_option()
    supply_option("mine/phi", project=project)
    connection(project)
    option_price(shared, {"input": "0", "output": "0"}, since=NOON, project=project)
    project.delete()
    assert [row.name for row in SupplyOption.objects.all()] == ["openai/gpt-x"]
    assert not ProviderConnection.objects.exists()
    assert OptionPrice.objects.get().project is None


def test_a_price_outlives_the_person_who_entered_it(owner: Any) -> None:
    row = option_price(supply_option(price=None), {"input": "1"}, since=NOON, created_by=owner)
    owner.delete()
    row.refresh_from_db()
    assert row.created_by is None and row.rates == {"input": "1"}


# Prices.


@pytest.mark.parametrize(
    ("rates", "rate", "expected"),
    [
        ({"input": "0.0000025"}, "input", Decimal("2.5")),
        ({"input": "0"}, "input", Decimal(0)),
        ({"input": "1"}, "output", None),
        ({"output": "0.00001"}, "reasoning", Decimal(10)),
        ({"output": "0.00001", "reasoning": "0.00002"}, "reasoning", Decimal(20)),
        ({}, "cache_read", None),
    ],
)
def test_prices_for_people_are_per_million_and_unknown_stays_unknown(rates: Any, rate: str, expected: Any) -> None:
    assert OptionPrice(rates=rates).usd_per_million(rate) == expected


def test_a_price_is_named_by_its_option_and_date(db: None) -> None:
    assert str(supply_option().prices.get()) == "openai/gpt-x from 2020-01-01"
    assert ALWAYS_KNOWN_FROM.tzinfo is not None


def test_prices_come_newest_first_and_of_one_moment_the_last_written(db: None) -> None:
    option = supply_option(price=None)
    written = [option_price(option, {"input": str(n)}, since=NOON) for n in range(3)]
    assert list(option.prices.all()) == written[::-1]


# Options.


@pytest.mark.parametrize(
    ("ends", "on", "expected"),
    [
        (None, date(2030, 1, 1), False),
        (date(2026, 6, 1), date(2026, 5, 31), False),
        (date(2026, 6, 1), date(2026, 6, 1), True),
        (date(2026, 6, 1), date(2026, 6, 2), True),
    ],
)
def test_an_option_is_deprecated_from_the_day_its_provider_names(ends: Any, on: date, expected: bool) -> None:
    assert SupplyOption(deprecates_on=ends).is_deprecated(on) is expected


@pytest.mark.parametrize("name", ["openai/gpt-4o", "mine/org/phi 3", "mine/a?b=c#d", "mine/ü%20x", "mine/<b>&amp;"])
def test_the_address_of_an_option_leads_back_to_it(as_viewer: Any, project: Project, name: str) -> None:
    option = supply_option(name)
    answer = as_viewer.get(option.get_absolute_url())
    assert answer.status_code == 200 and answer.context["option"] == option


def test_an_ability_is_a_whole_word() -> None:
    assert SupplyOption(abilities=["vision"]).can("vision")
    assert not SupplyOption(abilities=["vision"]).can("visio")


def test_every_change_of_an_option_stands_in_its_history(db: None) -> None:
    option = supply_option()
    option.is_certified = True
    option.save()
    assert [row.is_certified for row in option.history.all()] == [True, False]


# Keys.


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80))
def test_at_most_the_last_four_characters_of_a_long_key_are_shown(key: str) -> None:
    row = ProviderConnection(name="x")
    row.set_key(key)
    assert vault.unseal(row.sealed_key) == key
    assert row.key_shown == (f"…{key[-4:]}" if len(key) >= 16 else "set")


@pytest.mark.parametrize(
    ("fields", "shown"), [({}, "none"), ({"key_env": "OPENAI_KEY"}, "$OPENAI_KEY"), ({"sealed_key": "x"}, "set")]
)
def test_a_connection_says_where_its_key_is(fields: dict[str, str], shown: str) -> None:
    assert ProviderConnection(name="x", **fields).key_shown == shown


def test_an_emptied_key_leaves_nothing_behind(db: None) -> None:
    row = connection(None, key="sk-canary-0123456789")
    row.set_key("")
    assert (row.sealed_key, row.key_hint, row.key_shown) == ("", "", "none")


def test_the_same_key_is_sealed_differently_each_time() -> None:
    first, second = ProviderConnection(), ProviderConnection()
    first.set_key("sk-canary-0123456789")
    second.set_key("sk-canary-0123456789")
    assert first.sealed_key != second.sealed_key


def test_a_row_says_no_more_of_itself_than_its_name(db: None) -> None:
    row = connection(None, "eu", key="sk-canary-0123456789")
    assert (str(row), repr(row)) == ("eu", "<ProviderConnection: eu>")
