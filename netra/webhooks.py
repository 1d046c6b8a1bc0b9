"""The door to people's own addresses that are told something: a signed POST, of whose answer only the status counts.

A receiver computes HMAC-SHA256 of `<timestamp>.<body>` under the secret it was given, holds it against the
`Netra-Signature` header (`t=<timestamp>,v1=<hex>`), and drops what is older than it likes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from netra.addresses import may_be_called
from netra.firewall import Guard, is_behind
from netra.refused_fetches import Words

TIMEOUT_S = 20.0
MOST_READ = 2_000


def signature(secret: str, body: bytes, at_s: int) -> str:
    """What the header says of a body sent at that second."""
    found = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={found}"


def post(url: str, told: Mapping[str, Any], *, secret: str) -> None:
    """Send it once. Raises SourceFailed, whose sentence holds neither the secret nor the address."""
    words = Words("The webhook", secrets=(secret, url))
    body = orjson.dumps(told)
    headers = {"Content-Type": "application/json", "Netra-Signature": signature(secret, body, int(time.time()))}
    _check(url, words)
    try:
        asyncio.run(_sent(url, body, headers, words))
    except TimeoutError:
        raise words.failed(f"did not answer within {TIMEOUT_S:g} s.") from None
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        if is_behind(problem):
            raise _private(words) from None
        raise words.failed("cannot be reached, or broke the connection off.") from None


def _check(url: str, words: Words) -> None:
    """Names are checked as they are resolved; an address written out is never resolved."""
    try:
        is_allowed = may_be_called(URL(url).host or "")
    except ValueError:
        return
    if not is_allowed:
        raise _private(words)


def _private(words: Words) -> Exception:
    return words.failed("leads to a private address, which this installation does not call.", retry=False)


async def _sent(url: str, body: bytes, headers: Mapping[str, str], words: Words) -> None:
    """Redirects are not followed: they would lead where nobody entered."""
    connector = aiohttp.TCPConnector(resolver=Guard())
    async with (
        asyncio.timeout(TIMEOUT_S),
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        if response.status >= 300:
            raise words.refused(response.status, await response.content.read(MOST_READ), response.headers)
