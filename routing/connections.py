"""Connections to providers: what may be entered, and how it is kept so that no secret can be read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from netra import addresses, vault
from netra.errors import Conflict, Invalid, NotFound
from netra.llm import OPENAI_COMPATIBLE, OPENAI_SPEAKERS, SIMULATED
from projects.models import Project
from routing.models import ProviderConnection, SupplyOption

PLAIN_FIELDS = ("max_concurrency", "requests_per_minute", "deadline_s", "unsupported_parameters", "is_active")
MAX_KEY_CHARS = 4_096
MAX_HEADERS = 20

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")
_FORBIDDEN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")


def create(project: Project | None, *, name: str, provider: str, given: Mapping[str, Any]) -> ProviderConnection:
    """Add a connection. Raises Invalid for a bad value, Conflict when the name is taken."""
    if not _NAME.fullmatch(name):
        raise Invalid("A connection's name is lower-case letters, digits, dots, dashes and underscores.", field="name")
    if provider not in known_providers():
        raise Invalid(
            f"{provider[:60]!r} is no provider of the catalog; for your own server write {OPENAI_COMPATIBLE}.",
            field="provider",
        )
    row = ProviderConnection(project=project, name=name, provider=provider)
    _fill(row, {"base_url": "", **given})
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Conflict(f"There is a connection named {name} already.", code="name_taken") from None
    return row


def change(row: ProviderConnection, given: Mapping[str, Any]) -> ProviderConnection:
    """Change what is given; a key that is not given stays. Raises Invalid."""
    # Else whoever may edit the address, but was never told the key, could have it sent to a server of theirs.
    is_moved = "base_url" in given and given["base_url"].strip().rstrip("/") != row.base_url
    if is_moved and (row.sealed_key or row.sealed_headers) and "key" not in given:
        raise Invalid("When the base URL changes, the key must be entered again.", field="key")
    if is_moved and "headers" not in given:
        row.sealed_headers = ""
    _fill(row, given)
    row.save()
    return row


def shown(row: ProviderConnection) -> dict[str, Any]:
    """What may be shown of a connection in order to change it: never a key, never a header."""
    return {"base_url": row.base_url, **{name: getattr(row, name) for name in PLAIN_FIELDS}}


def find(project: Project, name: str) -> ProviderConnection:
    """A project's own connection. Raises NotFound."""
    found = ProviderConnection.objects.filter(project=project, name=name).first()
    if found is None:
        raise NotFound(f"This project has no connection named {name[:60]!r}.")
    return found


def _fill(row: ProviderConnection, given: Mapping[str, Any]) -> None:
    if "base_url" in given:
        row.base_url = check_base_url(given["base_url"], provider=row.provider)
    for name in PLAIN_FIELDS:
        if name in given:
            setattr(row, name, given[name])
    if given.get("key") is not None:
        row.set_key(check_key(given["key"]))
    if given.get("headers") is not None:
        headers = check_headers(given["headers"])
        row.sealed_headers = vault.seal(json.dumps(headers)) if headers else ""
    # Only the command line and the admin set this: a name chosen by a project's owner could be any secret of ours.
    if "key_env" in given:
        row.key_env = given["key_env"]
    check_limits(row)


def check_limits(row: ProviderConnection) -> None:
    """Limits that a call can pass. Raises Invalid, naming the field."""
    if not 1 <= row.max_concurrency <= 1_000:
        raise Invalid("At least 1 and at most 1,000 calls at once.", field="max_concurrency")
    if row.requests_per_minute is not None and not 1 <= row.requests_per_minute <= 1_000_000:
        raise Invalid("At least 1 and at most 1,000,000 requests a minute.", field="requests_per_minute")
    if not 0.1 <= row.deadline_s <= 3_600:
        raise Invalid("The deadline is between 0.1 s and 3,600 s.", field="deadline_s")
    if row.unsupported_parameters not in ProviderConnection.UnsupportedParameters.values:
        raise Invalid("Unsupported parameters are either sent or dropped.", field="unsupported_parameters")


def check_key(key: str) -> str:
    """A key fit for a header. Raises Invalid, which does not repeat it."""
    key = key.strip()
    if len(key) > MAX_KEY_CHARS or not key.isprintable() or not key.isascii():
        raise Invalid("A key is printable ASCII text of at most 4,096 characters.", field="key")
    return key


def check_base_url(text: str, *, provider: str) -> str:
    """A base URL fit to be called; empty where the provider has one address for all. Raises Invalid."""
    text = text.strip().rstrip("/")
    if not text:
        if provider == OPENAI_COMPATIBLE:
            raise Invalid("Give the base URL of the server, such as http://host:8000/v1.", field="base_url")
        return ""
    return addresses.check_base_url(text)


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Extra request headers fit to be sent. Raises Invalid."""
    if len(headers) > MAX_HEADERS:
        raise Invalid(f"At most {MAX_HEADERS} extra headers.", field="headers")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _FORBIDDEN_HEADERS:
            raise Invalid(f"{name[:80]!r} cannot be set as a header.", field="headers")
        if not value.isprintable() or not value.isascii():
            raise Invalid(f"The value of the header {name} must be printable ASCII text.", field="headers")
    return dict(headers)


def known_providers() -> set[str]:
    """Provider names a connection may have: those of the catalog, and any OpenAI-compatible server."""
    listed = SupplyOption.objects.filter(project=None).values_list("provider", flat=True).distinct()
    return {*OPENAI_SPEAKERS, OPENAI_COMPATIBLE, SIMULATED, *listed}
