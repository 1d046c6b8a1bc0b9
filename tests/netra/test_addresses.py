"""Addresses that people enter: what is one, and which are not called in whatever spelling they come."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from netra import addresses, llm
from netra.destination import Destination
from netra.errors import Invalid, ProviderFailed, SourceFailed
from netra.fetching import Fetcher
from netra.refused_fetches import Words

# What no setting opens: there the keys of cloud machines lie.
METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "ff02::1",
]
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "0.0.0.0", "100.64.0.1", "::1", "fc00::1"),
    *("::ffff:10.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::", "198.18.0.1", "240.0.0.1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("address", METADATA)
def test_metadata_is_never_called(settings: Settings, address: str, is_open: bool) -> None:
    settings.PRIVATE_PROVIDERS = is_open
    assert not addresses.may_be_called(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_called_where_the_installation_says_so(settings: Settings, address: str) -> None:
    settings.PRIVATE_PROVIDERS = True
    assert addresses.may_be_called(address)
    settings.PRIVATE_PROVIDERS = False
    assert not addresses.may_be_called(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called_either_way(settings: Settings, address: str) -> None:
    settings.PRIVATE_PROVIDERS = False
    assert addresses.may_be_called(address)


@given(st.ip_addresses(v=4).map(str))
def test_an_address_in_another_spelling_is_the_same_address(address: str) -> None:
    number = [int(part) for part in address.split(".")]
    within = f"2002:{number[0]:02x}{number[1]:02x}:{number[2]:02x}{number[3]:02x}::"
    told = {addresses.may_be_called(each) for each in (address, f"::ffff:{address}", f"64:ff9b::{address}", within)}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "http:// or https://"),
        ("api.example.com", "http:// or https://"),
        ("ftp://example.com", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("javascript:alert(1)", "http:// or https://"),
        ("http://", "http:// or https://"),
        ("https:///path", "http:// or https://"),
        ("http://[::1", "not a URL"),
        ("http://host:port/", "not a URL"),
        ("http://host:99999/", "not a URL"),
        ("https://user:pw@example.com", "no credentials"),
        ("https://token@example.com", "no credentials"),
        ("https://example.com/?key=1", "no credentials, query"),
        ("https://example.com/#x", "query or fragment"),
        ("http://169.254.169.254/latest/meta-data", "private addresses"),
        ("http://[::ffff:169.254.169.254]/", "private addresses"),
        ("http://[fd00:ec2::254]/", "private addresses"),
    ],
)
def test_what_is_no_base_url_is_said_at_its_field(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as caught:
        addresses.check_base_url(text)
    assert caught.value.field == "base_url"
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" https://api.example.com/v1/ ", "https://api.example.com/v1"),
        ("http://127.0.0.1:11434/v1//", "http://127.0.0.1:11434/v1"),
        ("HTTPS://Example.com", "HTTPS://Example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(text: str, kept: str) -> None:
    assert addresses.check_base_url(text) == kept


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "no-such-name.invalid",
    ],
)
def test_behind_the_firewall_no_spelling_of_this_machine_is_taken(settings: Settings, host: str) -> None:
    settings.PRIVATE_PROVIDERS = False
    with pytest.raises(Invalid, match="private addresses"):
        addresses.check_base_url(f"http://{host}:8000/v1")


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for told in (text, f"http://{text}", f"https://a.example/{text}"):
        try:
            assert addresses.check_base_url(told).lower().startswith("http")
        except Invalid as problem:
            assert problem.field == "base_url"


def test_a_provider_whose_name_turned_private_is_not_called(settings: Settings) -> None:
    """It was public when it was entered: the name is looked at again as it connects."""
    settings.PRIVATE_PROVIDERS = False
    to = Destination("openai_compatible", "http://localhost:9", key="sk-canary-0123456789")
    with pytest.raises(ProviderFailed, match="private address") as caught:
        asyncio.run(llm.complete(to, "m", {"messages": []}, deadline_s=5))
    assert (caught.value.code, caught.value.retry, caught.value.paid) == ("bad_address", False, False)


def test_a_source_whose_name_turned_private_is_not_called(settings: Settings) -> None:
    settings.PRIVATE_PROVIDERS = False
    with Fetcher(Words("Langfuse"), {}, pause=lambda _: None) as fetcher, pytest.raises(SourceFailed, match="private"):
        fetcher.get("http://localhost:9/api")
