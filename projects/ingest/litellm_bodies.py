"""Requests and answers as LiteLLM keeps them: whole, cut in the middle, masked, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from projects.ingest import bodies, values

Payload = Mapping[str, Any]
Body = dict[str, Any]
MASKS = ("redacted-by-litellm", "redacted by litellm")
CUTS = ("(litellm_truncated", "...truncated by litellm")
_OPERATIONS = {
    "completion": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text",
    "responses": "responses",
    "embedding": "embedding",
}
_ASKED_AS = {"embedding": "input", "responses": "input", "text": "prompt"}
_ANSWERS = frozenset({"choices", "output", "data", "content", "error"})


def operation(told: Payload) -> str | None:
    """What kind of call it was; None when the record does not say, `other` for kinds that cannot be replayed."""
    kind = values.text(told, "call_type")
    if kind is None:
        return None
    found = _OPERATIONS.get(kind) or _OPERATIONS.get(kind.removeprefix("a"), "other")
    return "other" if kind == "anthropic_messages" and _has_foreign_parts(told.get("messages")) else found


def _has_foreign_parts(messages: Any) -> bool:
    """Whether messages hold parts in Anthropic's own shape (tool results, images), which OpenAI's has no name for."""
    said = [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    parts = [part for each in said if isinstance(each.get("content"), list) for part in each["content"]]
    return any(not isinstance(part, dict) or part.get("type") not in ("text", "image_url") for part in parts)


def is_streamed(told: Payload) -> bool | None:
    """As told, else by a first token that came before the end; None when nothing tells."""
    asked = values.mapping(told.get("model_parameters"), "model_parameters")
    for value in (told.get("stream"), asked.get("stream")):
        if value is not None:
            return values.flag(value, "stream")
    if first_token(told) is not None:
        return True
    return False if asked else None


def first_token(told: Payload) -> Any:
    """When the answer began; where no token was seen before the end, LiteLLM writes the end again."""
    first = told.get("completionStartTime")
    return first if first and first != told.get("endTime") else None


def read(told: Payload, flags: set[str]) -> tuple[Body | None, Body | None]:
    """The request and the answer, with flags for what was cut or masked in them."""
    request, answer = _request(told), told.get("response") or None
    cut_request, masked_request = marks(request)
    cut_answer, masked_answer = marks(answer)
    found = {
        "truncated_request": cut_request,
        "truncated_response": cut_answer,
        "redacted": masked_request or masked_answer,
    }
    flags |= {flag for flag, is_so in found.items() if is_so}
    if masked_answer and isinstance(answer, str):
        return request, None
    whole = bodies.response(answer, flags)
    _tell_refusals(whole)
    return request, whole if whole is not None and _ANSWERS & whole.keys() else None


def _tell_refusals(answer: Body | None) -> None:
    """Where OpenAI has it: LiteLLM moves a refusal among the fields that only this provider has."""
    choices = (answer or {}).get("choices")
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        apart = message.get("provider_specific_fields") if isinstance(message, dict) else None
        if isinstance(message, dict) and isinstance(apart, dict) and apart.get("refusal"):
            message.setdefault("refusal", apart["refusal"])


def _request(told: Payload) -> Body | None:
    """The request put together again from its messages and parameters."""
    messages = told.get("messages")
    parameters = dict(values.mapping(told.get("model_parameters"), "model_parameters"))
    if isinstance(messages, dict):  # the whole body was kept in place of its messages
        parameters |= messages
    elif not messages and not parameters.keys() & {"input", "prompt"}:
        return None
    elif messages:
        kind = operation(told) or "chat"
        name = _ASKED_AS.get(kind, "messages")
        asked = _texts_alone(messages) if kind == "embedding" else messages
        parameters[name] = _with_system(asked, parameters) if name == "messages" else asked
    stream = is_streamed(told)
    model = values.text(told, "model_group") or values.text(told, "model")
    return {"model": model} | parameters | ({} if stream is None else {"stream": stream})


def _texts_alone(asked: Any) -> Any:
    """The SDK wraps what is to be embedded into messages of a user."""
    if isinstance(asked, list) and asked and all(isinstance(each, dict) and "content" in each for each in asked):
        return [each["content"] for each in asked]
    return asked


def _with_system(messages: Any, parameters: Body) -> Any:
    """Anthropic's bodies name the system prompt beside the messages; OpenAI's have it first among them."""
    if "system" not in parameters or not isinstance(messages, list):
        return messages
    return [{"role": "system", "content": parameters.pop("system")}, *messages]


def marks(value: Any) -> tuple[bool, bool]:
    """Whether texts in it were cut, and whether masked."""
    if value is None or b"litellm" not in orjson.dumps(value):  # most hold no such word
        return False, False
    found = list(_texts(value))
    is_cut = any(cut in text for text in found for cut in CUTS)
    return is_cut, any(text.startswith(MASKS) for text in found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
