"""Bringing the catalog up to date: first shown, then done; prices are added, never edited."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from netra.price_file import ShippedOption
from netra.prices import Rates
from routing import catalog_sync
from routing.catalog import price_book
from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, SupplyOption
from tests.factories import NOON, supply_option

D = Decimal
pytestmark = pytest.mark.django_db

ONE = ShippedOption(
    name="openai/one",
    provider="openai",
    model="one",
    mode="chat",
    rates=Rates(input=D("0.000002"), output=D("0.000008")),
    aliases=("one",),
    context_tokens=128_000,
    max_output_tokens=4_096,
    abilities=("tools",),
)
TWO = replace(ONE, name="openai/two", model="two", aliases=("two",))


def sync(*listed: ShippedOption) -> catalog_sync.SyncPlan:
    plan = catalog_sync.plan(listed, "litellm 9.9", family="litellm")
    catalog_sync.apply(plan, at=NOON)
    return plan


def test_planning_changes_nothing() -> None:
    plan = catalog_sync.plan([ONE, TWO], "litellm 9.9", family="litellm")
    assert [change.option for change in plan.new] == ["openai/one", "openai/two"]
    assert SupplyOption.objects.count() == OptionPrice.objects.count() == 0


def test_a_first_sync_assumes_that_prices_always_held() -> None:
    sync(ONE)
    option = SupplyOption.objects.get()
    price = option.prices.get()
    assert (option.name, option.context_tokens, option.abilities) == ("openai/one", 128_000, ["tools"])
    assert (price.effective_from, price.is_assumed) == (ALWAYS_KNOWN_FROM, True)
    assert price.rates == {"input": "0.000002", "output": "0.000008"}


def test_syncing_again_changes_nothing() -> None:
    sync(ONE, TWO)
    plan = sync(ONE, TWO)
    assert (plan.n_changes, plan.n_unchanged) == (0, 2)
    assert OptionPrice.objects.count() == 2
    assert SupplyOption.history.count() == 2


def test_a_price_written_otherwise_is_the_same_price() -> None:
    sync(ONE)
    assert sync(replace(ONE, rates=Rates(input=D("2.0E-6"), output=D("8E-6")))).n_changes == 0


def test_a_changed_price_is_a_new_row_and_the_old_one_stays() -> None:
    sync(ONE)
    plan = sync(replace(ONE, rates=Rates(input=D("0.000001"), output=D("0.000004"))))
    assert [(change.option, change.field) for change in plan.priced] == [("openai/one", "price")]
    old, new = OptionPrice.objects.order_by("effective_from")
    assert old.rates["input"] == "0.000002" and old.effective_from == ALWAYS_KNOWN_FROM
    assert new.rates["input"] == "0.000001" and new.effective_from == NOON and not new.is_assumed


def test_an_option_without_any_price_is_not_listed_as_changed() -> None:
    bare = replace(ONE, rates=Rates())
    sync(bare)
    assert OptionPrice.objects.count() == 0
    assert sync(bare).n_changes == 0
    assert len(sync(ONE).priced) == 1


def test_limits_deprecations_and_other_facts_are_told_apart() -> None:
    sync(ONE)
    plan = sync(replace(ONE, context_tokens=200_000, deprecates_on=date(2027, 1, 1), abilities=("tools", "vision")))
    assert [(change.field, change.before, change.after) for change in plan.limits] == [
        ("context_tokens", 128_000, 200_000)
    ]
    assert [change.after for change in plan.deprecations] == [date(2027, 1, 1)]
    assert [change.field for change in plan.others] == ["abilities"]
    option = SupplyOption.objects.get()
    assert (option.context_tokens, option.deprecates_on) == (200_000, date(2027, 1, 1))
    assert option.history.count() == 2


def test_what_is_no_longer_listed_is_gone_but_kept_and_may_come_back() -> None:
    sync(ONE, TWO)
    plan = sync(ONE)
    assert [change.option for change in plan.gone] == ["openai/two"]
    two = SupplyOption.objects.get(name="openai/two")
    assert two.is_gone and two.prices.count() == 1
    assert sync(ONE).n_changes == 0
    assert [change.option for change in sync(ONE, TWO).back] == ["openai/two"]
    assert not SupplyOption.objects.get(name="openai/two").is_gone


def test_what_people_entered_is_left_alone(project) -> None:  # type: ignore[no-untyped-def]
    supply_option("openai/one", source="custom", context_tokens=5)
    supply_option("openai/two", project=project)
    plan = sync(ONE)
    assert plan.n_changes == 0
    assert SupplyOption.objects.get(name="openai/one").context_tokens == 5
    assert SupplyOption.objects.filter(is_gone=True).count() == 0


def test_a_certification_survives() -> None:
    sync(ONE)
    SupplyOption.objects.update(is_certified=True)
    sync(replace(ONE, context_tokens=1))
    assert SupplyOption.objects.get().is_certified


def test_soon_deprecated_options_come_soonest_first() -> None:
    sync(replace(ONE, deprecates_on=date(2027, 3, 1)), replace(TWO, deprecates_on=date(2027, 1, 1)))
    assert [option.model for option in catalog_sync.deprecated_soon(date(2027, 2, 1))] == ["two"]
    assert [option.model for option in catalog_sync.deprecated_soon(date(2027, 4, 1))] == ["two", "one"]


def run(*arguments: str, **options: object) -> str:
    out = StringIO()
    call_command("sync_catalog", *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_command_shows_first_and_does_it_only_when_told(project) -> None:  # type: ignore[no-untyped-def]
    shown = run("--show", "1")
    assert "Nothing was changed" in shown and "more" in shown
    assert SupplyOption.objects.count() == 0
    counts = json.loads(run("--yes", "--json"))
    [shipped] = [name for name in counts if name.startswith("litellm")]
    assert counts[shipped]["new"] > 4_000 and counts["simulated"]["new"] > 8
    again = json.loads(run("--json"))
    assert again[shipped]["unchanged"] == counts[shipped]["new"]
    assert sum(again[shipped].values()) == again[shipped]["unchanged"]
    dated = price_book(project.pk).rates("openai", "gpt-4o-2024-08-06", NOON)
    assert dated is not None and dated.rates.output == D("0.00001")
    simulated = SupplyOption.objects.get(name="simulated/sim-large")
    assert simulated.is_simulated and simulated.prices.get().rates["input"] == "0.0000025"


def test_the_first_time_option_fills_only_an_empty_catalog() -> None:
    supply_option()
    assert run("--first-time") == ""
    assert SupplyOption.objects.count() == 1
