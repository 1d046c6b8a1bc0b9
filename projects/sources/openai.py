"""OpenAI's stored completions: those made with `store: true`, oldest first, each with the messages it answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from netra.errors import SourceFailed
from netra.fetching import Ask, Fetcher
from projects.sources.walking import Access, Cursor, Page, moment, rows_of

BASE_URL = "https://api.openai.com/v1"
ACCOUNT, ACCOUNT_HELP = "Organisation or project id", "org-… or proj_…; the key's own when left empty."
SECRET, SECRET_HELP = "API key", "Only calls made with store: true are kept at OpenAI."
FORMAT = "openai"
ROWS = "100"
# What a stored completion repeats of its request. Its model is the one that served; which was asked for is not kept.
ASKED = (
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "seed", "metadata"),
    *("presence_penalty", "frequency_penalty", "reasoning_effort", "verbosity", "max_completion_tokens", "modalities"),
)


def headers(access: Access) -> dict[str, str]:
    """Bearer, and whose account is meant."""
    told = {"Authorization": f"Bearer {access.secret}"}
    if access.account:
        told["OpenAI-Project" if access.account.startswith("proj") else "OpenAI-Organization"] = access.account
    return told


def read(fetch: Fetcher, access: Access, cursor: Cursor, until: datetime) -> Iterator[Page]:
    """Pages after the last completion that was read; those of before the cursor's `since` are passed over."""
    url, since = f"{access.base_url}/chat/completions", moment(cursor["since"]).timestamp()
    has_more = True
    while has_more:
        answer = fetch.get(url, {"limit": ROWS, "order": "asc", **_after(cursor)})
        rows = rows_of(answer)
        # What arrives while this is read is for the next sync, or a busy log would never be at its end.
        has_more = bool(answer.get("has_more")) and bool(rows) and _created(rows[-1]) < until.timestamp()
        if rows:
            cursor = {**cursor, "after": str(rows[-1].get("id"))}
        wanted = [row for row in rows if _created(row) >= since]
        yield Page(_with_messages(fetch, url, wanted), cursor)


def _after(cursor: Cursor) -> dict[str, str]:
    return {"after": cursor["after"]} if "after" in cursor else {}


def _created(row: Mapping[str, Any]) -> float:
    """Without a time it is taken; what is wrong with it is the format's to say."""
    created = row.get("created")
    return float(created) if isinstance(created, (int, float)) else float("inf")


def _with_messages(fetch: Fetcher, url: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    links = [f"{url}/{quote(str(row.get('id')), safe='')}/messages" for row in rows]
    first = fetch.each([Ask(link, {"limit": ROWS, "order": "asc"}) for link in links])
    return [_pair(row, _messages(fetch, link, found)) for row, link, found in zip(rows, links, first, strict=True)]


def _messages(fetch: Fetcher, link: str, answer: Any) -> list[dict[str, Any]] | None:
    """All messages of a completion; None when it was deleted meanwhile."""
    if isinstance(answer, SourceFailed):
        if answer.http_status == 404:
            return None
        raise answer
    messages = rows_of(answer)
    while answer.get("has_more") and messages:
        answer = fetch.get(link, {"limit": ROWS, "order": "asc", "after": str(messages[-1].get("id"))})
        messages += rows_of(answer)
    return [_as_sent(message) for message in messages]


def _as_sent(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message without what the store adds: its id, and the parts of its content kept beside it."""
    sent = {name: value for name, value in message.items() if name not in ("id", "content_parts") and value is not None}
    return {**sent, "content": message.get("content_parts") or message.get("content")}


def _pair(row: Mapping[str, Any], messages: list[dict[str, Any]] | None) -> dict[str, Any]:
    if messages is None:
        return dict(row)
    request = {name: row[name] for name in ASKED if row.get(name) is not None}
    return {"request": {**request, "messages": messages}, "response": dict(row)}
