"""Which price a model's name in a log means, at which date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra import prices
from projects.models import Project
from routing.catalog import price_book
from routing.models import ALWAYS_KNOWN_FROM
from routing.price_book import DatedPrices, Listed, ListedPrice, Names
from tests import factories
from tests.factories import NOON, option_price, supply_option

D = Decimal
RATES = {"input": "0.000002", "output": "0.000008"}


def listed(name: str, *, aliases: tuple[str, ...] = (), is_own: bool = False, usd: str = "1") -> Listed:
    provider, _, model = name.partition("/")
    price = ListedPrice(ALWAYS_KNOWN_FROM, {"input": usd, "output": usd}, "test")
    return Listed(name, provider, model, aliases, is_own, (price,))


CATALOG = Names.of(
    [
        listed("openai/gpt-4o", aliases=("gpt-4o",)),
        listed("openai/gpt-4o-2024-05-13", aliases=("gpt-4o-2024-05-13",)),
        listed("azure/gpt-4o"),
        listed("azure/eu/gpt-4o"),
        listed("anthropic/claude-4", aliases=("claude-4",)),
        listed("vertex_ai/claude-4"),
        listed("gemini/gem-2"),
        listed("vertex_ai/gem-2", aliases=("gem-2",)),
        listed("bedrock/anthropic.claude-4"),
        listed("groq/llama"),
        listed("cerebras/llama"),
        listed("my-server/phi", is_own=True),
    ]
)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o", "openai/gpt-4o"),
        (None, "gpt-4o", "openai/gpt-4o"),
        ("OpenAI", "GPT-4o", "openai/gpt-4o"),
        ("azure", "gpt-4o", "azure/gpt-4o"),
        ("az.ai.openai", "gpt-4o", "azure/gpt-4o"),
        ("azure", "eu/gpt-4o", "azure/eu/gpt-4o"),
        (None, "azure/gpt-4o", "azure/gpt-4o"),
        ("portkey", "openai/gpt-4o", "openai/gpt-4o"),
        ("some-gateway", "gpt-4o", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
        ("anthropic", "claude-4-20250929", "anthropic/claude-4"),
        ("anthropic", "claude-4@20250929", "anthropic/claude-4"),
        ("anthropic", "claude-4-latest", "anthropic/claude-4"),
        ("google", "gem-2", "gemini/gem-2"),
        ("gcp.vertex_ai", "gem-2", "vertex_ai/gem-2"),
        ("aws.bedrock", "anthropic.claude-4", "bedrock/anthropic.claude-4"),
        ("openai", "phi", "my-server/phi"),
        (None, " gpt-4o ", "openai/gpt-4o"),
        # Two providers sell it, at prices of their own.
        (None, "llama", None),
        ("groq", "llama", "groq/llama"),
        # A provider the catalog knows does not borrow another's price.
        ("azure", "claude-4", None),
        ("openai", "gpt-4o-mini", None),
        ("openai", "gpt-4o-0613", None),
        ("", "", None),
        (None, "-2024-08-06", None),
    ],
)
def test_which_option_a_name_means(provider: str | None, model: str, expected: str | None) -> None:
    found = CATALOG.find(provider, model)
    assert (found.name if found else None) == expected


@given(st.one_of(st.none(), st.text(max_size=30)), st.text(max_size=60))
def test_any_name_at_all_is_looked_up_without_trouble(provider: str | None, model: str) -> None:
    book = DatedPrices(CATALOG, Names(), {})
    assert book.rates(provider, model, NOON) == book.rates(provider, model, NOON)


def test_a_log_with_a_new_model_in_every_line_does_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.price_book.MEMO_LIMIT", 10)
    book = DatedPrices(CATALOG, Names(), {})
    for n in range(100):
        book.rates("openai", f"made-up-{n}", NOON)
    assert len(book._memo) <= 10


def found(project: Project, at: datetime, model: str = "gpt-x") -> tuple[Decimal | None, bool] | None:
    dated = price_book(project.pk).rates("openai", model, at)
    return (dated.rates.input, dated.is_negotiated) if dated else None


def test_an_event_is_priced_at_its_own_date(project: Project) -> None:
    option = supply_option()
    option_price(option, {"input": "0.000001", "output": "0.000004"}, since=NOON)
    assert found(project, NOON - timedelta(seconds=1)) == (D("0.000002"), False)
    assert found(project, NOON) == (D("0.000001"), False)
    assert found(project, NOON + timedelta(days=900)) == (D("0.000001"), False)
    assert found(project, ALWAYS_KNOWN_FROM - timedelta(days=1)) is None


def test_a_correction_is_a_later_row_of_the_same_date(project: Project) -> None:
    option = supply_option()
    option_price(option, {"input": "0.000009", "output": "0"}, since=NOON)
    option_price(option, {"input": "0.000005", "output": "0"}, since=NOON)
    assert found(project, NOON) == (D("0.000005"), False)


def test_an_assumed_price_says_so(project: Project) -> None:
    supply_option()
    dated = prices.book(project.pk).rates("openai", "gpt-x", NOON)
    assert dated is not None and dated.is_assumed
    assert "assumed" in dated.source and "openai/gpt-x" in dated.source


def test_a_negotiated_price_holds_for_its_project_from_its_date(project: Project) -> None:
    other = factories.project("other")
    option_price(supply_option(), {"input": "0.0000005", "output": "0.000002"}, since=NOON, project=project)
    assert found(project, NOON - timedelta(days=1)) == (D("0.000002"), False)
    assert found(project, NOON) == (D("0.0000005"), True)
    assert found(other, NOON) == (D("0.000002"), False)


def test_a_negotiated_price_stands_when_the_list_price_changes_and_can_be_ended(project: Project) -> None:
    option = supply_option()
    agreed = {"input": "0.0000005", "output": "0.000002"}
    option_price(option, agreed, since=NOON, project=project)
    option_price(option, {"input": "0.000009", "output": "0.00001"}, since=NOON + timedelta(days=1))
    option_price(option, {}, since=NOON + timedelta(days=2), project=project)
    option_price(option, {"input": "0.000007", "output": "0.00001"}, since=NOON + timedelta(days=3))
    days = [found(project, NOON + timedelta(days=n, hours=1)) for n in range(4)]
    assert days == [(D("0.0000005"), True), (D("0.0000005"), True), (D("0.000009"), False), (D("0.000007"), False)]


def test_a_price_that_became_unknown_is_unknown(project: Project) -> None:
    option_price(supply_option(), {}, since=NOON)
    assert found(project, NOON) is None
    assert found(project, NOON - timedelta(days=1)) == (D("0.000002"), False)


def test_an_own_option_is_seen_by_its_project_alone(project: Project) -> None:
    other = factories.project("other")
    supply_option("my-server/phi", project=project)
    assert found(project, NOON, "phi") == (D("0.000002"), False)
    assert found(other, NOON, "phi") is None


def test_an_alias_in_the_log_means_the_option(project: Project) -> None:
    supply_option(aliases=["prod-chat"])
    assert found(project, NOON, "prod-chat") == (D("0.000002"), False)


def test_a_book_is_rebuilt_when_something_changed_and_only_then(project: Project) -> None:
    option = supply_option()
    first = price_book(project.pk)
    assert price_book(project.pk) is first
    option_price(option, RATES, since=NOON)
    second = price_book(project.pk)
    assert second is not first
    option.aliases = ["x"]
    option.save()
    assert price_book(project.pk) is not second


def test_a_book_costs_few_queries(project: Project, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    for n in range(30):
        supply_option(f"openai/m-{n}")
    with django_assert_max_num_queries(9):
        price_book(project.pk)
    with django_assert_max_num_queries(2):
        price_book(project.pk).rates("openai", "m-3", datetime.now(UTC))
