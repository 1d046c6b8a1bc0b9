"""Where a GenAI span holds what was asked and said: each generation and product has its own place. Pure.

The first place that holds anything is read. Content comes structured or as JSON text; text that no longer is JSON was
cut at an attribute limit, which leaves no mark of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from projects.ingest import bodies

Attributes = Mapping[str, Any]
Events = list[dict[str, Any]]
REQUEST, RESPONSE = "truncated_request", "truncated_response"


@dataclass(slots=True)
class Content:
    """Messages asked and said in some dialect, or a whole request and answer in OpenAI's shape."""

    asked: list[Any] | None = None
    said: list[Any] | None = None
    request: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None


def find(attributes: Attributes, events: Events, flags: set[str]) -> Content:
    """What was logged, wherever it is."""
    for place in (_current, _numbered, _vercel, _logfire, _single):
        found = place(attributes, flags)
        if found is not None:
            return found
    return of_events([{**each["attributes"], "event.name": each["name"]} for each in events], flags)


def opened(told: Any) -> Any:
    """The value in JSON text; anything else as it is. None for text that holds none."""
    return bodies.opened(told) if isinstance(told, str) else told


def listed(told: Any, flag: str, flags: set[str], role: str = "user") -> list[Any] | None:
    """Messages out of a list, JSON text of one, one message, or plain text; cut text is flagged and kept out."""
    if told is None:
        return None
    found = opened(told) if isinstance(told, str) and told[:1] in ("[", "{") else told
    if found is None:
        flags.add(flag)
        return None
    if isinstance(found, dict):
        return found["messages"] if isinstance(found.get("messages"), list) else [found]
    return found if isinstance(found, list) else [{"role": role, "content": str(found)}]


def _current(attributes: Attributes, flags: set[str]) -> Content | None:
    """gen_ai.input.messages and its siblings; the system instructions stand apart."""
    asked, said = attributes.get("gen_ai.input.messages"), attributes.get("gen_ai.output.messages")
    if asked is None and said is None:
        return None
    found = Content(listed(asked, REQUEST, flags), listed(said, RESPONSE, flags, "assistant"))
    if found.said and "gen_ai.completion.0.function_call.name" in attributes:
        found.said = [_with_calls(found.said[0], attributes), *found.said[1:]]
    system = attributes.get("gen_ai.system_instructions")
    if system is not None and found.asked is not None:
        found.asked = _with_system(system, found.asked, flags)
    return found


def _with_calls(said: Any, attributes: Attributes) -> Any:
    """LiteLLM leaves the calls out of the message, and numbers them as others number answers."""
    if not isinstance(said, dict) or said.get("parts"):
        return said
    calls = numbered(attributes, "gen_ai.completion.")
    named = [(each.get("function_call.name"), each.get("function_call.arguments")) for each in calls]
    parts = [{"type": "tool_call", "name": name, "arguments": given} for name, given in named if name]
    return {**said, "parts": parts}


def _with_system(system: Any, asked: list[Any], flags: set[str]) -> list[Any] | None:
    """Instructions that were cut spoil the request as much as messages that were."""
    parts = listed(system, REQUEST, flags, "system")
    if parts is None:
        return None
    if all(isinstance(part, dict) and "role" in part for part in parts):
        return [*parts, *asked]
    return [{"role": "system", "parts": parts}, *asked]


def numbered(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """Lists that were flattened: `prefix.N.name` → the N-th object's name, by number, whatever order and gaps."""
    found: dict[int, dict[str, Any]] = {}
    start = len(prefix)
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, rest = key[start:].partition(".")
            if number.isdecimal():
                found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)]


def _numbered(attributes: Attributes, flags: set[str]) -> Content | None:
    """OpenLLMetry: gen_ai.prompt.N.role, gen_ai.completion.N.tool_calls.K.name and so on."""
    asked, said = numbered(attributes, "gen_ai.prompt."), numbered(attributes, "gen_ai.completion.")
    if not asked and not said:
        return None
    return Content(
        [_of_numbered(each, REQUEST, flags) for each in asked] if asked else None,
        [_of_numbered(each, RESPONSE, flags) for each in said] if said else None,
    )


