"""A gateway in front of a scripted provider: the real application, a spool of its own, a key."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from netra.asgi import application
from projects import log, shipping
from projects.log import EventFilter
from projects.models import ApiKey, Project
from projects.spool import Spool
from routing.models import ProviderConnection
from tests import factories

CHAT = "/v1/chat/completions"


@dataclass
class Reply:
    """What the client got; `pieces` are the parts of a stream as they came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    is_whole: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events, `[DONE]` as text."""
        lines = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


@dataclass
class Gateway:
    """One project's way in."""

    project: Project
    key: str
    spool: Spool

    def lead_to(self, base_url: str, name: str = "proxy", *models: str, **fields: Any) -> None:
        """A connection to a scripted provider, with options that can do everything."""
        factories.connection(
            self.project, name, provider="openai_compatible", base_url=base_url, **{"deadline_s": 5.0, **fields}
        )
        for model in models or ("foo",):
            factories.supply_option(
                f"{name}/{model}", abilities=["tools", "vision", "json_schema"], max_output_tokens=100
            )

    def ask(self, body: Any = None, path: str = CHAT, method: str = "POST", **options: Any) -> Reply:
        return asyncio.run(self.asked(body, path, method, **options))

    async def asked(
        self,
        body: Any = None,
        path: str = CHAT,
        method: str = "POST",
        *,
        key: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
        hang_up_after: int | None = None,
    ) -> Reply:
        """One request; the client hangs up after so many pieces of the answer when told to."""
        reply, done = Reply(), asyncio.Event()
        sent = body if isinstance(body, bytes) else json.dumps(body or chat()).encode()
        waiting = [{"type": "http.request", "body": sent, "more_body": False}]
        bearer = (b"authorization", b"Bearer " + (self.key if key is None else key).encode())
        scope = {"type": "http", "method": method, "path": path, "headers": [bearer, *headers]}

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await done.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                return
            reply.pieces += [message["body"]] if message.get("body") else []
            reply.is_whole = not message.get("more_body")
            if reply.is_whole or (hang_up_after is not None and len(reply.pieces) >= hang_up_after):
                done.set()

        await application(scope, receive, send)
        return reply

    def logged(self) -> list[dict[str, Any]]:
        """The project's live events, in whole, after the spool is shipped."""
        shipping.ship(self.spool)
        rows = log.events(self.project.pk, EventFilter(purpose="live"), limit=100).rows
        return [log.event(self.project.pk, row["event_id"]) for row in rows]

    def connection(self, name: str = "proxy") -> ProviderConnection:
        return ProviderConnection.objects.get(name=name)


@contextmanager
def listening() -> Iterator[str]:
    """The application on a real socket, in a thread of its own: its base URL, for as long as it is used."""
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(20)


def chat(text: str = "What is 2 + 2?", *, model: str = "proxy/foo", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def made(project: Project, spool: Spool) -> Gateway:
    return Gateway(project, ApiKey.issue(project, "agent", by=None)[1], spool)
