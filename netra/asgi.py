"""ASGI entry point: the front that dispatches to bare applications before Django, by path prefix."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.utils.module_loading import import_string

from netra.sealed_files import PassingFile

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class DjangoApplication(ASGIHandler):
    """Django as it is, but for where it holds long bodies: its own would lie on disk in the clear."""

    async def read_body(self, receive: Receive) -> PassingFile:  # type: ignore[override]
        body = PassingFile()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.close()
                raise RequestAborted
            body.write(message.get("body", b""))
            if not message.get("more_body", False):
                body.seek(0)
                return body


django.setup(set_prefix=False)
django_application = DjangoApplication()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Django, but for paths with an application of their own, and the lifespan, which Django does not speak."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    front = settings.NETRA_FRONTS.get(scope.get("path", ""))
    if scope["type"] == "http" and front is not None:
        await import_string(front)(scope, receive, send)
        return
    await django_application(scope, receive, send)  # type: ignore[arg-type]


def _settle_memory() -> None:
    """What was loaded stays for good: whoever collects garbage need not look through it again and again.

    Nor after every few hundred objects: a batch of spans makes tens of thousands, which all go together.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _lifespan(receive: Receive, send: Send) -> None:
    beside = [import_string(name)() for name in settings.NETRA_BESIDE_WEB]
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            for each in beside:
                each.start()
            _settle_memory()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            for each in beside:
                await asyncio.to_thread(each.stop)
            await send({"type": "lifespan.shutdown.complete"})
            return
