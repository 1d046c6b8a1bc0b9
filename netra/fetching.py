"""The one door to the logs of other vendors: what is asked again, how long to wait, and how much to take."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson
from yarl import URL

from netra.addresses import may_be_called
from netra.errors import SourceFailed
from netra.firewall import Guard, is_behind
from netra.refused_fetches import Words

MAX_ANSWER_BYTES = 64 << 20
LONGEST_LINE = 64 << 20
# Bodies that belong to one page are in memory together.
MOST_TOGETHER_BYTES = 256 << 20
AT_ONCE = 8
# So many answers at most between two looks at whether to go on.
ROUND = 16
MOST_TRIES, MOST_TRIES_TOO_WIDE = 6, 2
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
# A vendor that asks for more patience than this is left alone, and the work is taken up again later.
LONGEST_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. The address of a signed link carries its own permission: it is sent no credentials."""

    url: str = field(repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    is_signed: bool = False


class Fetcher:
    """Asks one vendor, from one thread. `pause` waits so many seconds, and may raise to end it all.

    Every method raises SourceFailed once trying again has not helped. No error holds a key or a signed address.
    """

    def __init__(
        self,
        words: Words,
        headers: Mapping[str, str],
        *,
        pause: Callable[[float], None] = time.sleep,
        timeout_s: float = 60.0,
    ) -> None:
        self.words, self.pause = words, pause
        self.n_bytes = 0
        self._headers, self._timeout_s = headers, timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._is_held_back = False

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON value at an address."""
        return self._json(Ask(url, params or {}))

    def post(self, url: str, body: Mapping[str, Any]) -> Any:
        """The JSON value a JSON body is answered with."""
        return self._json(Ask(url, body=body))

    def _json(self, ask: Ask) -> Any:
        found = self.each([ask])[0]
        if isinstance(found, SourceFailed):
            raise found
        return found

    def each(self, asks: Sequence[Ask]) -> list[Any]:
        """The JSON value of each, or the SourceFailed that it came to; some at once."""
        found: list[Any] = []
        known_bytes = self.n_bytes
        for start in range(0, len(asks), ROUND):
            found += self._answers(asks[start : start + ROUND])
            if self.n_bytes - known_bytes > MOST_TOGETHER_BYTES:
                raise self.words.failed("gave more than 256 MB for one page.", is_too_wide=True, retry=False)
            if start + ROUND < len(asks):
                self.pause(0)
        return found

    def _answers(self, asks: Sequence[Ask]) -> list[Any]:
        answers: dict[int, Any] = {}
        n_tries = 0
        while True:
            left = [at for at in range(len(asks)) if at not in answers]
            found = self._runner.run(self._round([asks[at] for at in left]))
            told = {at: each for at, each in zip(left, found, strict=True) if each is not None}
            again = {at: each for at, each in told.items() if isinstance(each, SourceFailed) and each.retry}
            answers |= {at: each for at, each in told.items() if at not in again}
            if not again and len(answers) == len(asks):
                return [answers[at] for at in range(len(asks))]
            n_tries = 1 if len(again) < len(told) else n_tries + 1
            self._wait(list(again.values()), n_tries)

    def _wait(self, problems: Sequence[SourceFailed], n_tries: int) -> None:
        """Before the next try; raises the problem when there is none."""
        for problem in problems:
            most = MOST_TRIES_TOO_WIDE if problem.is_too_wide else MOST_TRIES
            if n_tries >= most or (problem.retry_after_s or 0) > LONGEST_PATIENCE_S:
                raise problem
        told = [problem.retry_after_s for problem in problems if problem.retry_after_s is not None]
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**n_tries) * random.uniform(0.5, 1.0)
        self.pause(max(told) if told else backoff)

    async def _round(self, asks: Sequence[Ask]) -> list[Any]:
        """One try at each. None stands for those not sent, because the vendor had just asked to wait."""
        places, self._is_held_back = asyncio.Semaphore(AT_ONCE), False

        async def placed(ask: Ask) -> Any:
            async with places:
                return None if self._is_held_back else await self._tried(ask)

        return await asyncio.gather(*(placed(ask) for ask in asks))

    async def _tried(self, ask: Ask) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s), self._opened(ask) as response:
                body = await self._read(response)
        except SourceFailed as problem:
            self._is_held_back |= problem.code == "rate_limited"
            return problem
        except TimeoutError:
            return self.words.failed(f"did not answer within {self._timeout_s:g} s.", is_too_wide=True)
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            return self._broken(problem)
        try:
            return _value(body)
        except (ValueError, RecursionError):
            return self.words.failed("gave an answer that is not JSON.")

    def _opened(self, ask: Ask) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Redirects are not followed: they would carry the credentials to an address nobody entered."""
        url = URL(ask.url)
        self._check(url)
        headers = {} if ask.is_signed else dict(self._headers)
        body = None if ask.body is None else orjson.dumps(ask.body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._open_session().request(
            "GET" if body is None else "POST",
            URL(ask.url, encoded=True) if ask.is_signed else url,
            params=ask.params or None,
            data=body,
            headers=headers,
            allow_redirects=False,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Guard(), limit=AT_ONCE, keepalive_timeout=10),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _check(self, url: URL) -> None:
        """Names are checked as they are resolved; an address written out is never resolved."""
        if url.scheme not in ("http", "https") or not url.host:
            raise self.words.failed("gave an address that is not one.", retry=False)
        try:
            is_allowed = may_be_called(url.host)
        except ValueError:
            return
        if not is_allowed:
            raise self.words.failed("leads to a private address, which this installation does not call.", retry=False)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise self.words.failed("gave an answer of more than 64 MB.", is_too_wide=True, retry=False)
            pieces.append(piece)
        self.n_bytes += size
        if response.status >= 300:
            raise self.words.refused(response.status, b"".join(pieces), response.headers)
        return b"".join(pieces)

    def _broken(self, problem: Exception) -> SourceFailed:
        if is_behind(problem):
            return self.words.failed("leads to a private address, which this installation does not call.", retry=False)
        if isinstance(problem, aiohttp.ClientConnectorError):
            return self.words.failed("cannot be reached: no connection could be made.")
        if isinstance(problem, (aiohttp.InvalidURL, ValueError)):
            return self.words.failed("gave an address that is not one.", retry=False)
        return self.words.failed("broke the connection off.")

    def lines(self, ask: Ask) -> Iterator[bytes]:
        """The lines of a file, as they arrive; memory stays that of one line. Not tried again: go on from a line."""
        pieces, held = self._pieces(ask), b""
        while (piece := self._runner.run(_next(pieces))) is not None:
            *whole, held = (held + piece).split(b"\n")
            yield from (line for line in whole if line.strip())
            if len(held) > LONGEST_LINE:
                raise self.words.failed("gave a line of more than 64 MB.", retry=False)
        if held.strip():
            yield held

    async def _pieces(self, ask: Ask) -> AsyncIterator[bytes]:
        try:
            async with self._opened(ask) as response:
                if response.status >= 300:
                    await self._read(response)
                async for piece in response.content.iter_chunked(1 << 18):
                    self.n_bytes += len(piece)
                    yield piece
        except TimeoutError:
            raise self.words.failed(f"sent nothing for {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise self._broken(problem) from None


def _value(body: bytes) -> Any:
    """The fast parser, and the lenient one for what only it takes (NaN, lone surrogates): records are judged later."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
