"""OpenAI's batches: the input, output and error files of each batch that has come to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import quote

from netra.fetching import Ask, Fetcher
from projects.sources import openai
from projects.sources.walking import Access, Cursor, Page, moment, rows_of

BASE_URL = openai.BASE_URL
ACCOUNT, ACCOUNT_HELP = openai.ACCOUNT, openai.ACCOUNT_HELP
SECRET, SECRET_HELP = "API key", "It needs to read batches and files."
FORMAT = "openai_batch"
ROWS = "100"
LINES_A_PAGE = 1_000
OVER = ("completed", "expired", "cancelled")
# Input first: an answer then meets its question in the log.
FILES = ("input_file_id", "output_file_id", "error_file_id")

headers = openai.headers


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages of file lines, batch by batch in the order they were made.

    The cursor keeps the batches that were read since its `since`, which moves up to the oldest one still at work.
    """
    done: list[str] = list(cursor.get("done", ()))
    listed = _batches(fetch, access.base_url, moment(cursor["since"]).timestamp())
    for batch in listed:
        if batch["id"] in done or batch.get("status") not in OVER:
            continue
        here = {"since": cursor["since"], "done": [*done]}
        done.append(batch["id"])
        yield from _lines(fetch, access.base_url, batch, here, cursor.get("at") or {})
    waiting = [each for each in listed if each.get("status") not in (*OVER, "failed")]
    since = datetime.fromtimestamp(_created(waiting[0]), UTC) if waiting else until
    newer = {each["id"] for each in listed if _created(each) >= since.timestamp()}
    yield Page((), {"since": since.isoformat(), "done": [name for name in done if name in newer]})


def _batches(fetch: Fetcher, base_url: str, since: float) -> list[Mapping[str, Any]]:
    """Those made since then, oldest first; the list comes newest first."""
    found: list[Mapping[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = fetch.get(f"{base_url}/batches", {"limit": ROWS, **after})
        rows = [row for row in rows_of(answer) if isinstance(row.get("id"), str)]
        found += [row for row in rows if _created(row) >= since]
        if not answer.get("has_more") or not rows or _created(rows[-1]) < since:
            return found[::-1]
        after = {"after": rows[-1]["id"]}


def _lines(fetch: Fetcher, base_url: str, batch: Mapping[str, Any], here: Cursor, at: Cursor) -> Iterator[Page]:
    """The lines of a batch's files that were not read yet; answers are counted against the batch's own count."""
    begun = at if at.get("batch") == batch["id"] else {}
    n_answers = begun.get("answers", 0)
    for number, name in list(enumerate(FILES))[begun.get("file", 0) :]:
        if not batch.get(name):
            continue
        n_lines = begun.get("line", 0) if number == begun.get("file") else 0
        lines = fetch.lines(Ask(f"{base_url}/files/{quote(str(batch[name]), safe='')}/content"))
        lines = islice(lines, n_lines, None)
        while piece := list(islice(lines, LINES_A_PAGE)):
            n_lines, n_answers = n_lines + len(piece), n_answers + len(piece) * (number > 0)
            now = {"batch": batch["id"], "file": number, "line": n_lines, "answers": n_answers}
            yield Page(piece, {**here, "at": now})
    counts = batch.get("request_counts")
    total = counts.get("total") if isinstance(counts, dict) else None
    whole = {**here, "done": [*here["done"], batch["id"]]}
    yield Page((), whole, None, n_answers, total if isinstance(total, int) else None)


def _created(batch: Mapping[str, Any]) -> float:
    created = batch.get("created_at")
    return float(created) if isinstance(created, (int, float)) else 0.0
