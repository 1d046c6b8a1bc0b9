"""Messages and tools of any dialect (OpenTelemetry's parts, Anthropic's blocks, Vercel's …) in OpenAI's shape. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Message = dict[str, Any]
FINISH = {"tool_call": "tool_calls", "tool-calls": "tool_calls", "content-filter": "content_filter"}
_OF_OPENAI = frozenset({"image_url", "input_audio", "file", "refusal"})
_CALLS = frozenset({"tool_call", "tool-call", "tool_use"})
_RESULTS = frozenset({"tool_call_response", "tool-result", "tool_result"})
_THOUGHTS = frozenset({"reasoning", "thinking"})


def asked(messages: Iterable[Any], flags: set[str]) -> list[Message]:
    """The messages of a request. A model's hidden thoughts are not sent again, and left out."""
    found: list[Message] = []
    for message in messages:
        if isinstance(message, str):
            found.append({"role": "user", "content": message})
        else:
            found += _messages(message, flags)
    return found


def answered(message: Any, flags: set[str]) -> Message:
    """One message of an answer."""
    if isinstance(message, str):
        return {"role": "assistant", "content": message}
    parts = _parts(message)
    if parts is None:
        told = {name: value for name, value in message.items() if name != "finish_reason"}
        return {"role": "assistant", "content": None, **told}
    own = _own(message, parts, flags)
    thoughts = [_first(part, "content", "text", "thinking") for part in parts if _kind(part) in _THOUGHTS]
    return {**own, "reasoning_content": "\n".join(map(str, thoughts))} if thoughts else own


def _messages(message: Message, flags: set[str]) -> list[Message]:
    """A message, and before it each tool's result it carries, which is a message of its own for OpenAI."""
    parts = _parts(message)
    if parts is None:
        return [message]
    results = [_result(part) for part in parts if _kind(part) in _RESULTS]
    if results and all(_kind(part) in _RESULTS for part in parts):
        return results
    return [*results, _own(message, parts, flags)]


def _parts(message: Message) -> list[Any] | None:
    """The parts that need translation; None when the message is in OpenAI's shape already."""
    if "parts" in message:
        return list(message["parts"] or ())
    content = message.get("content")
    if not isinstance(content, list) or all(_is_openai(part) for part in content):
        return None
    return content


def _is_openai(part: Any) -> bool:
    kind = _kind(part)
    return (kind == "text" and "text" in part) or (kind in _OF_OPENAI and kind in part)


def _kind(part: Any) -> str:
    return str(part.get("type")) if isinstance(part, dict) else "text"


def _own(message: Message, parts: list[Any], flags: set[str]) -> Message:
    content: list[Message] = []
    calls: list[Message] = []
    refusal = None
    for part in parts:
        kind = _kind(part)
        if kind == "text":
            content.append(part if isinstance(part, dict) and "text" in part else {"type": "text", "text": _text(part)})
        elif kind in _CALLS:
            calls.append(_call(part))
        elif kind == "refusal" and not _is_openai(part):
            refusal = _text(part)
        elif kind not in _RESULTS and kind not in _THOUGHTS:
            content.append(part if _is_openai(part) else _media(part, kind, flags))
    is_text = len(content) == 1 and content[0].get("type") == "text" and "parts" in message
    own: Message = {"role": message.get("role") or "assistant"}
    own["content"] = (content[0]["text"] if is_text else content) if content else None
    if message.get("name"):
        own["name"] = message["name"]
    if refusal is not None:
        own["refusal"] = refusal
    calls = calls or message.get("tool_calls") or []
    return {**own, "tool_calls": calls} if calls else own


def _text(part: Any) -> Any:
    return _first(part, "content", "text") if isinstance(part, dict) else part


def _first(part: Mapping[str, Any], *names: str) -> Any:
    return next((part[name] for name in names if part.get(name) is not None), None)


def _call(part: Message) -> Message:
    arguments = _first(part, "arguments", "args", "input")
    function = {"name": _first(part, "name", "toolName"), "arguments": "{}" if arguments is None else _json(arguments)}
    return {"id": _first(part, "id", "toolCallId"), "type": "function", "function": function}


def _result(part: Message) -> Message:
    told = _first(part, "response", "result", "output", "content")
    if isinstance(told, dict) and told.keys() == {"type", "value"}:
        told = told["value"]
    if isinstance(told, list) and told and all(isinstance(each, dict) and "text" in each for each in told):
        told = "".join(str(each["text"]) for each in told)
    call_id = _first(part, "id", "toolCallId", "tool_use_id")
    return {"role": "tool", "tool_call_id": call_id, "content": "" if told is None else _json(told)}


def _json(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _media(part: Message, kind: str, flags: set[str]) -> Message:
    """Images, sounds and files: inside the message, or only referred to."""
    inside = part["source"] if isinstance(part.get("source"), dict) else part
    mime = str(_first(inside, "mime_type", "media_type", "mediaType", "mimeType") or "")
    family = str(part.get("modality") or mime.partition("/")[0] or kind).removesuffix("-url")
    address = _first(inside, "uri", "url", "file_id")
    data = _first(inside, "content", "data", "image", "file")
    if address is None and isinstance(data, str) and data.startswith(("http:", "https:", "data:")):
        address, data = data, None
    if not isinstance(address or data, str):
        return part
    if address is not None and not address.startswith("data:"):
        flags.add("media_by_reference")
    if family == "image":
        return {"type": "image_url", "image_url": {"url": address or f"data:{mime or 'image/png'};base64,{data}"}}
    if family == "audio" and data is not None:
        return {"type": "input_audio", "input_audio": {"data": data, "format": mime.rpartition("/")[2]}}
    if address is not None:
        return {"type": "file", "file": {"file_id": address}}
    return {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}"}}


def tool(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool's definition; those that put everything on one level get OpenAI's second one."""
    if "function" in definition or "name" not in definition:
        return definition
    schema = _first(definition, "parameters", "parameters_json_schema", "inputSchema", "input_schema")
    function = {"name": definition["name"], "description": definition.get("description"), "parameters": schema}
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}
