"""A provider that fails on purpose, and the audit of what a gateway in front of it made of that.

What each request meets is decided by a seed, its prompt and how often that prompt was asked, so that a run can be
repeated whatever the order of arrival. Prompts are numbers; each has one right answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

KINDS = ("429", "500", "silence", "reset", "malformed", "cut", "drip")
WHOLE = frozenset({"", "drip"})
# How an attempt that met a fault must be told. A late answer is a time-out whatever it was going to be.
TOLD = {
    "": {None},
    "drip": {None},
    "429": {"rate_limited"},
    "500": {"provider_error"},
    "silence": {"disconnected"},
    "reset": {"disconnected"},
    "malformed": {"malformed", "cut_stream"},
    "cut": {"cut_answer", "cut_stream", "malformed"},
}
PRICE = {"input": Decimal("0.000001"), "output": Decimal("0.000002")}


def wording(prompt: str) -> str:
    """The one right answer to a prompt."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return " ".join(digest[at : at + 4] for at in range(0, 48, 4))


def usage(prompt: str) -> dict[str, int]:
    n_in, n_out = 20 + len(prompt), 10 + int(hashlib.sha256(prompt.encode()).hexdigest()[:2], 16) % 20
    return {"prompt_tokens": n_in, "completion_tokens": n_out, "total_tokens": n_in + n_out}


def bill_usd(prompt: str) -> Decimal:
    """What the provider takes for a whole answer."""
    used = usage(prompt)
    return used["prompt_tokens"] * PRICE["input"] + used["completion_tokens"] * PRICE["output"]


@dataclass(frozen=True)
class Asked:
    """One request as the provider met it. `fault` is empty where it did what it was asked."""

    prompt: str
    fault: str


@dataclass
class Faulty:
    """What it does, and what it did. `rate` and `kinds` may change while it serves."""

    rate: float = 0.2
    kinds: Sequence[str] = KINDS
    seed: int = 0
    silence_s: float = 8.0
    base_url: str = ""
    log: list[Asked] = field(default_factory=list)
    _asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def fault(self, prompt: str) -> str:
        self._asked[prompt] += 1
        chance = random.Random(f"{self.seed} {prompt} {self._asked[prompt]}")
        kind = chance.choice(self.kinds)
        return kind if chance.random() < self.rate else ""


@contextmanager
def serving(**known: Any) -> Iterator[Faulty]:
    """The provider on a socket, in a thread of its own."""
    there, ready, done = Faulty(**known), threading.Event(), threading.Event()

    async def serve() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await _answer(there, reader, writer)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        there.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await asyncio.to_thread(done.wait)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(20)
    try:
        yield there
    finally:
        done.set()
        thread.join(20)


