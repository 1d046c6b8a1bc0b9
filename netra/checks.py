"""System checks: refuse a configuration that cannot work, with the sentence that mends it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

CLICKHOUSE_SCHEMES = {"http", "https", "clickhouse", "clickhouses", "chdb"}
REDIS_SCHEMES = {"redis", "rediss", "unix"}
BAD_LITELLM = {"1.82.7", "1.82.8"}


@checks.register
def stores(**_: Any) -> list[checks.CheckMessage]:
    """Addresses must have a scheme we can talk to."""
    found: list[checks.CheckMessage] = []
    if settings.CLICKHOUSE_URL and urlsplit(settings.CLICKHOUSE_URL).scheme not in CLICKHOUSE_SCHEMES:
        found.append(
            checks.Error(
                "CLICKHOUSE_URL has an unknown scheme.",
                hint="Use http://user:password@host:8123/database, https://… or leave it unset for the embedded store.",
                id="netra.E001",
            )
        )
    if settings.REDIS_URL and urlsplit(settings.REDIS_URL).scheme not in REDIS_SCHEMES:
        found.append(checks.Error("REDIS_URL must start with redis:// or rediss://.", id="netra.E002"))
    return found


@checks.register
def processes(**_: Any) -> list[checks.CheckMessage]:
    """Separate workers cannot open the embedded store: it belongs to one process."""
    if settings.REDIS_URL and not settings.CLICKHOUSE_URL:
        return [
            checks.Error(
                "REDIS_URL is set but CLICKHOUSE_URL is not: other processes cannot open the embedded event store.",
                hint="Set CLICKHOUSE_URL as well, or unset REDIS_URL to run everything in one process.",
                id="netra.E003",
            )
        ]
    return []


@checks.register
def litellm_version(**_: Any) -> list[checks.CheckMessage]:
    """Two litellm releases were malicious; refuse to start on them."""
    from importlib.metadata import version

    if version("litellm") in BAD_LITELLM:
        return [checks.Error("This litellm release is known to be malicious.", hint="make setup", id="netra.E004")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def open_doors(**_: Any) -> list[checks.CheckMessage]:
    """Only for `check --deploy`: what is fine on a laptop and not on a server."""
    if not settings.HTTPS:
        return [checks.Warning("NETRA_HTTPS is off: cookies travel unencrypted.", id="netra.W001")]
    return []
