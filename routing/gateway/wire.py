"""Bytes in, bytes out: a request read with a bound, answers and errors sent in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from netra.answers import loaded_strictly
from netra.errors import Busy, Invalid, NetraError, TooLarge
from projects.ingest.values import repaired

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BYTES = 64 << 20
JSON = (b"content-type", b"application/json")
EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
# What OpenAI's clients know errors by.
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class ClientGone(Exception):
    """The one who asked hung up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the gateway, read and as it came. `headers` are Netra's own, by name without `x-netra-`.

    `raw` is JSON that every parser takes; where the sender's was not (NaN, half characters), it is written anew.
    """

    path: str
    body: dict[str, Any]
    model: str
    raw: bytes
    headers: Mapping[str, str]

    @property
    def is_stream(self) -> bool:
        return self.body.get("stream") is True

    def number(self, name: str) -> float | None:
        """A header that is a positive number. Raises Invalid when it is something else."""
        text = self.headers.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise Invalid(f"x-netra-{name} must be a positive number, not {text[:40]!r}.", field=name)
        return value


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises TooLarge past 64 MiB, ClientGone when the sender broke off."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return message.get("body", b"")  # type: ignore[no-any-return]
    pieces, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BYTES:
            raise TooLarge("A request is at most 64 MiB.")
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


def asked(path: str, body: bytes, headers: Mapping[str, str]) -> Asked:
    """The request as an object. Raises Invalid for what is no JSON object with a model."""
    try:
        found, is_strict = loaded_strictly(body)
    except ValueError:
        raise Invalid("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Invalid("The body must be a JSON object.")
    model = found.get("model")
    if not isinstance(model, str) or not model:
        raise Invalid("Name a model: one of GET /v1/models, or netra/auto.", field="model")
    return Asked(path, found, model, body if is_strict else packed(repaired(found)), headers)


def packed(value: Any, *, is_sorted: bool = False) -> bytes:
    """JSON, also of what the fast writer refuses: half characters, numbers beyond 64 bits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if is_sorted else 0)
    except TypeError:
        return json.dumps(value, sort_keys=is_sorted).encode()


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": (JSON, length, *headers)})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, problem: NetraError, *headers: tuple[bytes, bytes]) -> None:
    """An error of ours, so that OpenAI's clients raise the right exception."""
    extra = [*headers]
    if isinstance(problem, Busy):
        extra.append((b"retry-after", str(max(1, round(problem.retry_after_s))).encode()))
    await answer(send, problem.status, error_body(problem), *extra)


def error_body(problem: NetraError) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`."""
    kind = _KINDS.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
    told = {"message": str(problem), "type": kind, "param": getattr(problem, "field", None), "code": problem.code}
    return orjson.dumps({"error": told})
