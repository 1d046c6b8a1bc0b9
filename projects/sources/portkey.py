"""Portkey: exports are ordered, waited for and downloaded, at most 50,000 rows each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from projects.sources.walking import Access, Cursor, Page, Piece, Window, walk

BASE_URL = "https://api.portkey.ai/v1"
ACCOUNT, ACCOUNT_HELP = "Workspace id", "As Portkey's settings show it; the key's own workspace when left empty."
SECRET = "API key"  # noqa: S105
SECRET_HELP = "It needs the permission logs.export."  # noqa: S105
FORMAT = "portkey"
# Exports are made in their own time, so a window may be wide: fewer of them are ordered.
LONGEST = timedelta(days=30)
MOST_ROWS = 50_000
LINES_A_PIECE = 1_000
FIRST_POLL_S, LONGEST_POLL_S, MOST_POLLS_S = 0.2, 10.0, 1_800.0
BODIES = ("request", "response")
FIELDS = (
    *("id", "trace_id", "created_at", *BODIES, "is_success", "ai_org", "ai_model", "req_units", "res_units"),
    *("total_units", "cost", "cost_currency", "response_time", "response_status_code", "request_url", "mode"),
    *("config", "prompt_slug", "metadata", "cache_status", "stream_mode"),
)


def headers(access: Access) -> dict[str, str]:
    """Portkey's own header."""
    return {"x-portkey-api-key": access.secret}


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages of export lines."""
    exports = _Exports(fetch, access)
    if exports.withheld:
        yield Page((), cursor, remarks=(f"Portkey withholds {', '.join(exports.withheld)} from this key.",))
    yield from walk(exports.window, cursor, until, longest=LONGEST, first=LONGEST)


class _Exports:
    def __init__(self, fetch: Fetcher, access: Access) -> None:
        self._fetch, self._url = fetch, f"{access.base_url}/logs/exports"
        self._workspace = {"workspace_id": access.account} if access.account else {}
        self.withheld = self._withheld()

    def _withheld(self) -> list[str]:
        """Fields the organisation denies; older installations do not tell."""
        try:
            told = self._fetch.get(f"{self._url}/field-restrictions", self._workspace)
        except SourceFailed as problem:
            if problem.http_status not in (404, 405):
                raise
            return []
        denied = told.get("restricted_fields") if isinstance(told, dict) else None
        return [name for name in FIELDS if name in denied] if isinstance(denied, list) else []

    def window(self, window: Window, at: Cursor) -> Iterator[Piece]:
        """Every row of a window: one export for each 50,000."""
        number, n_lines, total = at.get("page", 0), at.get("line", 0), at.get("total", 0)
        n_received, export = at.get("received", 0), at.get("export")
        while True:
            if export is None or not self._is_ready(export):
                n_received, n_lines = n_received - n_lines, 0  # an export that is gone is read again from its start
                export, total = self._ordered(window, number)
            for lines in self._downloaded(export, n_lines) if number * MOST_ROWS < total else ():
                n_lines, n_received = n_lines + len(lines), n_received + len(lines)
                here = {"export": export, "page": number, "line": n_lines, "received": n_received, "total": total}
                yield Piece(lines, here)
            number, n_lines, export = number + 1, 0, None
            if number * MOST_ROWS >= total:
                break
        yield Piece(n_received=n_received, n_expected=total)

    def _ordered(self, window: Window, number: int) -> tuple[str, int]:
        filters = {
            "time_of_generation_min": window.since.isoformat(),
            "time_of_generation_max": window.until.isoformat(),
            "page_size": MOST_ROWS,
            "current_page": number,
        }
        wanted = [name for name in FIELDS if name not in self.withheld]
        made = self._fetch.post(self._url, {**self._workspace, "filters": filters, "requested_data": wanted})
        if not isinstance(made, dict) or "id" not in made or not isinstance(made.get("total"), int):
            raise SourceFailed("Portkey's answer to an export is none: is the base URL right?")
        export = str(made["id"])
        if made["total"] > number * MOST_ROWS:
            self._fetch.post(f"{self._url}/{export}/start", {})
            if not self._is_ready(export):
                raise SourceFailed("Portkey gave up an export it had begun.", retry=True)
        return export, made["total"]

    def _is_ready(self, export: str) -> bool:
        """Wait until an export can be had; False when it failed, was stopped, or is forgotten."""
        wait_s, waited_s = FIRST_POLL_S, 0.0
        while waited_s < MOST_POLLS_S:
            try:
                told = self._fetch.get(f"{self._url}/{export}")
            except SourceFailed as problem:
                if problem.http_status == 404:
                    return False
                raise
            status = told.get("status") if isinstance(told, dict) else None
            if status in ("success", "failed", "failure", "stopped"):
                return bool(status == "success")
            self._fetch.pause(wait_s)
            waited_s += wait_s
            wait_s = min(LONGEST_POLL_S, wait_s * 1.6)
        raise SourceFailed("Portkey's export is not ready after half an hour.", retry=True, is_too_wide=True)

    def _downloaded(self, export: str, n_known: int) -> Iterator[list[bytes]]:
        lines = islice(self._fetch.lines(Ask(self._link(export), is_signed=True)), n_known, None)
        while piece := list(islice(lines, LINES_A_PIECE)):
            yield piece

    def _link(self, export: str) -> str:
        told: Mapping[str, Any] = self._fetch.get(f"{self._url}/{export}/download")
        link = (told.get("signed_url") or told.get("url")) if isinstance(told, dict) else None
        if not isinstance(link, str):
            raise SourceFailed("Portkey gave no link to the export.", retry=True)
        return link
