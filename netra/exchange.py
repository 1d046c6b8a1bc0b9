"""One HTTP exchange with a provider, and what each way of failing means for trying again and for money."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import orjson
from django.utils import timezone

from netra.answers import StreamCut, loaded, loaded_strictly
from netra.destination import Destination
from netra.errors import ProviderFailed
from netra.firewall import Guard, is_behind

MAX_ANSWER_BYTES = 64 * 1024 * 1024
RETRIED_STATUSES = frozenset({408, 409, 425, 429})
# These come from something between us and the model, which may have worked, and been paid, all the same.
UNPAID_5XX_NEEDS_ERROR_OBJECT = frozenset({500, 501, 503, 529})


class Exchange:
    """One HTTP exchange; connection troubles become ProviderFailed, told apart by whether the request was sent."""

    def __init__(self, to: Destination, method: str, path: str, body: Mapping[str, Any] | bytes | None) -> None:
        self._to, self._method, self._path = to, method, path
        self._body = _packed(body) if isinstance(body, Mapping) else body

    async def __aenter__(self) -> aiohttp.ClientResponse:
        headers = {"Content-Type": "application/json", **self._to.headers}
        if self._to.key:
            headers["Authorization"] = f"Bearer {self._to.key}"
        client = await session()
        url = self._to.address + self._path
        try:
            # A redirect would carry prompt and key to an address nobody entered.
            self._response = await client.request(
                self._method, url, data=self._body, headers=headers, allow_redirects=False
            )
        except aiohttp.ClientError as problem:
            raise _unreachable(problem) from None
        except (ValueError, OSError) as problem:
            sentence = f"The request could not be sent ({type(problem).__name__})."
            raise ProviderFailed(sentence, paid=False, code="unsendable") from None
        return self._response

    async def __aexit__(self, kind: Any, problem: BaseException | None, trace: Any) -> None:
        # A connection that broke off in the middle must not be used again.
        self._response.close() if problem is not None else self._response.release()
        if isinstance(problem, StreamCut):
            raise ProviderFailed(f"Cut short: {problem}.", retry=True, paid=None, code="cut_stream") from None
        if isinstance(problem, (aiohttp.ClientError, OSError)) and not isinstance(problem, TimeoutError):
            raise ProviderFailed(
                "The connection broke in the middle of the answer.", retry=True, paid=None, code="cut_answer"
            ) from None


def _packed(body: Mapping[str, Any]) -> bytes:
    # Lone surrogates occur in logged prompts; escaped, they survive where UTF-8 would refuse them.
    try:
        return orjson.dumps(body)
    except TypeError:
        try:
            return json.dumps(body).encode()
        except RecursionError:
            raise ProviderFailed("The request is nested too deeply to be sent.", code="unsendable") from None


def _unreachable(problem: aiohttp.ClientError) -> ProviderFailed:
    if is_behind(problem):
        sentence = "The connection leads to a private address, which this installation does not call."
        return ProviderFailed(sentence, paid=False, code="bad_address")
    if isinstance(problem, aiohttp.ClientConnectorError):
        sentence = "The provider cannot be reached: no connection could be made."
        return ProviderFailed(sentence, retry=True, paid=False, code="unreachable")
    if isinstance(problem, aiohttp.InvalidURL):
        return ProviderFailed("The connection's address is not a URL.", paid=False, code="bad_address")
    sentence = "The provider closed the connection without an answer."
    return ProviderFailed(sentence, retry=True, paid=None, code="disconnected")


async def read(response: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise ProviderFailed("The provider's answer is beyond all measure.", paid=None, code="answer_too_large")
        pieces.append(piece)
    return b"".join(pieces)


def json_object(body: bytes) -> tuple[dict[str, Any], bool]:
    """An answer's JSON object, and whether every parser takes it. Raises ProviderFailed when it is none."""
    try:
        found, is_strict = loaded_strictly(body)
    except ValueError:
        found, is_strict = None, False
    if not isinstance(found, dict):
        raise ProviderFailed(
            "The provider's answer is not a JSON object.", http_status=200, retry=True, paid=None, code="malformed"
        )
    return found, is_strict


def refused(to: Destination, status: int, body: bytes, headers: Mapping[str, str]) -> ProviderFailed:
    """What an HTTP error means: whether to try again, when, and whether it can have cost anything."""
    try:
        told = loaded(body)
    except ValueError:
        told = None
    has_error_object = isinstance(told, dict) and bool(told.get("error"))
    surely_unpaid = status < 500 and status != 408
    return ProviderFailed(
        _sentence(to, status, said_in(told) if isinstance(told, dict) else ""),
        http_status=status,
        retry=status in RETRIED_STATUSES or status >= 500,
        retry_after_s=retry_after_s(headers),
        paid=False if surely_unpaid or (has_error_object and status in UNPAID_5XX_NEEDS_ERROR_OBJECT) else None,
        code=_CODES.get(status, "provider_error" if status >= 500 else "request_refused"),
    )


_CODES = {401: "key_refused", 403: "key_refused", 404: "model_not_found", 408: "timeout", 429: "rate_limited"}


def _sentence(to: Destination, status: int, said: str) -> str:
    if status in (401, 403):  # the provider's own words often repeat parts of the key
        return f"The provider refused the key (HTTP {status})."
    if 300 <= status < 400:
        return f"The provider answered with a redirect (HTTP {status}), which is not followed; mend the base URL."
    said = to.without_secrets(said)
    return f"The provider answered HTTP {status}: {said}" if said else f"The provider answered HTTP {status}."


def said_in(told: Mapping[str, Any]) -> str:
    """The words of an error object; empty when it has none."""
    error = told.get("error")
    found = error.get("message") if isinstance(error, dict) else error
    return found if isinstance(found, str) else ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks us to wait, in seconds or as a date; None when it does not say."""
    for name, scale in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
            return float(text) * scale
    try:
        until = parsedate_to_datetime(headers.get("Retry-After", ""))
        # The oldest of the three forms that HTTP allows names no zone.
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - timezone.now()).total_seconds())
    except (ValueError, TypeError):
        return None


_holders: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[AsyncIterator[Any], aiohttp.ClientSession]]
_holders = WeakKeyDictionary()


async def session() -> aiohttp.ClientSession:
    """One client session an event loop. It hangs on an asynchronous generator, which the loop closes as it ends."""
    loop = asyncio.get_running_loop()
    held = _holders.get(loop)
    if held is None or held[1].closed:
        holder = _held_session()
        held = _holders[loop] = (holder, await anext(holder))
    return held[1]


async def _held_session() -> AsyncIterator[aiohttp.ClientSession]:
    # Concurrency is limited by routing.limits; the short keep-alive avoids sending into a connection just dropped.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=10, ttl_dns_cache=60, resolver=Guard())
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=15)
    session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True)
    try:
        yield session
    finally:
        await session.close()
