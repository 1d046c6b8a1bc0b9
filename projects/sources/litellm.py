"""A LiteLLM proxy: its spend logs by pages, and for each row the bodies, which the list leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from projects.sources.walking import Access, Cursor, Page, Piece, Window, rows_of, walk

BASE_URL = ""
ACCOUNT, ACCOUNT_HELP = "", ""
SECRET, SECRET_HELP = "Admin key", "The proxy's master key, or one that may read spend logs."
FORMAT = "litellm_spendlogs"
LONGEST = timedelta(days=8)
# Each row costs a request for its bodies, so a page is what is settled between two of them.
ROWS = 200
BODIES = ("messages", "response", "proxy_server_request")


def headers(access: Access) -> dict[str, str]:
    """Bearer, as its clients send it."""
    return {"Authorization": f"Bearer {access.secret}"}


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages of spend logs with their bodies."""
    return walk(_SpendLogs(fetch, access.base_url).window, cursor, until, longest=LONGEST)


class _SpendLogs:
    def __init__(self, fetch: Fetcher, base_url: str) -> None:
        self._fetch, self._url = fetch, f"{base_url}/spend/logs"

    def window(self, window: Window, at: Cursor) -> Iterator[Piece]:
        """Whole seconds are all it takes, and its end counts in: neighbours may both hold a row, none is left out."""
        page, n_received = at.get("page", 1), at.get("received", 0)
        while True:
            asked = {"start_date": _second(window.since), "end_date": _second(window.until + timedelta(seconds=1))}
            answer = self._fetch.get(f"{self._url}/v2", {**asked, "page": str(page), "page_size": str(ROWS)})
            rows = rows_of(answer)
            if answer.get("total_is_capped"):
                raise SourceFailed("LiteLLM shows only the first 10,000 calls of a minute.", is_too_wide=True)
            n_received += len(rows)
            whole = self._with_bodies(rows)
            total = answer.get("total")
            if len(rows) < ROWS or page >= int(answer.get("total_pages") or 0):
                yield Piece(whole, None, n_received, total if isinstance(total, int) else None)
                return
            page += 1
            yield Piece(whole, {"page": page, "received": n_received})

    def _with_bodies(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Rows whose bodies are gone stay without; their event says so."""
        links = [f"{self._url}/ui/{quote(str(row.get('request_id', '')), safe='')}" for row in rows]
        found = self._fetch.each([Ask(link) for link in links])
        for each in found:
            if isinstance(each, SourceFailed) and each.http_status not in (404, 410):
                raise each
        return [{**row, **_bodies(told)} for row, told in zip(rows, found, strict=True)]


def _bodies(told: Any) -> dict[str, Any]:
    return {name: told[name] for name in BODIES if name in told} if isinstance(told, dict) else {}


def _second(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
