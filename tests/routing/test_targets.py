"""From an option's name to something that can be called, or to a sentence why not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from netra.errors import Conflict, NetraError, NotFound, Unavailable
from netra.prices import Rates
from projects.models import Project
from routing import execution
from tests import factories
from tests.factories import connection, option_price, supply_option
from tests.routing.scripted import CANARY


def refusal(project: Project, name: str) -> tuple[str, str]:
    with pytest.raises(NetraError) as refused:
        execution.target(project, name)
    return refused.value.code, str(refused.value)


def test_an_option_with_a_connection(project: Project) -> None:
    supply_option(context_tokens=128_000, max_output_tokens=4_096, abilities=["tools"])
    row = connection(project, key=CANARY, max_concurrency=3, requests_per_minute=90, deadline_s=12)
    to = execution.target(project, "openai/gpt-x")
    assert (to.name, to.provider, to.model) == ("openai/gpt-x", "openai", "gpt-x")
    assert to.destination.key == CANARY and to.destination.address == "https://api.openai.com/v1"
    assert to.rates == Rates(input=Decimal("0.000002"), output=Decimal("0.000008"))
    assert (to.max_concurrency, to.requests_per_minute, to.deadline_s) == (3, 90, 12)
    assert (to.context_tokens, to.max_output_tokens, to.abilities) == (128_000, 4_096, frozenset({"tools"}))
    assert to.limits_key == f"connection-{row.pk}"
    assert CANARY not in repr(to)


def test_an_unknown_option(project: Project) -> None:
    with pytest.raises(NotFound, match="no supply option"):
        execution.target(project, "openai/none")


def test_no_connection(project: Project) -> None:
    supply_option()
    code, sentence = refusal(project, "openai/gpt-x")
    assert code == "no_connection" and "openai" in sentence


def test_a_connection_without_a_key(project: Project) -> None:
    supply_option()
    connection(project, key="")
    assert refusal(project, "openai/gpt-x")[0] == "no_key"


def test_a_server_of_ones_own_needs_no_key(project: Project) -> None:
    supply_option("mine/phi", project=project)
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:1/v1", key="")
    assert execution.target(project, "mine/phi").destination.key == ""


@pytest.mark.parametrize("price", [None, {}, {"input": "0.000001"}])
def test_a_price_that_is_not_known(project: Project, price: dict[str, str] | None) -> None:
    supply_option(price=price)
    connection(project)
    assert refusal(project, "openai/gpt-x")[0] == "price_unknown"


def test_the_price_is_todays_and_the_projects(project: Project) -> None:
    option = supply_option()
    connection(project)
    now = timezone.now()
    option_price(option, {"input": "0.5", "output": "0.5"}, since=now + timedelta(days=1))
    option_price(option, {"input": "0.000001", "output": "0.000001"}, since=now - timedelta(days=1), project=project)
    assert execution.target(project, "openai/gpt-x").rates.output == Decimal("0.000001")


def test_a_key_in_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    supply_option()
    connection(None, key="", key_env="NETRA_TEST_KEY")
    code, sentence = refusal(project, "openai/gpt-x")
    assert code == "no_key" and "NETRA_TEST_KEY" in sentence
    monkeypatch.setenv("NETRA_TEST_KEY", CANARY)
    assert execution.target(project, "openai/gpt-x").destination.key == CANARY


def test_a_key_sealed_under_another_encryption_key(project: Project, settings) -> None:  # type: ignore[no-untyped-def]
    supply_option()
    connection(project)
    settings.ENCRYPTION_KEY = "another"
    with pytest.raises(Unavailable, match="NETRA_ENCRYPTION_KEY"):
        execution.target(project, "openai/gpt-x")


def test_whose_connection_goes_first(project: Project) -> None:
    supply_option()
    connection(None, "openai")
    connection(None, "eu", provider="openai")
    assert execution.target(project, "openai/gpt-x").connection == "openai"
    connection(project, "ours", provider="openai")
    assert execution.target(project, "openai/gpt-x").connection == "ours"
    connection(factories.project("other"), "openai", provider="openai")
    assert execution.target(project, "openai/gpt-x").connection == "ours"


def test_a_connection_that_is_switched_off_is_none(project: Project) -> None:
    supply_option()
    connection(project, is_active=False)
    assert refusal(project, "openai/gpt-x")[0] == "no_connection"


def test_anothers_option_is_not_there(project: Project) -> None:
    supply_option("mine/phi", project=factories.project("other"))
    assert refusal(project, "mine/phi")[0] == "not_found"


async def test_a_simulated_option_is_called_over_real_http_without_any_connection(simulated_target) -> None:  # type: ignore[no-untyped-def]
    request = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    outcome = await execution.run(execution.ModelCall(1, simulated_target, request, "replay", "k"))
    assert outcome.ok and outcome.cost_usd and outcome.cost_usd > 0
    assert outcome.served_model == "sim-large" and simulated_target.is_simulated


@pytest.fixture
def simulated_target(project: Project):  # type: ignore[no-untyped-def]
    supply_option("simulated/sim-large", is_simulated=True)
    return execution.target(project, "simulated/sim-large")


def test_a_conflict_is_not_worth_trying_again() -> None:
    assert not Conflict("x").retry
