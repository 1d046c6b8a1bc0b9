"""A provider in OpenAI's wire format for what recordings cannot hold; the model's first word says what happens.

`tools` calls two tools, `refuses` does, `several` answers twice, `busy` is 429, all others say one sentence. Every
answer used cached and reasoning tokens. Embeddings and responses are served too. An answer's id ends with its model.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

SAID = "It ships on Friday."
SERVED = "-2026-01-01"
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": '{"number": 8812}'}},
    {"id": "call_2", "type": "function", "function": {"name": "order", "arguments": '{"number": 8813}'}},
]


def _messages(model: str) -> list[dict[str, Any]]:
    plot = model.partition("-")[0]
    if plot == "tools":
        return [{"role": "assistant", "content": None, "tool_calls": list(CALLS)}]
    if plot == "refuses":
        return [{"role": "assistant", "content": None, "refusal": "I cannot help with that."}]
    texts = [SAID, "On Friday."] if plot == "several" else [SAID]
    return [{"role": "assistant", "content": text} for text in texts]


def _completion(asked: dict[str, Any], kind: str, key: str) -> dict[str, Any]:
    reason = "tool_calls" if asked["model"].startswith("tools") else "stop"
    messages = _messages(asked["model"])
    choices = [{"index": n, key: each, "finish_reason": reason} for n, each in enumerate(messages)]
    head = {"id": f"chatcmpl-{asked['model']}", "created": 1_793_700_000}
    return {**head, "object": kind, "model": asked["model"] + SERVED, "choices": choices}


def _chat(asked: dict[str, Any]) -> bytes:
    if not asked.get("stream"):
        return json.dumps({**_completion(asked, "chat.completion", "message"), "usage": USAGE}).encode()
    first = _completion(asked, "chat.completion.chunk", "delta")
    for choice in first["choices"]:
        for number, call in enumerate(choice["delta"].get("tool_calls", ())):
            choice["delta"]["tool_calls"][number] = {"index": number, **call}
    last = [{"index": each["index"], "delta": {}, "finish_reason": each["finish_reason"]} for each in first["choices"]]
    for choice in first["choices"]:
        choice["finish_reason"] = None
    chunks = [first, {**first, "choices": last}]
    if asked.get("stream_options", {}).get("include_usage"):
        chunks.append({**first, "choices": [], "usage": USAGE})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _embeddings(asked: dict[str, Any]) -> bytes:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [{"object": "embedding", "index": n, "embedding": [0.5, 0.25]} for n, _ in enumerate(texts)]
    usage = {"prompt_tokens": 6, "total_tokens": 6}
    return json.dumps({"object": "list", "model": asked["model"], "data": data, "usage": usage}).encode()


def _responses(asked: dict[str, Any]) -> bytes:
    text = {"type": "output_text", "text": SAID, "annotations": []}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    told = {"id": f"resp_{asked['model']}", "object": "response", "created_at": 1_793_700_000, "status": "completed"}
    usage = {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 100},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 160,
    }
    rest = {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "tools": []}
    rest |= {"parallel_tool_calls": True, "tool_choice": "auto", "temperature": 1.0, "top_p": 1.0}
    model = asked["model"] + SERVED
    return json.dumps({**told, **rest, "model": model, "output": [said], "usage": usage}).encode()


ROUTES = {"/v1/chat/completions": _chat, "/v1/embeddings": _embeddings, "/v1/responses": _responses}
REFUSED = {"error": {"message": "Rate limit reached.", "type": "rate_limit_error", "param": None, "code": "rate_limit"}}


async def application(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body)
    status, answer = 200, b""
    if asked["model"].startswith("busy"):
        status, answer = 429, json.dumps(REFUSED).encode()
    else:
        answer = ROUTES[scope["path"]](asked)
    kind = b"text/event-stream" if asked.get("stream") and status == 200 else b"application/json"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def provider() -> Iterator[str]:
    """Its base URL, for as long as it is used."""
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([door],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