async def _answer(there: Faulty, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = json.loads(await reader.readexactly(length))
    prompt = body["messages"][-1]["content"]
    fault = there.fault(prompt)
    there.log.append(Asked(prompt, fault))
    if fault == "silence":
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), there.silence_s)
        return
    if fault == "reset":
        writer.transport.abort()
        return
    if fault in ("429", "500"):
        await _write(
            writer, int(fault), b'{"error": {"message": "on purpose"}}', "application/json", {"Retry-After": "0"}
        )
        return
    is_stream = bool(body.get("stream"))
    answer = _stream(prompt) if is_stream else _whole(prompt)
    kind = "text/event-stream" if is_stream else "application/json"
    if fault == "malformed":
        await _write(writer, 200, b'data: {"choices": [{"del\n\n' if is_stream else b'{"choices": [{"mess', kind)
    elif fault == "cut":
        await _write(writer, 200, answer[: len(answer) // 2], kind, {"Content-Length": str(len(answer))})
    else:
        await _write(writer, 200, answer, kind, pieces=12 if fault == "drip" else 1)


def _whole(prompt: str) -> bytes:
    message = {"role": "assistant", "content": wording(prompt)}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    told = {
        "id": f"c-{prompt}",
        "object": "chat.completion",
        "model": "foo",
        "choices": choices,
        "usage": usage(prompt),
    }
    return json.dumps(told).encode()


def _stream(prompt: str) -> bytes:
    head = {"id": f"c-{prompt}", "object": "chat.completion.chunk", "model": "foo"}
    deltas = [{"content": word} for word in _pieces(wording(prompt))]
    chunks = [{**head, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**head, "choices": [], "usage": usage(prompt)})
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + b"data: [DONE]\n\n"


def _pieces(text: str) -> list[str]:
    return [text[at : at + 5] for at in range(0, len(text), 5)]


async def _write(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    kind: str,
    headers: Mapping[str, str] | None = None,
    *,
    pieces: int = 1,
) -> None:
    told = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    writer.write(f"HTTP/1.1 {status} X\r\n".encode())
    writer.write("".join(f"{name}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n")
    size = -(-len(body) // pieces)
    for at in range(0, len(body), size):
        writer.write(body[at : at + size])
        await writer.drain()
        if pieces > 1:
            await asyncio.sleep(0.02)


# --- the audit


@dataclass(frozen=True)
class Reply:
    """What a client got. `text` is all of the answer it can read; `is_ended` a stream's `[DONE]`, or a whole body."""

    prompt: str
    status: int
    decision: str
    text: str
    is_ended: bool


def read_reply(prompt: str, status: int, decision: str, body: bytes, *, is_stream: bool) -> Reply:
    if not is_stream or status != 200:
        text = json.loads(body)["choices"][0]["message"]["content"] if status == 200 else ""
        return Reply(prompt, status, decision, text, is_ended=True)
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    deltas = [each["choices"][0]["delta"].get("content", "") for each in chunks if each.get("choices")]
    return Reply(prompt, status, decision, "".join(deltas), is_ended=lines[-1:] == ["[DONE]"])


def audit(
    replies: Sequence[Reply], events: Sequence[Mapping[str, Any]], logs: Mapping[str, Sequence[Asked]]
) -> list[str]:
    """Every way in which replies, events and the providers' own logs (by option) contradict each other."""
    by_decision: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        by_decision[event["source_record_id"]].append(event)
    met = {name: _by_prompt(log) for name, log in logs.items()}
    found = [problem for reply in replies for problem in _wrong(reply, by_decision[reply.decision], met)]
    n_attempts = sum(len(event["metadata"]["attempts"]) for event in events)
    n_late = sum(each["error"] == "timeout" for event in events for each in event["metadata"]["attempts"])
    n_asked = sum(len(log) for log in logs.values())
    is_same = n_attempts - n_late <= n_asked <= n_attempts
    return found if is_same else [*found, f"{n_asked} requests upstream, {n_attempts} attempts recorded"]


def _by_prompt(log: Sequence[Asked]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in log:
        found[each.prompt].append(each.fault)
    return found


def _wrong(reply: Reply, events: list[Any], met: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    right = wording(reply.prompt)
    if reply.status != 200 and not events and not any(faults.get(reply.prompt) for faults in met.values()):
        return  # every breaker was open: nothing was asked, so nothing is told
    if reply.status == 200 and not (reply.text == right if reply.is_ended else right.startswith(reply.text)):
        yield f"{reply.prompt}: a wrong answer, {reply.text!r}"
    if len(events) != 1:
        yield f"{reply.prompt}: {len(events)} events"
        return
    event, attempts = events[0], events[0]["metadata"]["attempts"]
    is_ok = reply.status == 200 and reply.is_ended
    if (event["outcome"] == "ok") != is_ok:
        yield f"{reply.prompt}: answered {reply.status}, but its event says {event['outcome']}"
    if is_ok and event["cost_usd"] != bill_usd(reply.prompt):
        yield f"{reply.prompt}: {event['cost_usd']} USD recorded, {bill_usd(reply.prompt)} USD billed"
    for option, faults in met.items():
        told = [each["error"] for each in attempts if each["option"] == option]
        if not _agree(faults.get(reply.prompt, []), told):
            yield f"{reply.prompt}: {option} met {faults.get(reply.prompt)}, and {told} is recorded"
    yield from _strayed(reply.prompt, event["metadata"]["option"], attempts)


def _agree(faults: list[str], told: list[str | None]) -> bool:
    """Each attempt met what is told of it; one that timed out may never have reached the provider."""
    if len(faults) != len(told) and "timeout" in told:
        return len(told) - told.count("timeout") <= len(faults) < len(told)
    pairs = zip(faults, told, strict=False)
    return len(faults) == len(told) and all(error == "timeout" or error in TOLD[fault] for fault, error in pairs)


def _strayed(prompt: str, served: str, attempts: list[Any]) -> Iterator[str]:
    """An answer after which something was asked still, or one option asked more often than it may be."""
    if any(each["error"] is None for each in attempts[:-1]):
        yield f"{prompt}: asked again after an answer"
    for option in {each["option"] for each in attempts}:
        if sum(each["option"] == option for each in attempts) > 2:
            yield f"{prompt}: {option} was asked more than twice"
    if attempts and attempts[-1]["error"] is None and attempts[-1]["option"] != served:
        yield f"{prompt}: {served} is said to have answered"
