"""The OTLP/HTTP receiver: a bare ASGI application in front of Django, for `/v1/traces` and Langfuse's spelling of it.

A batch is checked, masked as its project wants and on disk before it is answered; the store is written behind it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from django.db import DatabaseError, connections
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from netra import prices, vault
from netra.errors import Busy, Invalid, NetraError, TooLarge, Unavailable
from netra.prices import PriceBook
from projects import log_lines
from projects.auth import basic_password, note_use
from projects.ingest import otel, otlp, parsing
from projects.ingest.verdicts import Rejected, Skipped
from projects.log_rows import row
from projects.models import ApiKey
from projects.privacy import Door
from projects.spool import SPOOL, Frame
from projects.workloads import WorkloadEvent

PATHS = ("/v1/traces", "/api/public/otel/v1/traces")
PROTOBUF, JSON = "application/x-protobuf", "application/json"
# What the OTLP specification suggests as a receiver's limit, packed and unpacked.
MAX_BYTES = 64 << 20
# Batches read side by side; more wait for a place, and past that senders come again.
PLACES, QUEUE = 2, 64
KEY_TTL_S = 5.0
# Of a whole body: none of its spans was seen, so that their number cannot be told.
UNREADABLE = frozenset({"invalid_json", "not_an_object", "not_utf8", "nested_too_deeply"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose batches a key sends: what the project lets in, and what its calls cost."""

    door: Door
    book: PriceBook


class Keys:
    """Which key is which project's, in memory: a revoked key is refused within five seconds."""

    def __init__(self) -> None:
        self._senders: dict[str, tuple[float, Sender | None]] = {}
        self._lock = threading.Lock()

    def sender(self, key: str) -> Sender | None:
        """None for a key that is not in use. Raises Unavailable."""
        fingerprint, now = vault.fingerprint(key), time.monotonic()
        known = self._senders.get(fingerprint)
        if known is not None and now - known[0] < KEY_TTL_S:
            return known[1]
        sender = _looked_up(fingerprint)
        with self._lock:
            if len(self._senders) > 10_000:  # guesses must not fill the memory
                self._senders.clear()
            self._senders[fingerprint] = (now, sender)
        return sender

    def forget(self) -> None:
        self._senders.clear()


def _looked_up(fingerprint: str) -> Sender | None:
    try:
        found = ApiKey.objects.live().select_related("project").filter(fingerprint=fingerprint).first()
        if found is None:
            return None
        note_use(found)
        return Sender(Door.of(found.project), prices.book(found.project_id))
    except DatabaseError as problem:
        raise Unavailable("The database does not answer; send this again.") from problem
    finally:
        connections.close_all()  # a pool's thread must not keep one


