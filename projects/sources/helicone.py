"""Helicone: requests by its query API, and the bodies behind the links that come with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from projects.sources.walking import Access, Cursor, Page, Piece, Window, rows_of, walk

BASE_URL = "https://api.helicone.ai"
ACCOUNT, ACCOUNT_HELP = "", ""
SECRET, SECRET_HELP = "API key", "In the EU the base URL is https://eu.api.helicone.ai."
FORMAT = "helicone"
LONGEST = timedelta(days=8)
# Links expire: bodies are fetched right after their page, so a page is small.
ROWS = 200


def headers(access: Access) -> dict[str, str]:
    """Bearer; links to bodies are signed and are sent none."""
    return {"Authorization": f"Bearer {access.secret}"}


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages of requests with their bodies. Offsets hold still, because a window is over before it is read."""
    url = f"{access.base_url}/v1/request/query-clickhouse"

    def window(window: Window, at: Cursor) -> Iterator[Piece]:
        offset = at.get("offset", 0)
        while True:
            answer = fetch.post(url, _query(window, offset))
            if isinstance(answer, dict) and answer.get("error"):
                raise fetch.words.failed(f"answered: {fetch.words.shown(str(answer['error']))}")
            rows = rows_of(answer)
            offset += len(rows)
            whole = _with_bodies(fetch, rows)
            if len(rows) < ROWS:
                yield Piece(whole)
                return
            yield Piece(whole, {"offset": offset})

    return walk(window, cursor, until, longest=LONGEST)


def _query(window: Window, offset: int) -> dict[str, Any]:
    sides = {"left": {"gte": window.since.isoformat()}, "right": {"lt": window.until.isoformat()}}
    leaves = {side: {"request_response_rmt": {"request_created_at": test}} for side, test in sides.items()}
    return {
        "filter": {**leaves, "operator": "and"},
        "offset": offset,
        "limit": ROWS,
        "sort": {"created_at": "asc"},
        "includeInputs": False,
        "isCached": False,
    }


def _with_bodies(fetch: Fetcher, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A link that has expired, or never led anywhere, leaves its row without bodies; its event says so."""
    linked = [at for at, row in enumerate(rows) if isinstance(row.get("signed_body_url"), str) and not _has_body(row)]
    found = fetch.each([Ask(rows[at]["signed_body_url"], is_signed=True) for at in linked])
    whole = list(rows)
    for at, told in zip(linked, found, strict=True):
        if isinstance(told, SourceFailed) and told.retry:
            raise told
        if isinstance(told, dict):
            whole[at] = {**rows[at], "request_body": told.get("request"), "response_body": told.get("response")}
    return whole


def _has_body(row: Mapping[str, Any]) -> bool:
    return bool(row.get("request_body")) and bool(row.get("response_body"))
