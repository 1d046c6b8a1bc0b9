"""Which vendors there are, by the kind of a source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from netra.errors import Invalid
from netra.fetching import Fetcher
from projects.sources import helicone, langfuse, litellm, openai, openai_batch, portkey
from projects.sources.walking import Access, Cursor, Page


class Vendor(Protocol):
    """`BASE_URL` is empty for what everyone runs themselves, `ACCOUNT` where the secret is all there is."""

    BASE_URL: str
    ACCOUNT: str
    ACCOUNT_HELP: str
    SECRET: str
    SECRET_HELP: str
    FORMAT: str

    def headers(self, access: Access) -> dict[str, str]: ...

    def read(self, fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]: ...


VENDORS: dict[str, Vendor] = {
    "portkey": portkey,
    "langfuse": langfuse,
    "litellm": litellm,
    "helicone": helicone,
    "openai": openai,
    "openai_batch": openai_batch,
}


def named(kind: str) -> Vendor:
    """A vendor by kind. Raises Invalid when there is none of that name."""
    if kind not in VENDORS:
        raise Invalid(f"There is no kind of source {kind[:40]!r}; known are: {', '.join(VENDORS)}.", field="kind")
    return VENDORS[kind]
