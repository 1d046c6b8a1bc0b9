"""The receiver's door is open to anybody: whatever is sent is answered with a refusal, and nothing of it is kept."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import pytest

from projects import shipping
from projects.models import Import, Project
from projects.spool import SUFFIX, Spool
from tests.otlp import export, packed, span
from tests.projects.test_receiving import JSON, PROTOBUF, as_json, key, own_spool, post, stored

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["key", "own_spool"]


def spoilt_span(**fields: Any) -> dict[str, Any]:
    return span() | fields


HEADERS: dict[str, dict[str, str]] = {
    "nothing": {},
    "an empty key": {"authorization": "Bearer "},
    "a word": {"authorization": "netra"},
    "no base64": {"authorization": "Basic ***"},
    "base64 of no text": {"authorization": "Basic /////w=="},
    "letters beyond ASCII": {"authorization": "Bearer \u00fc\u00e9"},
    "a very long key": {"authorization": "Bearer " + "x" * 100_000},
    "a line end": {"authorization": "Bearer x\r\nx-netra-key: y"},
    "a key of another header": {"x_netra_key": "netra_nobody"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_who_is_not_known_is_told_so_before_anything_is_read(
    project: Project, own_spool: Spool, headers: dict[str, str], media_type: str
) -> None:
    reply = post(gzip.compress(b"{"), media_type, content_encoding="gzip", **headers)
    assert (reply.status, reply.headers["content-type"]) == (401, media_type)
    assert list(own_spool.folder.glob("*")) == []


WHOLE = packed(export(span()))
BODIES: dict[str, tuple[bytes, str, dict[str, str]]] = {
    "two gzip members": (gzip.compress(b"{}") * 2, JSON, {"content_encoding": "gzip"}),
    "gzip and junk": (gzip.compress(b"{}") + b"junk", JSON, {"content_encoding": "gzip"}),
    "gzip in gzip": (gzip.compress(gzip.compress(b"{}")), JSON, {"content_encoding": "gzip"}),
    "an empty packed body": (b"", JSON, {"content_encoding": "gzip"}),
    "raw deflate": (zlib.compress(b"{}")[2:-4], JSON, {"content_encoding": "deflate"}),
    "two encodings": (gzip.compress(b"{}"), JSON, {"content_encoding": "gzip, gzip"}),
    "a text": (b'"spans"', JSON, {}),
    "a number": (b"1e999", JSON, {}),
    "nothing": (b"", JSON, {}),
    "only blanks": (b" \n", JSON, {}),
    "protobuf cut in the middle": (WHOLE[: len(WHOLE) // 2], PROTOBUF, {}),
    "JSON sent as protobuf": (b'{"resourceSpans": []}', PROTOBUF, {}),
    "protobuf sent as JSON": (WHOLE, JSON, {}),
    "groups without an end": (b"\x0b" * 500, PROTOBUF, {}),
}


@pytest.mark.parametrize(("body", "media_type", "more"), BODIES.values(), ids=BODIES)
def test_what_is_no_batch_is_refused_in_a_sentence(
    project: Project, own_spool: Spool, key: str, body: bytes, media_type: str, more: dict[str, str]
) -> None:
    reply = post(body, media_type, authorization=f"Bearer {key}", **more)
    assert reply.status == 400
    assert len(reply.body) > 10
    assert key.encode() not in reply.body


ODD_SPANS: dict[str, dict[str, Any]] = {
    "a list": {"resourceSpans": [[]]},
    "a number for spans": {"resourceSpans": [{"scopeSpans": [{"spans": 5}]}]},
    "null everywhere": {"resourceSpans": [{"scopeSpans": [{"spans": [None]}]}]},
    "attributes as an object": export(spoilt_span(attributes={"a": 1})),
    "attributes of numbers": export(spoilt_span(attributes=[1, 2])),
    "a time of words": export(spoilt_span(startTimeUnixNano="yesterday")),
    "a time beyond all time": export(spoilt_span(startTimeUnixNano="9" * 40)),
    "an id of words": export(spoilt_span(traceId="<script>")),
    "an id of zeros": export(spoilt_span(spanId="0" * 16)),
    "an id of another length": export(spoilt_span(traceId="ab")),
    "nested beyond reading": export(
        spoilt_span(attributes=[{"key": "gen_ai.input.messages", "value": {"stringValue": "[" * 2_000 + "]" * 2_000}}])
    ),
    "a value of two kinds": export(
        spoilt_span(attributes=[{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "x", "boolValue": 1}}])
    ),
    "a key that is no text": export(spoilt_span(attributes=[{"key": {"a": 1}, "value": {"intValue": 1}}])),
}


@pytest.mark.parametrize("batch", ODD_SPANS.values(), ids=ODD_SPANS)
def test_an_odd_span_is_counted_and_never_stops_its_neighbour(
    project: Project, events: None, own_spool: Spool, key: str, batch: dict[str, Any]
) -> None:
    batch = json.loads(json.dumps(batch))
    batch["resourceSpans"] += export(span())["resourceSpans"]
    reply = post(as_json(batch), authorization=f"Bearer {key}")
    assert reply.status == 200
    shipping.ship(own_spool)
    assert stored(project) or json.loads(reply.body)["partialSuccess"]["rejectedSpans"] != "0"


ODD_GROUPS: dict[str, Any] = {
    "a text": "spans",
    "nothing": None,
    "a number": 7,
    "a list": [],
    "a resource of text": {"resource": "agent", "scopeSpans": []},
    "attributes of text": {"resource": {"attributes": ["agent"]}, "scopeSpans": []},
    "scopes of text": {"scopeSpans": "scopes"},
    "an odd scope": {"scopeSpans": ["scope"]},
    "a scope that is nothing": {"scopeSpans": [None]},
    "a scope of text": {"scopeSpans": [{"scope": "agent", "spans": []}]},
    "spans of text": {"scopeSpans": [{"spans": "spans"}]},
    "spans by name": {"scopeSpans": [{"spans": {"a": {}}}]},
}


@pytest.mark.parametrize("group", ODD_GROUPS.values(), ids=ODD_GROUPS)
def test_an_odd_group_of_spans_is_counted_and_never_stops_its_neighbours(
    project: Project, events: None, own_spool: Spool, key: str, group: Any
) -> None:
    first, last = (export(span(n))["resourceSpans"] for n in (1, 2))
    reply = post(as_json({"resourceSpans": [*first, group, *last]}), authorization=f"Bearer {key}")
    told = json.loads(reply.body)["partialSuccess"]
    assert reply.status == 200
    assert told["rejectedSpans"] == "1" and "unexpected shape" in told["errorMessage"]
    shipping.ship(own_spool)
    assert len(stored(project)) == 2


def test_a_span_that_is_refused_leaves_the_others(project: Project, events: None, own_spool: Spool, key: str) -> None:
    odd = [spoilt_span(traceId="<script>"), spoilt_span(startTimeUnixNano="yesterday")]
    reply = post(as_json(export(odd[0], span(1), odd[1], span(2))), authorization=f"Bearer {key}")
    assert json.loads(reply.body)["partialSuccess"]["rejectedSpans"] == "2"
    shipping.ship(own_spool)
    assert len(stored(project)) == 2
    assert "<script>" not in str(Import.objects.get().lines.values_list("sentence", flat=True))


@pytest.mark.parametrize("depth", [150, 300, 900, 50_000])
def test_a_body_nested_to_any_depth_is_no_error_of_ours(
    project: Project, own_spool: Spool, key: str, depth: int
) -> None:
    body = b'{"resourceSpans": ' + b"[" * depth + b"]" * depth + b"}"
    assert post(body, authorization=f"Bearer {key}").status == (200 if depth < 200 else 400)


def test_spoilt_protobuf_is_never_an_error_of_ours(project: Project, own_spool: Spool, key: str) -> None:
    dice = random.Random(7)
    for _ in range(60):
        body = bytearray(packed(export(span())))
        for _ in range(dice.randrange(1, 8)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        assert post(bytes(body), PROTOBUF, authorization=f"Bearer {key}").status in (200, 400)


def test_a_private_project_keeps_no_word_of_what_it_refuses(project: Project, own_spool: Spool, key: str) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=True)
    odd = export(spoilt_span(startTimeUnixNano="canary-word"), span())
    assert post(as_json(odd), authorization=f"Bearer {key}").status == 200
    own_spool.close()
    kept = b"".join(path.read_bytes() for path in own_spool.folder.glob(f"*{SUFFIX}"))
    assert kept and b"Question" not in kept
