"""The way in: which request this is, who asks, and errors in the words OpenAI's clients know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import orjson

from netra.errors import NetraError, NotFound, Unauthorized
from routing.gateway import recalling, shadowing, wire
from routing.gateway.answers import CHAT
from routing.gateway.controlled import Controlled
from routing.gateway.listing import listed
from routing.gateway.planning import plan
from routing.gateway.serving import Serving
from routing.gateway.tenants import TENANTS, Tenant

log = logging.getLogger("netra.gateway")
MODELS = "/v1/models"
WATCH_AFTER_S = 0.1


async def application(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
    """One request to `/v1/*`."""
    try:
        key, headers = _headers(scope["headers"])
        tenant = await TENANTS.of(key) if key else None
        if tenant is None:
            raise Unauthorized("This needs a project's key: Authorization: Bearer netra_….")
        if tenant.project_id not in recalling.BEGUN:
            recalling.begin(tenant.project_id)
        if scope["path"] == MODELS:
            await _models(scope["method"], tenant, send)
        elif scope["method"] != "POST":
            raise NotFound(f"There is no {scope['method']} {scope['path']}.")
        else:
            await _served(scope["path"], tenant, headers, receive, send)
    except NetraError as problem:
        await wire.refuse(send, problem)
    except wire.ClientGone:
        return
    except Exception:
        log.exception("The gateway failed at a request.")
        await wire.refuse(send, NetraError("Netra failed at this request; its log says why.", code="gateway_error"))


async def _served(
    path: str, tenant: Tenant, headers: Mapping[str, str], receive: wire.Receive, send: wire.Send
) -> None:
    asked = wire.asked(path, await wire.read_body(receive), headers)
    kind = Serving if tenant.controls is None else Controlled
    serving, watch = kind(await plan(tenant, asked), send), _Watch(receive)
    try:
        await serving.run()
    except asyncio.CancelledError:
        if not watch.has_seen_hang_up:
            raise  # the server is ending, which is not the client's doing
    finally:
        watch.end()
    if serving.plan.choice is not None and path == CHAT:
        shadowing.copy(serving.plan)


class _Watch:
    """Cancels what is under way once the client is gone: nobody is there to read it.

    It begins after a moment, which most answers do not take, because a task for each request costs a tenth of it.
    """

    def __init__(self, receive: wire.Receive) -> None:
        self.has_seen_hang_up = False
        self._receive, self._serving = receive, asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)

    def _begin(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.has_seen_hang_up = True
        if self._serving is not None:
            self._serving.cancel()

    def end(self) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()


async def _models(method: str, tenant: Tenant, send: wire.Send) -> None:
    if method != "GET":
        raise NotFound(f"There is no {method} {MODELS}.")
    rows = await asyncio.to_thread(listed, tenant)
    await wire.answer(send, 200, orjson.dumps({"object": "list", "data": rows}))


def _headers(raw: list[tuple[bytes, bytes]]) -> tuple[str, dict[str, str]]:
    """The key, and Netra's own headers by their short names."""
    key, told = "", {}
    for name, value in raw:
        name = name.lower()
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            key = rest.strip() if scheme.lower() == "bearer" else key
        elif name.startswith(b"x-netra-"):
            told[name[8:].decode("latin-1")] = value.decode("latin-1")[:400]
        elif name == b"cache-control" and b"no-" in value:
            told.setdefault("cache", "off" if b"no-store" in value else "refresh")
    return key or told.pop("key", ""), told
