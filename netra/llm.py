"""The one door to model providers: one attempt at one completion, and what failing means for money."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from netra import exchange
from netra.answers import Assembly, EventReader, first_choice
from netra.destination import OPENAI_COMPATIBLE, OPENAI_SPEAKERS, SIMULATED, Destination
from netra.errors import ProviderFailed
from netra.exchange import Exchange, json_object, read, refused, retry_after_s, said_in

__all__ = [
    "OPENAI_COMPATIBLE",
    "OPENAI_SPEAKERS",
    "SIMULATED",
    "Answer",
    "Destination",
    "check_whole",
    "complete",
    "model_names",
    "refused",
    "retry_after_s",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole completion in OpenAI's shape; `adjustments` say what was sent otherwise than asked."""

    status: int
    body: dict[str, Any]
    ttft_ms: float | None = None
    adjustments: tuple[str, ...] = ()


async def complete(to: Destination, model: str, request: Mapping[str, Any], *, deadline_s: float) -> Answer:
    """Ask once for a chat completion; streams when the request says so, and returns the assembled answer.

    Raises ProviderFailed, whose `paid` is False when surely nothing was charged and None when that cannot be known
    (time-out, cut or malformed answer, a proxy's error). Never raises anything that carries a key.
    """
    try:
        async with asyncio.timeout(deadline_s):
            asked = dict(request)
            adjustments = _make_usage_reported(asked)
            if to.speaks_openai:
                answer = await _ask(to, {**asked, "model": model})
            else:
                from netra import litellm_door  # which weighs seconds and 170 MB

                answer = await litellm_door.complete(to, model, asked)
            return replace(answer, adjustments=(*adjustments, *answer.adjustments))
    except TimeoutError:
        sentence = f"The provider gave no whole answer within {deadline_s:g} s."
        raise ProviderFailed(sentence, retry=True, paid=None, code="timeout") from None


async def model_names(to: Destination, *, deadline_s: float = 15.0) -> list[str]:
    """The models that an OpenAI-compatible server offers (`GET /models`); costs nothing. Raises ProviderFailed."""
    try:
        async with asyncio.timeout(deadline_s), Exchange(to, "GET", "/models", None) as response:
            body = await read(response)
            if response.status != 200:
                raise refused(to, response.status, body, response.headers)
    except TimeoutError:
        raise ProviderFailed(f"The provider did not answer within {deadline_s:g} s.", code="timeout") from None
    listed = json_object(body)[0].get("data")
    rows = listed if isinstance(listed, list) else []
    return [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


async def _ask(to: Destination, request: dict[str, Any]) -> Answer:
    began = time.monotonic()
    async with Exchange(to, "POST", "/chat/completions", request) as response:
        if response.status != 200:
            raise refused(to, response.status, await read(response), response.headers)
        if "text/event-stream" in response.headers.get("Content-Type", ""):
            body, first_at = await _assembled(response)
        else:
            body, first_at = json_object(await read(response))[0], None
    check_whole(to, body)
    ttft_ms = None if first_at is None else (first_at - began) * 1000
    return Answer(response.status, body, ttft_ms)


def _make_usage_reported(request: dict[str, Any]) -> tuple[str, ...]:
    """A stream tells its usage only when asked to; without it, what was paid would not be known."""
    if not request.get("stream"):
        request.pop("stream_options", None)
        return ()
    options = request.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        return ()
    request["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return ("stream_options.include_usage added",)


async def _assembled(response: aiohttp.ClientResponse) -> tuple[dict[str, Any], float | None]:
    """The completion out of a stream, and when its first content came."""
    reader, assembly, first_at, size = EventReader(), Assembly(), None, 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > exchange.MAX_ANSWER_BYTES:
            raise ProviderFailed("The provider's answer is beyond all measure.", paid=None, code="answer_too_large")
        for data in reader.feed(piece):
            assembly.add(data)
            if first_at is None and assembly.has_content:
                first_at = time.monotonic()
    for data in reader.rest():
        assembly.add(data)
    return assembly.completion(), first_at


def check_whole(to: Destination, body: Mapping[str, Any]) -> None:
    """Refuse a 200 that holds no answer: an error in disguise, or nothing to read."""
    if body.get("error") and not body.get("choices"):
        said = to.without_secrets(said_in(body))
        sentence = f"The provider broke off with an error: {said}" if said else "The provider broke off with an error."
        raise ProviderFailed(sentence, http_status=200, retry=True, paid=None, code="error_in_answer")
    if first_choice(body) is None:
        sentence = "The provider's answer holds no choice with a message."
        raise ProviderFailed(sentence, http_status=200, retry=True, paid=None, code="malformed")
