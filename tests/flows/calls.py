"""What the tests of emitters have a client library do, beside the documented snippet: each call its own model's name.

Imported by the snippet's process, where nothing of Netra is.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import openai

ASKED: list[Any] = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Where is order 8812?"}]
PARAMETERS = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
TOOL: Any = {"type": "function", "function": {"name": "order", "description": "Finds it.", "parameters": PARAMETERS}}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": PARAMETERS}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": '{"number": 8812}'}}
TURN: list[Any] = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "ships friday"},
]
NAMES = (
    *("plain", "plain-streamed", "plain-untold", "plain-left", "plain-turn", "plain-json", "plain-seen", "tools"),
    *("tools-streamed", "several", "refuses", "busy", "embeds", "responds"),
)


def everything() -> None:
    client = openai.OpenAI(base_url=os.environ["SCRIPTED_URL"], max_retries=0)
    streams(client)
    ask = client.chat.completions.create
    ask(model="plain", messages=ASKED, temperature=0, max_tokens=50)
    ask(model="plain-turn", messages=[*ASKED, *TURN], tools=[TOOL])
    ask(model="plain-json", messages=ASKED, response_format=SCHEMA)
    ask(model="plain-seen", messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}])  # type: ignore[list-item]
    ask(model="tools", messages=ASKED, tools=[TOOL])
    ask(model="several", messages=ASKED, n=2)
    ask(model="refuses", messages=ASKED)
    with contextlib.suppress(openai.RateLimitError):
        ask(model="busy", messages=ASKED)
    client.embeddings.create(model="embeds", input=["one", "two"])
    client.responses.create(model="responds", input="Where is order 8812?", instructions="Be short.")


def streams(client: openai.OpenAI) -> None:
    """With usage and without, with tools, and one that is left before its end."""
    ask = client.chat.completions.create
    told: Any = {"stream": True, "stream_options": {"include_usage": True}}
    list(ask(model="plain-streamed", messages=ASKED, **told))
    list(ask(model="tools-streamed", messages=ASKED, tools=[TOOL], **told))
    list(ask(model="plain-untold", messages=ASKED, stream=True))
    left = ask(model="plain-left", messages=ASKED, stream=True)
    next(iter(left))
    left.close()
