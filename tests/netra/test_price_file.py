"""The shipped price file, read as data."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from netra.errors import Unavailable
from netra.price_file import ShippedOption, shipped_catalog, shipped_source
from netra.prices import Rates, cost_usd
from netra.tokens import Tokens

D = Decimal


def read(tmp_path: Path, entries: dict[str, Any]) -> dict[str, ShippedOption]:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(entries))
    return {option.name: option for option in shipped_catalog(path)}


def entry(**fields: Any) -> dict[str, Any]:
    return {"litellm_provider": "openai", "mode": "chat", **fields}


def test_a_plain_entry(tmp_path: Path) -> None:
    given = entry(
        input_cost_per_token=2.5e-06,
        output_cost_per_token=1e-05,
        cache_read_input_token_cost=1.25e-06,
        max_input_tokens=128000,
        max_output_tokens=16384,
        supports_function_calling=True,
        supports_vision=False,
        deprecation_date="2027-01-14",
    )
    option = read(tmp_path, {"gpt-x": given})["openai/gpt-x"]
    assert option.rates == Rates(input=D("0.0000025"), output=D("0.00001"), cache_read=D("0.00000125"))
    assert (option.model, option.aliases) == ("gpt-x", ("gpt-x",))
    assert (option.context_tokens, option.max_output_tokens) == (128000, 16384)
    assert option.abilities == ("tools",)
    assert option.deprecates_on == date(2027, 1, 14)


def test_prices_are_read_from_the_text_and_not_through_floats(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(
        '{"m": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 0.10000000000000000001e-6}}'
    )
    assert shipped_catalog(path)[0].rates.input == D("0.10000000000000000001E-6")


def test_zero_is_unknown_except_where_it_is_known_to_be_free(tmp_path: Path) -> None:
    free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
    found = read(tmp_path, {"a": entry(**free), "ollama/b": entry(**free, litellm_provider="ollama")})
    assert found["openai/a"].rates == Rates()
    assert found["ollama/b"].rates == Rates(input=D(0), output=D(0))


def test_tiers_keep_what_they_do_not_change(tmp_path: Path) -> None:
    given = entry(
        input_cost_per_token=1e-6,
        output_cost_per_token=4e-6,
        cache_read_input_token_cost=1e-7,
        input_cost_per_token_above_200k_tokens=2e-6,
        output_cost_per_token_above_200k_tokens=6e-6,
        input_cost_per_token_above_200k_tokens_priority=9e-6,
    )
    rates = read(tmp_path, {"m": given})["openai/m"].rates
    tokens = Tokens(input_fresh=200_001, output_visible=1, cache_read=10)
    assert cost_usd(tokens, rates) == D("0.400002") + D("0.000006") + D("0.000001")
    assert len(rates.tiers) == 1


def test_bands_of_input_size(tmp_path: Path) -> None:
    bands = [
        {"range": [256000.0, 1000000.0], "input_cost_per_token": 2.5e-7, "output_cost_per_token": 2e-6},
        {"range": [0, 256000.0], "input_cost_per_token": 5e-8, "output_cost_per_token": 4e-7},
    ]
    rates = read(tmp_path, {"m": entry(tiered_pricing=bands)})["openai/m"].rates
    assert (rates.input, rates.output) == (D("5E-8"), D("4E-7"))
    assert [(tier.above_tokens, tier.rates.input) for tier in rates.tiers] == [(256000, D("2.5E-7"))]


def test_services_batch_flex_and_priority(tmp_path: Path) -> None:
    given = entry(
        input_cost_per_token=2e-6,
        output_cost_per_token=4e-6,
        input_cost_per_token_batches=1e-6,
        output_cost_per_token_batches=2e-6,
        input_cost_per_token_priority=4e-6,
        output_cost_per_token_priority=8e-6,
    )
    rates = read(tmp_path, {"m": given})["openai/m"].rates
    assert set(rates.services) == {"batch", "priority"}
    assert cost_usd(Tokens(input_fresh=10, output_visible=10), rates, batch=True) == D("0.00003")


def test_one_model_listed_twice_stands_once_with_the_prices_that_say_more(tmp_path: Path) -> None:
    bare = entry(litellm_provider="deepseek", input_cost_per_token=1e-6, output_cost_per_token=2e-6)
    full = {**bare, "cache_read_input_token_cost": 1e-7}
    for entries in ({"chat": bare, "deepseek/chat": full}, {"deepseek/chat": full, "chat": bare}):
        found = read(tmp_path, entries)
        assert list(found) == ["deepseek/chat"]
        assert found["deepseek/chat"].rates.cache_read == D("1E-7")
        assert "chat" in found["deepseek/chat"].aliases


def test_kinds_of_one_provider_are_one_provider(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "vertex_ai/claude": entry(litellm_provider="vertex_ai-anthropic_models"),
            "gemini-x": entry(litellm_provider="vertex_ai-language-models"),
            "us.nova": entry(litellm_provider="bedrock_converse"),
            "amazon-nova/micro": entry(litellm_provider="amazon_nova"),
            "low/1024/image": entry(),
        },
    )
    expected = {
        "vertex_ai/claude",
        "vertex_ai/gemini-x",
        "bedrock/us.nova",
        "amazon_nova/micro",
        "openai/low/1024/image",
    }
    assert set(found) == expected


@pytest.mark.parametrize("value", [-1, "3", None, True, 2, {"a": 1}])
def test_what_is_no_price_is_unknown(tmp_path: Path, value: Any) -> None:
    assert read(tmp_path, {"m": entry(input_cost_per_token=value)})["openai/m"].rates.input is None


@pytest.mark.parametrize("value", ["soon", 20270101, None])
def test_what_is_no_date_is_unknown(tmp_path: Path, value: Any) -> None:
    assert read(tmp_path, {"m": entry(deprecation_date=value)})["openai/m"].deprecates_on is None


def test_entries_that_describe_no_model_are_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, {"sample_spec": entry(), "a": {"mode": "chat"}, "b": {"litellm_provider": "x"}, "c": 1}) == {}


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_a_broken_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(Unavailable):
        shipped_catalog(path)


def test_the_real_file_is_read_whole() -> None:
    options = {option.name: option for option in shipped_catalog()}
    assert len(options) > 4_000
    assert options["openai/gpt-4o"].rates.output == D("0.00001")
    assert options["anthropic/claude-sonnet-4-5"].rates.cache_write_1h == D("0.000006")
    assert options["gemini/gemini-2.5-pro"].rates.tiers[0].above_tokens == 200_000
    assert shipped_source().startswith("litellm ")


def test_reading_it_does_not_import_litellm() -> None:
    code = (
        "import sys; from netra.price_file import shipped_catalog; shipped_catalog(); print('litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
