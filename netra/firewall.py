"""Names that people enter, resolved and looked at before anything connects: they may change their mind at any time."""

from __future__ import annotations

import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from netra.addresses import may_be_called


class BehindFirewall(OSError):
    """A name leads behind the firewall."""


class Guard(AbstractResolver):
    """Resolves names, and refuses those that lead where this installation does not call."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(may_be_called(each["host"]) for each in found):
            raise BehindFirewall(f"{host} is private")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_behind(problem: BaseException) -> bool:
    """Whether a connection failed because its name leads behind the firewall."""
    return isinstance(problem, BehindFirewall) or isinstance(problem.__cause__, BehindFirewall)
