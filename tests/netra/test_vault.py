"""Secrets at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from netra import vault
from netra.errors import Unavailable


@given(st.text(max_size=200))
def test_what_is_sealed_comes_back(secret: str) -> None:
    sealed = vault.seal(secret)
    assert vault.unseal(sealed) == secret
    assert len(secret) < 8 or secret not in sealed


def test_another_encryption_key_says_so_without_the_secret(settings: Settings) -> None:
    sealed = vault.seal("sk-canary-123")
    settings.ENCRYPTION_KEY = "another"
    with pytest.raises(Unavailable, match="NETRA_ENCRYPTION_KEY has changed") as caught:
        vault.unseal(sealed)
    assert "canary" not in str(caught.value)


def test_keys_are_new_each_time_and_only_their_hash_matches() -> None:
    first, second = vault.new_key("netra"), vault.new_key("netra")
    assert first != second
    assert first.startswith("netra_")
    assert len(first) > 45
    assert vault.fingerprint(first) == vault.fingerprint(first) != vault.fingerprint(second)
    assert first not in vault.fingerprint(first)


def test_keyed_hash_differs_by_purpose_and_installation(settings: Settings) -> None:
    one = vault.keyed_hash("u-1", purpose="user")
    assert vault.keyed_hash("u-1", purpose="user") == one
    assert vault.keyed_hash("u-1", purpose="session") != one
    settings.ENCRYPTION_KEY = "elsewhere"
    assert vault.keyed_hash("u-1", purpose="user") != one
