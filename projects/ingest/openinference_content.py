"""What was asked and said in an OpenInference span: the provider's own bodies, else the flattened messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.ingest import bodies, messages, response_items
from projects.ingest.genai_content import numbered
from projects.ingest.spans import Told

Attributes = Mapping[str, Any]
REDACTED = "__REDACTED__"


def bodies_of(attributes: Attributes, told: Told) -> None:
    """Request and answer. The raw bodies hold more than the attributes, where they are OpenAI's and whole."""
    request, answer = _raw(attributes, "input"), _raw(attributes, "output")
    told.finish_reason = attributes.get("llm.finish_reason")
    if not _has_messages(request):
        request = _request(attributes, request, told)
    if not isinstance(answer.get("choices"), list):
        answer = _of_responses(answer) or _answer(attributes, told)
    told.request, told.answer = request or None, answer or None


def _of_responses(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the Responses API, which tells its id and usage besides what was said; nothing for other objects."""
    items = response_items.listed(answer.get("output")) if answer.get("object") == "response" else None
    if items is None:
        return {}
    kept = {name: answer[name] for name in ("id", "model", "usage") if answer.get(name)}
    reason = response_items.finish_reason(answer, items)
    return {**kept, "choices": [{"index": 0, "message": response_items.message(items), "finish_reason": reason}]}


def _raw(attributes: Attributes, side: str) -> dict[str, Any]:
    text = attributes.get(f"{side}.value")
    found = bodies.opened(text) if isinstance(text, str) and text[:1] == "{" else None
    return found if isinstance(found, dict) else {}


def _has_messages(request: dict[str, Any]) -> bool:
    """Whether it is a request in OpenAI's shape: frameworks put their own objects under the same name."""
    asked = request.get("messages")
    return isinstance(asked, list) and all(isinstance(each, dict) and "role" in each for each in asked)


def _request(attributes: Attributes, raw: dict[str, Any], told: Told) -> dict[str, Any]:
    asked = [_message(each, told.flags) for each in numbered(attributes, "llm.input_messages.")]
    content: dict[str, Any] = {"messages": messages.asked(asked, told.flags)} if asked else {}
    if prompts := numbered(attributes, "llm.prompts."):
        told.operation, content = "text", {"prompt": prompts[0].get("prompt.text")}
    elif told.operation == "embedding":
        texts = [each.get("embedding.text") for each in numbered(attributes, "embedding.embeddings.")]
        content = {"input": texts} if texts else {}
    if not content:
        _flag_missing(attributes, "input", told)
        return {}
    parameters = bodies.request(attributes.get("llm.invocation_parameters"), told.flags) or {}
    tools = [_tool(each) for each in numbered(attributes, "llm.tools.")]
    model = raw.get("model") or attributes.get("llm.request.model_name")
    return {"model": model, **parameters, **content, **({"tools": tools} if tools else {})}


def _answer(attributes: Attributes, told: Told) -> dict[str, Any]:
    said = [_message(each, told.flags) for each in numbered(attributes, "llm.output_messages.")]
    texts = [each.get("completion.text") for each in numbered(attributes, "llm.choices.")]
    if not said and not texts:
        _flag_missing(attributes, "output", told)
        return {}
    choices: list[dict[str, Any]] = [{"message": messages.answered(each, told.flags)} for each in said]
    choices = choices or [{"text": text} for text in texts]
    reason = messages.FINISH.get(told.finish_reason or "", told.finish_reason)
    return {"choices": [{"index": n, **choice, "finish_reason": reason} for n, choice in enumerate(choices)]}


def _flag_missing(attributes: Attributes, side: str, told: Told) -> None:
    """Why there is no content: masked, or JSON that was cut."""
    text = attributes.get(f"{side}.value")
    if text == REDACTED:
        told.flags.add("redacted")
    elif isinstance(text, str) and "json" in str(attributes.get(f"{side}.mime_type")) and bodies.opened(text) is None:
        told.flags.add("truncated_request" if side == "input" else "truncated_response")


def _message(told: dict[str, Any], flags: set[str]) -> dict[str, Any]:
    """`message.content` or `message.contents`; where both are, the second says more."""
    parts = [_part(each, flags) for each in numbered(told, "message.contents.")]
    message: dict[str, Any] = {"role": told.get("message.role") or "user"}
    message["content"] = parts or told.get("message.content")
    if message["content"] == REDACTED:
        flags.add("redacted")
    for name in ("name", "tool_call_id"):
        if told.get(f"message.{name}") is not None:
            message[name] = told[f"message.{name}"]
    if calls := numbered(told, "message.tool_calls."):
        message["tool_calls"] = [_call(each) for each in calls]
    return message


def _part(told: dict[str, Any], flags: set[str]) -> dict[str, Any]:
    text, image = told.get("message_content.text"), told.get("message_content.image.image.url")
    if REDACTED in (text, image):
        flags.add("redacted")
    if image is not None:
        return {"type": "image_url", "image_url": {"url": image}}
    kind = told.get("message_content.type") or "text"
    return {"type": kind, "text": text} if text is not None or kind == "text" else {"type": kind}


def _call(told: dict[str, Any]) -> dict[str, Any]:
    start = "tool_call.function."
    function = {"name": told.get(f"{start}name"), "arguments": told.get(f"{start}arguments") or "{}"}
    return {"id": told.get("tool_call.id"), "type": "function", "function": function}


def _tool(told: dict[str, Any]) -> Any:
    schema = told.get("tool.json_schema")
    found = bodies.opened(schema) if isinstance(schema, str) else schema
    return messages.tool(found) if isinstance(found, dict) else found
