"""OTLP batches of model calls for `ingest.py`: real prompts and answers where the shared data is, made-up ones else.

A third are questions of mathematics, the others of all kinds; each under one of six system prompts, as agents have
them, and with the attributes a GenAI instrumentation writes. The same number gives the same batch.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SHARED = Path(os.environ.get("NETRA_SHARED_DIR", Path(__file__).resolve().parent.parent.parent / "shared"))
MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini")
SYSTEM = tuple(
    f"You are the {role} agent of a web shop. Answer in the customer's language, briefly and to the point. Never "
    "promise a refund or a date of delivery that the order does not show. If you lack what you need, ask one "
    "question. Quote order numbers as they are. When the question is not about "
    f"{topic}, say who can help instead. {rule}"
    for role, topic, rule in (
        ("support", "an order", "End with the number of the case."),
        ("search", "finding a product", "List at most five products, cheapest first."),
        ("returns", "sending something back", "Name the deadline of fourteen days."),
        ("writing", "texts for the shop", "Use short sentences and no superlatives."),
        ("planning", "stock and deliveries", "Give quantities as numbers with units."),
        ("mathematics", "a calculation", "Show each step on a line of its own."),
    )
)
WORDS = (
    *("order", "delivery", "parcel", "refund", "the", "a", "of", "and", "customer", "wants", "to", "know", "whether"),
    *("can", "price", "stock", "colour", "size", "shoes", "lamp", "tomorrow", "invoice", "address", "please", "we"),
)
START_NS = 1_793_700_000_000_000_000


def pairs() -> list[tuple[str, str]]:
    """Questions and answers, in a fixed order."""
    judged, routing = SHARED / "data" / "judged", SHARED / "data" / "routing"
    if not judged.is_dir():
        chance = random.Random(1)
        return [(_words(chance, 30), _words(chance, 150)) for _ in range(5_000)]
    asked = {each["id"]: each["instruction"] for each in _lines(judged / "alpacaeval_instructions.jsonl.gz")}
    found = [(asked[each["id"]], each["output"]) for each in _lines(judged / "alpacaeval_outputs_dev.jsonl.gz")]
    for each in _lines(routing / "routellm_gsm8k_responses.jsonl.gz"):
        found += [(each["weak_response"], each["strong_response"])] * 6
    random.Random(1).shuffle(found)
    return found


def _words(chance: random.Random, n: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randint(n // 2, n * 2)))


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def batches(n_spans: int, size: int) -> Iterator[tuple[int, bytes]]:
    """How many spans, and the request."""
    texts = pairs()
    for first in range(0, n_spans, size):
        n = min(size, n_spans - first)
        yield n, _batch(range(first, first + n), texts)


def _batch(numbers: range, texts: list[tuple[str, str]]) -> bytes:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    _add(sent.resource.attributes, {"service.name": "shop", "deployment.environment.name": "production"})
    scoped = sent.scope_spans.add()
    scoped.scope.name, scoped.scope.version = "opentelemetry.instrumentation.openai_v2", "2.3"
    for number in numbers:
        _span(scoped.spans.add(), number, *texts[number % len(texts)])
    return request.SerializeToString()


def _span(span, number: int, asked: str, said: str) -> None:
    digest = hashlib.blake2b(number.to_bytes(8, "big")).digest()
    span.trace_id, span.span_id, span.parent_span_id = digest[:16], digest[16:24], digest[24:32]
    span.kind = 3
    span.start_time_unix_nano = START_NS + number * 250_000_000 + digest[0] * 1_000_003
    span.end_time_unix_nano = span.start_time_unix_nano + 600_000_000 + digest[1] * 9_000_017
    model, system = MODELS[number % len(MODELS)], SYSTEM[number % len(SYSTEM)]
    span.name = f"chat {model}"
    _add(
        span.attributes,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": f"{model}-2026-04-16",
            "gen_ai.response.id": f"chatcmpl-{digest[32:52].hex()[:29]}",
            "gen_ai.conversation.id": f"session-{number // 5}",
            "user.id": f"user-{digest[2] * 16 + digest[3] % 16}",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 1024,
            "gen_ai.usage.input_tokens": (len(system) + len(asked)) // 4,
            "gen_ai.usage.output_tokens": max(1, len(said) // 4),
            "gen_ai.usage.cache_read.input_tokens": 0,
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": system}]),
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": asked}]}]),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": said}], "finish_reason": "stop"}]
            ),
            "server.address": "api.openai.com",
        },
    )


def _add(attributes, told: dict[str, str | int | float]) -> None:
    for key, value in told.items():
        pair = attributes.add()
        pair.key = key
        kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(pair.value, kind, value)
