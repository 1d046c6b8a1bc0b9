"""Configurations that cannot work are refused with the sentence that mends them."""

from __future__ import annotations

from unittest.mock import patch

from pytest_django import Settings

from netra import checks


def test_the_defaults_pass(settings: Settings) -> None:
    settings.REDIS_URL = settings.CLICKHOUSE_URL = ""
    assert checks.stores() == []
    assert checks.processes() == []
    assert checks.litellm_version() == []


def test_workers_apart_need_a_server_for_events(settings: Settings) -> None:
    settings.REDIS_URL, settings.CLICKHOUSE_URL = "redis://127.0.0.1", ""
    (found,) = checks.processes()
    assert found.id == "netra.E003"
    assert "CLICKHOUSE_URL" in found.hint


def test_both_set_is_fine(settings: Settings) -> None:
    settings.REDIS_URL, settings.CLICKHOUSE_URL = "redis://127.0.0.1", "http://127.0.0.1:8123/netra"
    assert checks.processes() == []
    assert checks.stores() == []


def test_unknown_schemes_are_named(settings: Settings) -> None:
    settings.CLICKHOUSE_URL, settings.REDIS_URL = "mysql://host", "http://host"
    assert {found.id for found in checks.stores()} == {"netra.E001", "netra.E002"}


def test_malicious_litellm_releases_are_refused() -> None:
    with patch("importlib.metadata.version", return_value="1.82.8"):
        (found,) = checks.litellm_version()
    assert found.id == "netra.E004"


def test_open_cookies_are_warned_about(settings: Settings) -> None:
    settings.HTTPS = False
    assert [found.id for found in checks.open_doors()] == ["netra.W001"]
    settings.HTTPS = True
    assert checks.open_doors() == []
