"""What a response cache or a batch would have answered of a project's newest calls: from log rows to the pure parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson

from netra import prices
from netra.answers import first_choice
from netra.tokens import BUCKETS, Tokens
from projects.clusters import batching, repeats, sketches, texts
from projects.clusters.batching import Made
from projects.clusters.repeats import Asked, Hits

# Parts of a request that change nothing in what is answered.
_ASIDE = frozenset({"user", "metadata", "stream", "stream_options", "store", "service_tier", "safety_identifier"})
_UNANSWERED = frozenset({"provider_error", "gateway_error", "cancelled", "cached"})


def asked(row: Mapping[str, Any], request: Any, response: Any) -> tuple[Asked, str]:
    """A call as a response cache sees it, and the text that a semantic one compares."""
    if not isinstance(request, Mapping):
        return Asked(None, cost_usd=row["cost_usd"]), ""
    prompt = texts.prompt(request)
    model = row["requested_model"] or row["served_model"] or ""
    kept = {name: value for name, value in request.items() if name not in _ASIDE | {"model"}}
    found = Asked(
        same=_digest(model, kept),
        alike=texts.digest(model, texts.without_values(prompt.system), texts.without_values(prompt.asked))
        if prompt.is_readable
        else None,
        scope=_digest(model, _around(kept, prompt.asked)),
        sketch=sketches.sketch(prompt.asked) if prompt.is_readable else None,
        answer=_said(response),
        cost_usd=row["cost_usd"],
    )
    return found, texts.shortened(prompt.asked) if prompt.is_readable else ""


def _around(kept: Mapping[str, Any], last: str) -> dict[str, Any]:
    """The request without what was asked last: what must be equal before two questions can have one answer."""
    messages = kept.get("messages")
    listed = messages if isinstance(messages, list) else []
    others = [each for each in listed if not (isinstance(each, Mapping) and each.get("content") == last)]
    return {**kept, "messages": others}


def _digest(model: str, body: Mapping[str, Any]) -> str:
    return texts.digest(model, orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str).decode())


def _said(response: Any) -> str | None:
    """The answer as text, tool calls written out without their ids; None when none is logged."""
    message = (first_choice(response) or {}).get("message") if isinstance(response, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    calls = message.get("tool_calls")
    called = [each.get("function") for each in calls if isinstance(each, Mapping)] if isinstance(calls, list) else []
    content = message.get("content") or message.get("refusal")
    if content is None and not called:
        return None
    return orjson.dumps([content, called], option=orjson.OPT_SORT_KEYS, default=str).decode()


def made(row: Mapping[str, Any], book: prices.PriceBook) -> Made:
    """A call as batch advice sees it."""
    return Made(
        at_s=row["started_at"].timestamp(),
        stream=row["stream"],
        has_tools=row["has_tools"],
        n_messages=row["n_messages"],
        is_answered=row["outcome"] not in _UNANSWERED,
        is_batch="batch" in row["flags"],
        session=row["session_id"],
        trace=row["trace_id"],
        cost_usd=row["cost_usd"],
        batch_usd=_batch_usd(row, book),
    )


def _batch_usd(row: Mapping[str, Any], book: prices.PriceBook) -> Decimal | None:
    models = (model for model in (row["served_model"], row["requested_model"]) if model)
    held = next((found for model in models if (found := book.rates(row["provider"], model, row["started_at"]))), None)
    tokens = Tokens(**{name: row[f"tok_{name}"] for name in BUCKETS})
    return None if held is None else prices.cost_usd(tokens, held.rates, batch=True)


def batch_report(project_id: int, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    book = prices.book(project_id)
    told = batching.advise([made(row, book) for row in rows])
    return as_json(asdict(told) | {"share": told.share})


def cache_report(calls: Sequence[Asked], compared: Sequence[Asked], vectors: Any) -> dict[str, Any]:
    """Repeats of all calls, exact, but for values and by words; of the last of them by meaning, at each threshold."""
    by_meaning = [
        {"threshold": threshold, **hits_json(repeats.semantic(compared, vectors, threshold))}
        for threshold in repeats.THRESHOLDS
    ]
    by_words = [{"threshold": share, **hits_json(repeats.worded(calls, share))} for share in repeats.SHARED_WORDS]
    return {
        "exact": hits_json(repeats.exact(calls)),
        "near": hits_json(repeats.near(calls)),
        "worded": by_words,
        "semantic": by_meaning if compared else [],
    }


def hits_json(hits: Hits) -> dict[str, Any]:
    return as_json(asdict(hits) | {"share": hits.share, "false_share": hits.false_share})


def as_json(told: Mapping[str, Any]) -> dict[str, Any]:
    """Money as decimal text, so that none of it is lost."""
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in told.items()}
