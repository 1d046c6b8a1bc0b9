"""What the tests of emitters have LiteLLM do beside the documented snippets. Imported by the snippets' process."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import litellm

from tests.flows.calls import ASKED, TOOL

N_CALLS = 8


def _at(model: str, **asked: Any) -> dict[str, Any]:
    # Else tools make it load a gateway of its own, which the plain package does not bring.
    return {"model": f"openai/{model}", "api_base": os.environ["SCRIPTED_URL"], "_skip_mcp_handler": True, **asked}


def everything() -> None:
    """Eight calls with LiteLLM's defaults, where the session is written as the trace."""
    litellm.request_correlation_in_logs = False
    ask = litellm.completion
    ask(**_at("plain", messages=ASKED, temperature=0, max_tokens=50, metadata={"session_id": "s-9"}))
    list(ask(**_at("plain-streamed", messages=ASKED, stream=True, stream_options={"include_usage": True})))
    list(ask(**_at("plain-untold", messages=ASKED, stream=True)))
    ask(**_at("tools", messages=ASKED, tools=[TOOL]))
    ask(**_at("refuses", messages=ASKED, litellm_session_id="s-10"))
    ask(**_at("gpt-4o-mini", messages=ASKED))
    with contextlib.suppress(litellm.RateLimitError):
        ask(**_at("busy", messages=ASKED, num_retries=0, max_retries=0))
    litellm.embedding(model="openai/embeds", api_base=os.environ["SCRIPTED_URL"], input=["one", "two"])


async def asynchronously() -> None:
    """Five calls of other kinds; the callback runs behind them."""
    import asyncio

    ask = litellm.acompletion
    await ask(**_at("plain", messages=ASKED))
    async for _ in await ask(**_at("plain-streamed", messages=ASKED, stream=True)):
        pass
    await ask(**_at("tools", messages=ASKED, tools=[TOOL]))
    with contextlib.suppress(litellm.RateLimitError):
        await ask(**_at("busy", messages=ASKED, num_retries=0, max_retries=0))
    await litellm.aembedding(model="openai/embeds", api_base=os.environ["SCRIPTED_URL"], input=["one", "two"])
    await asyncio.sleep(1)


def wait_for(path: str, *, n: int) -> None:
    """Its callbacks write from threads behind the calls."""
    deadline = time.monotonic() + 60
    while len(Path(path).read_text(encoding="utf-8").splitlines()) < n:
        assert time.monotonic() < deadline, Path(path).read_text(encoding="utf-8")
        time.sleep(0.05)
