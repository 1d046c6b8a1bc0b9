"""The OTLP receiver: both encodings, compressed or not, partial success, limits, keys; on disk before it answers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from netra.asgi import application
from projects import log, receiving, shipping, spool
from projects.log import EventFilter
from projects.models import ApiKey, Import, Project
from projects.spool import Spool
from tests.otlp import export, packed, span

pytestmark = pytest.mark.django_db(transaction=True)

JSON, PROTOBUF = "application/json", "application/x-protobuf"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", max_bytes=50_000_000)
    monkeypatch.setattr(receiving, "SPOOL", made)
    receiving.KEYS.forget()
    yield made
    made.close()
    receiving.KEYS.forget()


@pytest.fixture
def key(project: Project) -> str:
    return ApiKey.issue(project, "tracer", by=None)[1]


def post(body: bytes, media_type: str = JSON, path: str = "/v1/traces", method: str = "POST", **headers: str) -> Reply:
    """One request through the whole front."""
    told = [(b"content-type", media_type.encode())]
    told += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": told}
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(application(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, sent[1]["body"])


def as_json(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode()


def stored(project: Project) -> list[dict[str, Any]]:
    return list(log.export(project.pk, EventFilter()))


@pytest.mark.parametrize("packing", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_both_encodings_end_as_the_same_event(
    project: Project, events: None, own_spool: Spool, key: str, media_type: str, packing: str
) -> None:
    body = as_json(export(span())) if media_type == JSON else packed(export(span()))
    body = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[packing](body)
    reply = post(body, media_type, authorization=f"Bearer {key}", content_encoding=packing)
    assert (reply.status, reply.headers["content-type"]) == (200, media_type)
    assert shipping.ship(own_spool) == 1
    (event,) = stored(project)
    assert (event["trace_id"], event["span_id"]) == (f"{1:032x}", f"{1:016x}")
    assert (event["tok_input_fresh"], event["tok_output_visible"], event["duration_ms"]) == (12, 3, 1400.0)
    assert event["request"]["messages"] == [{"role": "user", "content": "Question 1?"}]


def test_everything_accepted_gets_an_empty_answer(project: Project, own_spool: Spool, key: str) -> None:
    assert post(as_json(export(span())), authorization=f"Bearer {key}").body == b"{}"
    assert post(packed(export(span())), PROTOBUF, authorization=f"Bearer {key}").body == b""


def test_a_rejected_span_is_told_and_does_not_hold_up_the_others(
    project: Project, events: None, own_spool: Spool, key: str
) -> None:
    batch = export(span(1), span(2, traceId="abcdef"), span(3))
    told = json.loads(post(as_json(batch), authorization=f"Bearer {key}").body)["partialSuccess"]
    assert told["rejectedSpans"] == "1" and "trace id" in told["errorMessage"]
    shipping.ship(own_spool)
    assert len(stored(project)) == 2


def test_partial_success_in_protobuf(project: Project, own_spool: Spool, key: str) -> None:
    bad = ExportTraceServiceRequest.FromString(packed(export(span(1), span(2))))
    bad.resource_spans[0].scope_spans[0].spans[0].trace_id = b"\1\2\3"
    reply = post(bad.SerializeToString(), PROTOBUF, authorization=f"Bearer {key}")
    assert ExportTraceServiceResponse.FromString(reply.body).partial_success.rejected_spans == 1


def test_the_ledger_tells_what_was_received_today(project: Project, events: None, own_spool: Spool, key: str) -> None:
    agent = span(4, attributes=[{"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}}])
    post(as_json(export(span(1), span(2, spanId="0" * 16), agent)), authorization=f"Bearer {key}")
    shipping.ship(own_spool)
    post(as_json(export(span(1), span(5))), authorization=f"Bearer {key}")
    shipping.ship(own_spool)
    (taking,) = Import.objects.filter(project=project)
    assert (taking.is_push, taking.n_lines, taking.n_taken, taking.n_duplicate) == (True, 5, 2, 1)
    assert (taking.n_rejected, taking.n_skipped) == (1, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer netra_wrong"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"pk:wrong").decode()},
    ],
)
def test_without_a_key_nothing_is_taken(own_spool: Spool, project: Project, headers: dict[str, str]) -> None:
    reply = post(as_json(export(span())), **headers)
    assert reply.status == 401 and "project's key" in json.loads(reply.body)["message"]
    assert shipping.ship(own_spool) == 0


def test_langfuses_path_takes_the_key_as_a_basic_password(
    project: Project, events: None, own_spool: Spool, key: str
) -> None:
    basic = base64.b64encode(f"pk-lf-anything:{key}".encode()).decode()
    path = "/api/public/otel/v1/traces"
    assert post(as_json(export(span())), path=path, authorization=f"Basic {basic}").status == 200
    assert shipping.ship(own_spool) == 1


def test_a_revoked_key_is_refused(project: Project, own_spool: Spool, key: str) -> None:
    ApiKey.objects.get(project=project).revoke()
    assert post(as_json(export(span())), authorization=f"Bearer {key}").status == 401


@pytest.mark.parametrize(
    ("body", "media_type", "more", "status"),
    [
        (b"{", JSON, {}, 400),
        (b"[1]", JSON, {}, 400),
        (b"\xff\xff\xff", PROTOBUF, {}, 400),
        (b"{}", "text/plain", {}, 415),
        (b"not gzip", JSON, {"content_encoding": "gzip"}, 400),
        (gzip.compress(b"{}")[:-6], JSON, {"content_encoding": "gzip"}, 400),
        (b"{}", JSON, {"content_encoding": "br"}, 400),
        (gzip.compress(b" " * (65 << 20)), JSON, {"content_encoding": "gzip"}, 413),
    ],
    ids=["cut JSON", "a list", "no protobuf", "another type", "no gzip", "cut gzip", "another packing", "a gzip bomb"],
)
def test_what_cannot_be_read_is_refused_for_good(
    project: Project, own_spool: Spool, key: str, body: bytes, media_type: str, more: dict[str, str], status: int
) -> None:
    reply = post(body, media_type, authorization=f"Bearer {key}", **more)
    assert reply.status == status and "retry-after" not in reply.headers


def test_a_full_spool_asks_to_come_again(
    project: Project, own_spool: Spool, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_spool, "max_bytes", 10)
    reply = post(as_json(export(span())), authorization=f"Bearer {key}")
    assert reply.status == 429 and int(reply.headers["retry-after"]) >= 1


def test_other_methods_are_not_for_this(own_spool: Spool) -> None:
    assert post(b"", method="GET").status == 405


def test_privacy_mode_holds_before_the_disk(project: Project, events: None, own_spool: Spool, key: str) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=True)
    post(as_json(export(span())), authorization=f"Bearer {key}")
    assert all(b"Question" not in path.read_bytes() for path in own_spool.folder.glob(f"*{spool.SUFFIX}"))
    shipping.ship(own_spool)
    (event,) = stored(project)
    assert "Question" not in str(event) and event["not_replayable"] == ["private"]
