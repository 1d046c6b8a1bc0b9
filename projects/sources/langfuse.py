"""Langfuse: the observations of its second API with a cursor, or of its first by pages where there is no second."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from projects.sources.walking import Access, Cursor, Page, Piece, Window, rows_of, walk

BASE_URL = "https://cloud.langfuse.com"
ACCOUNT, ACCOUNT_HELP = "Public key", "It begins with pk-lf-."
SECRET, SECRET_HELP = "Secret key", "It begins with sk-lf-."
Row = Mapping[str, Any]
FORMAT = "langfuse"
# Wide windows time out there; empty ones still go by fast.
LONGEST = timedelta(days=8)
# Spans, agents and events are no calls; asking for these two alone leaves them at home.
TYPES = ("GENERATION", "EMBEDDING")
ROWS, ROWS_V1 = "1000", "100"
GROUPS = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
# Values of other metadata are cut at 200 characters, which no label needs more of.
WHOLE_METADATA = "attributes,tools"
OF_TRACES = ("userId", "sessionId", "tags")
MISSING = (404, 405, 410)


def headers(access: Access) -> dict[str, str]:
    """Basic, with the public key as user."""
    pair = f"{access.account}:{access.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages of observations that are calls."""
    return walk(_Observations(fetch, access.base_url).window, cursor, until, longest=LONGEST)


class _Observations:
    def __init__(self, fetch: Fetcher, base_url: str) -> None:
        self._fetch, self._url = fetch, f"{base_url}/api/public"
        self._has_v2: bool | None = None
        self._traces: dict[str, Row] = {}

    def window(self, window: Window, at: Cursor) -> Iterator[Piece]:
        if self._has_v2 is None:
            self._has_v2 = self._probed()
        return self._by_cursor(window, at) if self._has_v2 else self._by_page(window, at)

    def _probed(self) -> bool:
        """Which API there is; asking for one row tells, and a wrong key fails here."""
        try:
            self._fetch.get(f"{self._url}/v2/observations", {"limit": "1", "fields": "core"})
        except SourceFailed as problem:
            if problem.http_status not in MISSING:
                raise
            return False
        return True

    def _by_cursor(self, window: Window, at: Cursor) -> Iterator[Piece]:
        number, mark = at.get("type", 0), at.get("cursor")
        while True:
            asked = {**_times(window), "type": TYPES[number], "limit": ROWS, "fields": GROUPS}
            asked |= {"expandMetadata": WHOLE_METADATA} | ({"cursor": mark} if mark else {})
            answer = self._fetch.get(f"{self._url}/v2/observations", asked)
            mark = _meta(answer).get("cursor")
            number += not mark  # no cursor: the end of this type
            if number == len(TYPES):
                yield Piece(rows_of(answer))
                return
            yield Piece(rows_of(answer), {"type": number, "cursor": mark})

    def _by_page(self, window: Window, at: Cursor) -> Iterator[Piece]:
        self._traces = {}
        number, page = at.get("type", 0), at.get("page", 1)
        n_received, n_expected = at.get("received", 0), at.get("expected", 0)
        while True:
            asked = {**_times(window), "type": TYPES[number], "limit": ROWS_V1, "page": str(page)}
            answer = self._fetch.get(f"{self._url}/observations", asked)
            rows, meta = self._with_traces(rows_of(answer)), _meta(answer)
            n_received += len(rows)
            page += 1
            if page > _whole(meta.get("totalPages")) or not rows:
                number, page, n_expected = number + 1, 1, n_expected + _whole(meta.get("totalItems"))
            if number == len(TYPES):
                yield Piece(rows, None, n_received, n_expected)
                return
            yield Piece(rows, {"type": number, "page": page, "received": n_received, "expected": n_expected})

    def _with_traces(self, rows: Sequence[Row]) -> list[Row]:
        """There users and sessions are told of traces only; each is asked for once a window, without its calls."""
        wanted = sorted({str(row["traceId"]) for row in rows if row.get("traceId")} - self._traces.keys())
        links = [Ask(f"{self._url}/traces/{quote(name, safe='')}", {"fields": "core"}) for name in wanted]
        for name, found in zip(wanted, self._fetch.each(links), strict=True):
            if isinstance(found, SourceFailed) and found.http_status not in MISSING:
                raise found
            self._traces[name] = found if isinstance(found, dict) else {}
        return [_joined(row, self._traces.get(str(row.get("traceId")), {})) for row in rows]


def _joined(row: Row, trace: Row) -> Row:
    return {**row, **{name: trace[name] for name in OF_TRACES if trace.get(name) and not row.get(name)}}


def _times(window: Window) -> dict[str, str]:
    return {"fromStartTime": _iso(window.since), "toStartTime": _iso(window.until)}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _meta(answer: Any) -> Mapping[str, Any]:
    found = answer.get("meta") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