KEYS = Keys()
_places = asyncio.Semaphore(PLACES)
_n_waiting = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the format of the question."""

    status: int
    body: bytes
    media_type: str
    retry_after_s: float | None = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One export request. Answers as the OTLP specification says: 200 with partial success, 400, 413, 429, 503."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        reply = await _answered(scope["method"], headers, media_type, receive)
    except NetraError as problem:
        reply = _refusal(problem, media_type)
    sent = [(b"content-type", reply.media_type.encode()), (b"content-length", str(len(reply.body)).encode())]
    if reply.retry_after_s is not None:
        sent.append((b"retry-after", str(max(1, round(reply.retry_after_s))).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": sent})
    await send({"type": "http.response.body", "body": reply.body})


async def _answered(method: str, headers: Mapping[str, str], media_type: str, receive: Receive) -> Reply:
    global _n_waiting
    if method != "POST":
        return Reply(405, b"", "text/plain")
    if media_type not in (PROTOBUF, JSON):
        return Reply(415, b"Send application/x-protobuf or application/json.", "text/plain")
    if _n_waiting >= QUEUE:
        raise Busy("Too many batches at once; send this again.", retry_after_s=1)
    _n_waiting += 1
    try:
        # A place is held from the first byte read, so that memory stays that of a few batches.
        async with _places:
            body = await _read(receive)
            return await asyncio.to_thread(_take_in, headers, media_type, body)
    finally:
        _n_waiting -= 1


async def _read(receive: Receive) -> bytes:
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("The sender went away.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BYTES:
            raise TooLarge("A batch is at most 64 MiB.")
        if not message.get("more_body"):
            return b"".join(pieces)


def _take_in(headers: Mapping[str, str], media_type: str, body: bytes) -> Reply:
    """In a thread: who sends, what it is, and onto the disk."""
    sender = _sender(headers)
    if sender is None:
        sentence = "This needs a project's key: Authorization: Bearer netra_…, or Basic with the key as password."
        return _error(401, sentence, media_type)
    return _kept(sender, list(_found(_opened(headers, body), media_type)), media_type)


def _sender(headers: Mapping[str, str]) -> Sender | None:
    scheme, _, told = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return KEYS.sender(told.strip())
    if scheme.lower() == "basic":
        return KEYS.sender(basic_password(told))
    return KEYS.sender(headers.get("x-netra-key", ""))


def _opened(headers: Mapping[str, str], body: bytes) -> bytes:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise Invalid(f"The encoding {encoding[:20]!r} is not known; gzip and deflate are.")
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
    try:
        opened = inflater.decompress(body, MAX_BYTES)
    except zlib.error:
        raise Invalid("The body is not what its Content-Encoding says.") from None
    if inflater.unconsumed_tail:
        raise TooLarge("A batch is at most 64 MiB when unpacked.")
    if not inflater.eof:
        raise Invalid("The compressed body is cut.")
    if inflater.unused_data:  # to leave out what follows would lose calls that were answered for
        raise Invalid("The body holds more than one compressed stream; send one.")
    return opened


def _found(body: bytes, media_type: str) -> Iterable[parsing.Found]:
    now = datetime.now(UTC)
    if media_type == JSON:
        found = list(parsing.line(otel, body, now))
        if len(found) == 1 and isinstance(found[0], Rejected) and found[0].code in UNREADABLE:
            raise Invalid(str(found[0]))
        return found
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("The body is no ExportTraceServiceRequest.") from None
    return parsing.records(otel, otlp.shared_in_traces(otlp.spans_of(request)), now)


def _kept(sender: Sender, found: Sequence[parsing.Found], media_type: str) -> Reply:
    door, now = sender.door, datetime.now(UTC)
    # Whole rows are made here, once: what waits on disk is stored as it is.
    events = [door.let_in(each) for each in found if _is_event(each)]
    rows = (row(door.project_id, each, sender.book, now=now, keeps_told=True) for each in events)
    lines = [log_lines.dumps(each) for each in rows]
    left_out: list[Rejected | Skipped] = [each for each in found if not isinstance(each, WorkloadEvent)]
    if lines or left_out:
        SPOOL.append(Frame(door.project_id, otel.NAME, b"\n".join(lines), len(lines), left_out))
    rejected = [each for each in left_out if isinstance(each, Rejected)]
    return _success(len(rejected), str(rejected[0]) if rejected else "", media_type)


def _is_event(found: parsing.Found) -> TypeGuard[WorkloadEvent]:
    return isinstance(found, WorkloadEvent)


def _success(n_rejected: int, sentence: str, media_type: str) -> Reply:
    if media_type == JSON:
        told = {"partialSuccess": {"rejectedSpans": str(n_rejected), "errorMessage": sentence}} if n_rejected else {}
        return Reply(200, json.dumps(told).encode(), JSON)
    answer = ExportTraceServiceResponse()
    if n_rejected:
        answer.partial_success.rejected_spans = n_rejected
        answer.partial_success.error_message = sentence
    return Reply(200, answer.SerializeToString(), PROTOBUF)


def _refusal(problem: NetraError, media_type: str) -> Reply:
    wait = getattr(problem, "retry_after_s", None)
    return _error(problem.status, str(problem), media_type, retry_after_s=wait)


def _error(status: int, sentence: str, media_type: str, *, retry_after_s: float | None = None) -> Reply:
    """As the specification wants errors told: a google.rpc.Status."""
    if media_type == PROTOBUF:
        return Reply(status, _status_message(sentence), PROTOBUF, retry_after_s)
    return Reply(status, json.dumps({"message": sentence}).encode(), JSON, retry_after_s)


def _status_message(sentence: str) -> bytes:
    """A google.rpc.Status with its field 2, the message; one field is not worth a package."""
    text = sentence.encode()[:2000]
    length = bytes([len(text) & 0x7F | 0x80, len(text) >> 7]) if len(text) > 127 else bytes([len(text)])
    return b"\x12" + length + text
