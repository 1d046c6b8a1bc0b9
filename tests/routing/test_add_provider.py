"""Connecting a provider from the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from projects.models import Project
from routing.models import ALWAYS_KNOWN_FROM, ProviderConnection, SupplyOption
from routing.targets import destination, target
from tests.factories import supply_option
from tests.routing.scripted import CANARY, Step, served

HOST = "http://127.0.0.1:9/v1"
pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[str]:
    """A server in a thread of its own, because the command runs a loop of its own."""
    body = json.dumps({"data": [{"id": "gpt-x"}, {"id": "unpriced"}]}).encode()
    with served(Step(body=body)) as there:
        yield there.base_url


def add(*arguments: str) -> str:
    out = io.StringIO()
    call_command("add_provider", *arguments, stdout=out)
    return out.getvalue()


def test_a_server_with_models_at_a_price(project: Project) -> None:
    told = add("mine", "--base-url", HOST, "--project", project.slug, "--models", "a,b", "--price", "0.5,1.5,0.1")
    assert "2 of 2 models" in told
    to = target(project, "mine/a")
    assert to.rates.input == Decimal("0.0000005") and to.rates.cache_read == Decimal("0.0000001")
    assert to.price.effective_from == ALWAYS_KNOWN_FROM


def test_a_key_from_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CANARY}\n"))
    told = add("openai", "--provider", "openai", "--key-stdin")
    row = ProviderConnection.objects.get()
    assert destination(row).key == CANARY and CANARY not in told and row.project is None


def test_a_key_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="NETRA_TEST_KEY"):
        add("openai", "--provider", "openai", "--key-env", "NETRA_TEST_KEY")
    monkeypatch.setenv("NETRA_TEST_KEY", CANARY)
    add("openai", "--provider", "openai", "--key-env", "NETRA_TEST_KEY")
    row = ProviderConnection.objects.get()
    assert row.key_shown == "$NETRA_TEST_KEY" and destination(row).key == CANARY


def test_prices_as_another_providers_and_a_warning_where_there_is_none(project: Project, server: str) -> None:
    supply_option("openai/gpt-x")
    told = add("mine", "--base-url", server, "--models", "all", "--like", "openai")
    assert "mine/unpriced has no known price" in told
    option = SupplyOption.objects.get(name="mine/gpt-x")
    assert option.prices.get().rates["input"] == "0.000002" and "openai/gpt-x" in option.prices.get().source
    assert SupplyOption.objects.get(name="mine/unpriced").prices.count() == 0


def test_adding_again_changes_the_connection_and_keeps_models(project: Project) -> None:
    add("mine", "--base-url", HOST, "--models", "a", "--price", "1,1")
    told = add("mine", "--base-url", "http://127.0.0.1:10/v1", "--models", "a,b", "--price", "1,1")
    assert ProviderConnection.objects.get().base_url.endswith(":10/v1") and "1 of 2" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mine"], "base URL"),
        (["mine", "--base-url", "ftp://x"], "http"),
        (["mine", "--provider", "nobody"], "nobody"),
        (["mine", "--base-url", HOST, "--project", "none"], "no project"),
        (["mine", "--base-url", HOST, "--models", "a", "--price", "1"], "--price"),
        (["mine", "--base-url", HOST, "--models", "a", "--price", "x,y"], "not a number"),
        (["mine", "--base-url", HOST, "--models", "all"], "cannot be reached"),
    ],
)
def test_what_cannot_work_is_told_in_a_sentence(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        add(*arguments)


def test_a_taken_name(project: Any) -> None:
    add("mine", "--base-url", HOST)
    with pytest.raises(CommandError, match="another name"):
        add("mine", "--provider", "openai")
