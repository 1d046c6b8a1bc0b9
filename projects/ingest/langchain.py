"""LangChain's messages, as its tracers dump them, in OpenAI's shape. Others pass as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Message = dict[str, Any]
_ROLES = {"human": "user", "ai": "assistant", "aimessagechunk": "assistant", "system": "system", "tool": "tool"}


def message(told: Mapping[str, Any]) -> Message:
    """One message; `type` or `role` names who speaks, and a constructor dump keeps all of it in `kwargs`."""
    found = _constructed(told)
    speaker = str(found.get("role") or found.get("type") or "").lower()
    role = _ROLES.get(speaker, found.get("role"))
    if role is None or (role == found.get("role") and "additional_kwargs" not in found):
        return found
    said: Message = {"role": role, "content": found.get("content")}
    said |= {name: found[name] for name in ("name", "tool_call_id") if found.get(name)}
    extra = found["additional_kwargs"] if isinstance(found.get("additional_kwargs"), dict) else {}
    calls = extra.get("tool_calls") or [_call(each) for each in found.get("tool_calls") or () if isinstance(each, dict)]
    reason = (
        found["response_metadata"].get("finish_reason") if isinstance(found.get("response_metadata"), dict) else None
    )
    said |= {"tool_calls": calls} if calls else {}
    return said | {"finish_reason": reason} if reason else said


def _constructed(told: Mapping[str, Any]) -> Message:
    inside, names = told.get("kwargs"), told.get("id")
    if "lc" not in told or not isinstance(inside, dict) or not isinstance(names, list) or not names:
        return dict(told)
    return {"type": str(names[-1]).removesuffix("Chunk").removesuffix("Message").lower(), **inside}


def _call(told: Mapping[str, Any]) -> Message:
    if "function" in told:
        return dict(told)
    arguments = told.get("args")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    return {"id": told.get("id"), "type": "function", "function": {"name": told.get("name"), "arguments": text}}


def is_tool(told: Mapping[str, Any]) -> bool:
    """Whether this is the definition of a tool, which its tracers put among the messages."""
    content = told.get("content")
    return told.get("role") == "tool" and isinstance(content, dict) and content.get("type") == "function"
