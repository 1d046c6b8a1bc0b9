"""A provider on a real socket that plays a script: one step for each request, the last one for all that follow."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from netra.llm import OPENAI_COMPATIBLE, Destination
from netra.prices import DatedRates, Rates
from routing.calls import ModelCall, OptionTarget
from tests.factories import NOON

CANARY = "canary-7f3a-secret-key"


@dataclass
class Step:
    """What to do with one request. `cut`: hang up after that many bytes of the body. `silence_s`: wait first.

    `stays_s`: keep the connection open so long after the last byte, unless the client leaves.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    silence_s: float = 0.0
    hang_up: bool = False
    stays_s: float = 0.0


def said(text: str = "4", *, prompt: int = 12, completion: int = 3, **fields: Any) -> Step:
    """A plain good answer."""
    answer = {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "model": "foo-2026-01-01",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
        **fields,
    }
    return Step(body=json.dumps(answer).encode(), headers={"Content-Type": "application/json"})


def error(status: int, message: str = "no", **headers: str) -> Step:
    return Step(status, json.dumps({"error": {"message": message}}).encode(), headers)


def streamed(*chunks: dict[str, Any], done: bool = True, newline: str = "\n") -> Step:
    """A stream of events."""
    lines = [f"data: {json.dumps(chunk)}{newline}{newline}" for chunk in chunks]
    lines += [f"data: [DONE]{newline}{newline}"] if done else []
    return Step(body="".join(lines).encode(), headers={"Content-Type": "text/event-stream"})


def piece(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c-1", "model": "foo", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}


@dataclass
class Provider:
    """The server's side of what happened."""

    base_url: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    n_inside: int = 0
    n_inside_most: int = 0


@asynccontextmanager
async def provider(*script: Step) -> AsyncIterator[Provider]:
    seen = Provider("")
    steps = list(script)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.n_inside += 1
        seen.n_inside_most = max(seen.n_inside_most, seen.n_inside)
        try:
            await _play(seen, steps, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            seen.n_inside -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield seen
    finally:
        server.close()


@contextmanager
def served(*script: Step) -> Iterator[Provider]:
    """The same in a thread of its own, for code that runs an event loop of its own."""
    ready, done, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with provider(*script) as there:
            found.append(there)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield found[0]
    finally:
        done.set()
        thread.join(10)


async def _play(seen: Provider, steps: list[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    seen.paths.append(head[0].split()[1])
    seen.headers.append(headers)
    seen.asked.append(json.loads(body) if body else {})
    step = steps.pop(0) if len(steps) > 1 else steps[0]
    await asyncio.sleep(step.silence_s)
    if step.hang_up:
        return
    told = {"Content-Length": str(len(step.body)), "Connection": "close", **step.headers}
    lines = [f"HTTP/1.1 {step.status} X", *(f"{name}: {value}" for name, value in told.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + step.body[: step.cut])
    await writer.drain()
    if step.stays_s:
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), step.stays_s)


RATES = Rates(input=Decimal("0.000001"), output=Decimal("0.000002"))


def target(base_url: str, *, rates: Rates = RATES, key: str = CANARY, **fields: Any) -> OptionTarget:
    where = Destination(OPENAI_COMPATIBLE, base_url, key, fields.pop("headers", {}))
    given: dict[str, Any] = {
        "option": "proxy/foo",
        "model": "foo",
        "destination": where,
        "price": DatedRates(rates, "test", "proxy/foo", NOON),
        "connection": "proxy",
        "limits_key": f"test-{base_url}",
        "max_output_tokens": 100,
        "deadline_s": 5.0,
    }
    return OptionTarget(**given | fields)


def call(to: OptionTarget, **fields: Any) -> ModelCall:
    request = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], **fields.pop("request", {})}
    given: dict[str, Any] = {"project_id": 1, "option": to, "request": request, "purpose": "replay", "call_key": "k-1"}
    return ModelCall(**given | fields)


def paid(outcome_attempts: Sequence[Any]) -> list[bool | None]:
    return [attempt.paid for attempt in outcome_attempts]
