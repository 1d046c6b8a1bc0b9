"""Providers with a wire format of their own, translated by litellm; imported late, for it weighs seconds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from netra.answers import Assembly, StreamCut
from netra.errors import ProviderFailed
from netra.llm import Answer, Destination, check_whole, refused, retry_after_s


@cache
def _litellm() -> Any:
    # Else it fetches a price file from the network while being imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    return litellm


async def complete(to: Destination, model: str, request: Mapping[str, Any]) -> Answer:
    """One completion through litellm, which makes no retries of its own. Raises ProviderFailed."""
    litellm = await asyncio.to_thread(_litellm)
    asked = {name: value for name, value in request.items() if name != "model"}
    dropped = _unsupported(litellm, to, model, asked) if to.drop_unsupported else ()
    began = time.monotonic()
    try:
        answer = await litellm.acompletion(
            **{name: value for name, value in asked.items() if name not in dropped},
            model=f"{to.provider}/{model}",
            api_key=to.key or None,
            api_base=to.base_url or None,
            extra_headers=dict(to.headers) or None,
            num_retries=0,
            max_retries=0,
            # Else it loads its own MCP gateway for every call with tools, which is not installed: the call fails.
            _skip_mcp_handler=True,
        )
        body, first_at = await _assembled(answer) if asked.get("stream") else (answer.model_dump(), None)
    except StreamCut as problem:
        raise ProviderFailed(f"Cut short: {problem}.", retry=True, paid=None, code="cut_stream") from None
    except Exception as problem:
        # Its exceptions may hold request, headers and key: only our own sentence leaves this function.
        raise _failed(to, problem) from None
    check_whole(to, body)
    ttft_ms = None if first_at is None else (first_at - began) * 1000
    return Answer(200, body, ttft_ms, tuple(f"{name} left out" for name in dropped))


def _unsupported(litellm: Any, to: Destination, model: str, asked: Mapping[str, Any]) -> tuple[str, ...]:
    """OpenAI's parameters that this provider's model does not take; what OpenAI does not know either is passed on."""
    known = litellm.get_supported_openai_params(model=model, custom_llm_provider=to.provider)
    if known is None:
        return ()
    optional = set(litellm.constants.DEFAULT_CHAT_COMPLETION_PARAM_VALUES) - {"model", "messages", "stream"}
    return tuple(sorted(name for name in asked if name in optional and name not in known))


async def _assembled(chunks: Any) -> tuple[dict[str, Any], float | None]:
    assembly, first_at = Assembly(), None
    async for chunk in chunks:
        assembly.add_chunk(chunk.model_dump())
        if first_at is None and assembly.has_content:
            first_at = time.monotonic()
    # litellm ends a stream that broke off as if the model had stopped by itself.
    if not any(getattr(chunks, name, True) for name in ("received_finish_reason", "intermittent_finish_reason")):
        raise StreamCut("the stream ended before the answer did")
    return assembly.completion(), first_at


def _failed(to: Destination, problem: Exception) -> ProviderFailed:
    kind = type(problem).__name__
    status = getattr(problem, "status_code", None)
    if kind == "Timeout":
        return ProviderFailed("The provider gave no answer in time.", retry=True, paid=None, code="timeout")
    if kind == "APIConnectionError" or not isinstance(status, int):
        sentence = f"The provider could not be asked ({kind})."
        return ProviderFailed(sentence, retry=kind == "APIConnectionError", paid=None, code="disconnected")
    response = getattr(problem, "response", None)
    told = refused(to, status, b"", getattr(response, "headers", None) or {})
    told.retry_after_s = retry_after_s(getattr(response, "headers", None) or {})
    if status in (500, 503, 529) and kind in ("InternalServerError", "ServiceUnavailableError"):
        told.paid = None
    return told
