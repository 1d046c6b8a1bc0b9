"""What the client gets of a request: one answer, whole or event by event, or one refusal."""

from __future__ import annotations

from decimal import Decimal

from netra.errors import NetraError
from routing.calls import OptionTarget
from routing.gateway import wire
from routing.gateway.streams import event_lines


class Delivery:
    """The way back to the client. Once a stream has begun, nothing can be taken back."""

    __slots__ = ("_call_id", "_send", "is_begun")

    def __init__(self, call_id: str, send: wire.Send) -> None:
        self._call_id, self._send = call_id.encode(), send
        self.is_begun = False

    async def whole(self, target: OptionTarget, body: bytes, cost_usd: Decimal | None, *, status: int = 200) -> None:
        await wire.answer(self._send, status, body, *self._headers(target, cost_usd))

    async def begin(self, target: OptionTarget) -> None:
        """Begin a stream of events."""
        self.is_begun = True
        headers = (*wire.EVENTS, *self._headers(target, None))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def events(self, events: list[bytes], *, is_last: bool = False, named: bool = False) -> None:
        body = b"".join(event_lines(data, named=named) for data in events)
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def break_off(self, problem: NetraError) -> None:
        """An error event ends the stream, without `[DONE]`."""
        await self.events([wire.error_body(problem)], is_last=True)

    async def refuse(self, target: OptionTarget, problem: NetraError) -> None:
        await wire.refuse(self._send, problem, *self._headers(target, None))

    def _headers(self, target: OptionTarget, cost_usd: Decimal | None) -> list[tuple[bytes, bytes]]:
        told = [(b"x-netra-option", target.option.encode()), (b"x-netra-decision", self._call_id)]
        if cost_usd is not None:
            told.append((b"x-netra-cost-usd", format(cost_usd, "f").encode()))
        return told
