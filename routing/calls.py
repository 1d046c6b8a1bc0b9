"""What goes into execution and what comes out: a call, its target, its attempts, its outcome. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from netra.llm import Destination
from netra.prices import DatedRates, Rates
from netra.tokens import Tokens

# Bounds for one image, whatever its size: the dearest known tiling for large models, and for OpenAI's small ones,
# which count an image at some 33 times as many tokens.
IMAGE_TOKENS = 6_000
IMAGE_TOKENS_SMALL_OPENAI = 50_000
# Providers add instructions of their own for tools and schemas, which count as input.
HIDDEN_TOKENS = 64
HIDDEN_TOKENS_TOOLS = 1_000
# Holds where neither the request nor the catalog limits the output.
OUTPUT_TOKENS_UNSTATED = 16_384


@dataclass(frozen=True, slots=True)
class OptionTarget:
    """A supply option ready to be called: where, at what price, within which limits."""

    option: str
    model: str
    destination: Destination
    price: DatedRates
    connection: str
    limits_key: str
    max_concurrency: int = 8
    requests_per_minute: int | None = None
    deadline_s: float = 60.0
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: frozenset[str] = frozenset()
    is_simulated: bool = False

    @property
    def name(self) -> str:
        return self.option

    @property
    def provider(self) -> str:
        return self.option.split("/", 1)[0]

    @property
    def rates(self) -> Rates:
        return self.price.rates


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call to make. `call_key` is its identity: recording it twice adds nothing.

    `request` is an OpenAI chat body without the model; unknown fields go out as they are. `deadline_s` is for each
    attempt; None = the connection's.
    """

    project_id: int
    option: OptionTarget
    request: Mapping[str, Any]
    purpose: str
    call_key: str
    deadline_s: float | None = None
    max_attempts: int = 3
    run_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request sent. `paid`: True, False, or None when it cannot be known and the worst case is booked."""

    number: int
    started_at: datetime
    duration_ms: float
    http_status: int | None
    error_code: str | None
    paid: bool | None
    charged_at_most_usd: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, money included.

    `cost_usd` is what the call cost in all, None when that is not known; `charged_at_most_usd` is the same where it
    is known and otherwise counts each attempt in doubt at its worst case. Durations are those of the last attempt.
    """

    call_key: str
    ok: bool
    started_at: datetime
    ended_at: datetime
    http_status: int | None = None
    response: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None
    is_refusal: bool | None = None
    tokens: Tokens = field(default_factory=Tokens)
    usage_raw: Mapping[str, Any] | None = None
    cost_usd: Decimal | None = None
    charged_at_most_usd: Decimal = Decimal(0)
    ttft_ms: float | None = None
    duration_ms: float | None = None
    attempts: tuple[Attempt, ...] = ()
    error_code: str | None = None
    error_sentence: str | None = None
    served_model: str | None = None
    provider_response_id: str | None = None
    adjustments: tuple[str, ...] = ()


def worst_case_usd(
    call: ModelCall | Mapping[str, Any], target: OptionTarget, *, max_tokens_default: int | None = None
) -> Decimal | None:
    """An upper bound of what ONE attempt can cost; None when there is none (a price or a size is not known).

    A token stands for at least one byte of UTF-8, so the bytes of the request bound its text; images count at a
    stated bound; both at most the context window. Output is bounded by the request's own limit, else the option's,
    else `max_tokens_default`, else 16,384.
    """
    request = call.request if isinstance(call, ModelCall) else call
    rates = target.rates.served_as(_text(request.get("service_tier")))
    if rates is None:
        return None
    price_in, price_out = rates.highest_input(), rates.highest_output()
    n_input = input_tokens_at_most(request, target)
    if price_in is None or price_out is None or n_input is None:
        return None
    n_output = output_tokens_at_most(request, target, max_tokens_default)
    images = _count_parts(request, "image_url") * (rates.image or Decimal(0))
    return n_input * price_in + n_output * price_out + images


def input_tokens_at_most(request: Mapping[str, Any], target: OptionTarget) -> int | None:
    """The input bound; None for attached files, whose pages do not show in their bytes, without a known window."""
    if _count_parts(request, "file") or _count_parts(request, "video_url"):
        return target.context_tokens
    n_images = _count_parts(request, "image_url")
    small = target.destination.provider in ("openai", "azure") and any(s in target.model for s in ("mini", "nano"))
    try:
        bound = _bytes_at_most(request, n_images) + HIDDEN_TOKENS
    except RecursionError:  # nested deeper than can be written, so neither measured nor sent
        return target.context_tokens
    bound += n_images * (IMAGE_TOKENS_SMALL_OPENAI if small else IMAGE_TOKENS)
    if request.get("tools") or request.get("functions") or request.get("response_format"):
        bound += HIDDEN_TOKENS_TOOLS
    return min(bound, target.context_tokens) if target.context_tokens else bound


def output_tokens_at_most(request: Mapping[str, Any], target: OptionTarget, default: int | None = None) -> int:
    asked = [request.get(name) for name in ("max_completion_tokens", "max_tokens")]
    limits = [limit for limit in asked if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0]
    n = request.get("n")
    choices = n if isinstance(n, int) and not isinstance(n, bool) and n > 0 else 1
    held = max(limits) if limits else target.max_output_tokens or default or OUTPUT_TOKENS_UNSTATED
    return choices * held


def _bytes_at_most(request: Mapping[str, Any], n_images: int) -> int:
    """Bytes that stand for text: those of the request as JSON. An image's own data is left out, its bound counts."""
    try:
        return len(orjson.dumps(_without_images(request) if n_images else request))
    except TypeError:  # lone surrogates
        return len(json.dumps(_without_images(request)))


def _without_images(value: Any) -> Any:
    if isinstance(value, Mapping):
        left_out = "image_url" if value.get("type") == "image_url" else None
        return {str(name): _without_images(part) for name, part in value.items() if name != left_out}
    return [_without_images(part) for part in value] if isinstance(value, (list, tuple)) else value


def _count_parts(request: Mapping[str, Any], kind: str) -> int:
    messages = request.get("messages")
    contents = [m.get("content") for m in messages if isinstance(m, Mapping)] if isinstance(messages, list) else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(1 for part in parts if isinstance(part, Mapping) and part.get("type") == kind)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