def _of_numbered(told: dict[str, Any], flag: str, flags: set[str]) -> dict[str, Any]:
    content = told.get("content")
    message: dict[str, Any] = {"role": told.get("role") or "assistant", "content": content}
    if isinstance(content, str) and content.startswith('[{"'):
        parts = bodies.opened(content)
        if isinstance(parts, list) and all(isinstance(each, dict) and "type" in each for each in parts):
            message["content"] = parts
        elif parts is None and content.startswith('[{"type":'):
            flags.add(flag)
    for name in ("tool_call_id", "refusal", "finish_reason", "name"):
        if told.get(name) is not None:
            message[name] = told[name]
    if calls := numbered(told, "tool_calls."):
        message["tool_calls"] = [_call(each) for each in calls]
    return message


def _call(told: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": told.get("name"), "arguments": told.get("arguments") or "{}"}
    return {"id": told.get("id"), "type": "function", "function": function}


def _vercel(attributes: Attributes, flags: set[str]) -> Content | None:
    """Vercel's AI SDK: the prompt as JSON text, the answer's text and tool calls apart."""
    asked = attributes.get("ai.prompt.messages", attributes.get("ai.prompt"))
    text = attributes.get("ai.response.text", attributes.get("ai.response.object"))
    calls = attributes.get("ai.response.toolCalls")
    if asked is None and text is None and calls is None:
        return None
    found = Content(listed(asked, REQUEST, flags))
    if text is not None or calls is not None:
        parts: list[Any] = [{"type": "text", "content": text}] if text else []
        for call in listed(calls, RESPONSE, flags) or ():
            parts.append({**call, "type": "tool-call"})
        found.said = [{"role": "assistant", "parts": parts}]
    return found


def _logfire(attributes: Attributes, flags: set[str]) -> Content | None:
    """Logfire: the client's own request and answer, or the events of a span as one attribute."""
    if (request := bodies.request(attributes.get("request_data"), flags)) is not None:
        found = Content(request=request) if isinstance(request.get("messages"), list) else Content()
        answer = bodies.request(attributes.get("response_data"), set()) or {}
        said = answer.get("message", answer.get("combined_chunk_content"))
        found.said = None if said is None else [said]
        return found
    if (events := attributes.get("events")) is not None:
        return of_events(listed(events, REQUEST, flags) or [], flags)
    everything = listed(attributes.get("pydantic_ai.all_messages"), REQUEST, flags)
    if not everything:
        return None
    has_answer = isinstance(everything[-1], dict) and everything[-1].get("role") == "assistant"
    return Content(everything[:-1], everything[-1:]) if has_answer else Content(everything)


def _single(attributes: Attributes, flags: set[str]) -> Content | None:
    """gen_ai.prompt and gen_ai.completion, each one JSON text."""
    asked, said = attributes.get("gen_ai.prompt"), attributes.get("gen_ai.completion")
    if asked is None and said is None:
        return None
    return Content(listed(asked, REQUEST, flags), listed(said, RESPONSE, flags, "assistant"))


def of_events(events: list[Any], flags: set[str]) -> Content:
    """Content events of any generation. Each has its name under event.name, and its body beside it."""
    found = Content()
    for event in events:
        name = str(event.get("event.name") or event.get("name"))
        if name.startswith("gen_ai.content."):
            single = _single(event, flags) or Content()
            found = Content(single.asked or found.asked, single.said or found.said)
        elif name == "gen_ai.choice":
            found.said = [*(found.said or ()), _choice(_body(event))]
        elif name.startswith("gen_ai.") and name.endswith(".message"):
            found.asked = [*(found.asked or ()), _of_event(name[7:-8], _body(event))]
    return found


def _body(event: Attributes) -> Attributes:
    body = opened(event.get("gen_ai.event.content", event.get("body")))
    return body if isinstance(body, dict) else event


def _of_event(role: str, body: Attributes) -> dict[str, Any]:
    message: dict[str, Any] = {"role": body.get("role") or role, "content": body.get("content")}
    calls = opened(body.get("tool_calls"))
    if isinstance(calls, list) and calls:
        message["tool_calls"] = [call if "function" in call else _call(call) for call in calls]
    call_id = body.get("id", body.get("tool_call_id"))
    return {**message, "tool_call_id": call_id} if message["role"] == "tool" else message


def _choice(body: Attributes) -> dict[str, Any]:
    told = body.get("message")
    inner = opened(told) if isinstance(told, str) and told.startswith("{") else told
    spoken = {"content": inner} if isinstance(inner, str) else inner or body
    return {**_of_event("assistant", spoken), "finish_reason": body.get("finish_reason")}
