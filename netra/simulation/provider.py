"""The simulated provider: an ASGI application in OpenAI's wire format, over the personas and judges."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from netra.simulation import judge
from netra.simulation.personas import PERSONAS, Persona, as_message, as_text, count_tokens
from netra.simulation.tasks import Task, find

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JUDGE_LATENCY_MS = 60.0
UNKNOWN_TASK = "I am a simulated model and only know simulated tasks."


class Refused(Exception):
    """An error in OpenAI's shape."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@dataclass(frozen=True, slots=True)
class Reply:
    message: dict[str, Any]
    first_ms: float
    total_ms: float

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.message.get("tool_calls") else "stop"


class SimulatedProvider:
    """Answers like a model provider. `time_scale` multiplies every simulated delay; 0 answers at once."""

    def __init__(self, *, time_scale: float = 1.0) -> None:
        self.time_scale = time_scale

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, receive, send)
        except Refused as problem:
            await _send_json(send, problem.status, problem.body)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"].rstrip("/"):
            case "GET", "/v1/models":
                _authorise(scope)
                await _send_json(send, 200, _models())
            case "POST", "/v1/chat/completions":
                _authorise(scope)
                await self._chat(_parsed(await _body(receive)), send)
            case _:
                raise Refused(404, f"Unknown path {scope['path']}.", "unknown_url")

    async def _chat(self, request: dict[str, Any], send: Send) -> None:
        started = time.perf_counter()
        model = request["model"]
        identity = hashlib.blake2b(json.dumps(request, sort_keys=True).encode(), digest_size=12).hexdigest()
        if model in PERSONAS and PERSONAS[model].is_failing(identity):
            raise Refused(500, "The simulated model failed, as it sometimes does.", "server_error")
        reply = _reply(request)
        usage = _usage(request, reply.message)
        head = {"id": f"chatcmpl-sim{identity}", "created": int(time.time()), "model": model}
        if request.get("stream"):
            await self._stream(send, request, head, reply, usage, started)
            return
        await self._wait(started, reply.total_ms)
        choice = {"index": 0, "message": reply.message, "finish_reason": reply.finish_reason, "logprobs": None}
        await _send_json(send, 200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def _stream(
        self, send: Send, request: dict[str, Any], head: dict[str, Any], reply: Reply, usage: Any, started: float
    ) -> None:
        await self._wait(started, reply.first_ms)
        await _start(send, 200, b"text/event-stream; charset=utf-8")
        for delta, reason in _deltas(reply):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            await _event(send, {**head, "object": "chat.completion.chunk", "choices": [choice]})
        await self._wait(started, reply.total_ms)
        if _inside(request.get("stream_options"), "include_usage"):
            await _event(send, {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _wait(self, started: float, until_ms: float) -> None:
        """Sleep to the moment, not for the time, so that our own work does not add to the pace."""
        left = until_ms * self.time_scale / 1000 - (time.perf_counter() - started)
        if left > 0:
            await asyncio.sleep(left)


def _reply(request: dict[str, Any]) -> Reply:
    model, messages = request["model"], request["messages"]
    if model in judge.FLAWS:
        schema = _inside(_inside(request.get("response_format"), "json_schema"), "schema")
        text = judge.reply(model, str(messages[-1].get("content")), schema)
        return Reply({"role": "assistant", "content": text, "refusal": None}, JUDGE_LATENCY_MS / 2, JUDGE_LATENCY_MS)
    persona, task = PERSONAS[model], find(_texts(messages))
    if task is None:
        return Reply({"role": "assistant", "content": UNKNOWN_TASK, "refusal": None}, persona.ttft_ms, persona.ttft_ms)
    return _answer(persona, task, request)


def _answer(persona: Persona, task: Task, request: dict[str, Any]) -> Reply:
    # At temperature 0 a model repeats itself; above it the seed, if any, decides the draw.
    draw = f"seed {request.get('seed')}" if request.get("temperature") not in (0, 0.0) and request.get("seed") else ""
    said = persona.answer(task, draw)
    first_ms, total_ms = persona.latency_ms(task, count_tokens(said))
    return Reply(as_message(task, said), first_ms, total_ms)


def _texts(messages: list[Any]) -> str:
    """All user text, the last message last; content parts joined."""
    found: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
        parts = content if isinstance(content, list) else [{"text": content}]
        found += [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(found)


def _usage(request: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    sent = count_tokens(json.dumps(request["messages"], ensure_ascii=False))
    sent += count_tokens(json.dumps(request["tools"])) if request.get("tools") else 0
    said = count_tokens(as_text(message))
    details = {"cached_tokens": 0}
    return {
        "prompt_tokens": sent,
        "completion_tokens": said,
        "total_tokens": sent + said,
        "prompt_tokens_details": details,
    }


def _deltas(reply: Reply) -> list[tuple[dict[str, Any], str | None]]:
    """The message in pieces of one to a few words, then the finish reason alone."""
    calls = reply.message.get("tool_calls")
    if calls:
        pieces: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [{"index": 0, **calls[0]}]}]
    else:
        words = str(reply.message["content"]).split(" ")
        texts = [" ".join(words[at : at + 3]) for at in range(0, len(words), 3)]
        pieces = [{"content": text if at == 0 else f" {text}"} for at, text in enumerate(texts)]
        pieces[0]["role"] = "assistant"
    return [*((piece, None) for piece in pieces), ({}, reply.finish_reason)]


def _models() -> dict[str, Any]:
    names = [*PERSONAS, *judge.FLAWS]
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "simulated"} for name in names]}


def _authorise(scope: Scope) -> None:
    headers = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "Send any bearer token in the Authorization header.", "invalid_api_key")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list) or not request["messages"]:
        raise Refused(400, "messages must be a non-empty list.")
    if not all(isinstance(message, dict) for message in request["messages"]):
        raise Refused(400, "Each message must be an object.")
    model = request.get("model")
    if not isinstance(model, str) or (model not in PERSONAS and model not in judge.FLAWS):
        raise Refused(404, f"The model {str(model)[:80]!r} does not exist.", "model_not_found")
    return request


def _inside(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


async def _body(receive: Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _start(send: Send, status: int, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"x-simulated", b"true")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_json(send: Send, status: int, body: Any) -> None:
    await _start(send, status, b"application/json")
    await send({"type": "http.response.body", "body": json.dumps(body, ensure_ascii=False).encode()})


async def _event(send: Send, body: Any) -> None:
    data = b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
    await send({"type": "http.response.body", "body": data, "more_body": True})
