"""OpenTelemetry's GenAI attributes, of every generation, and their relatives → what a model call's span tells. Pure.

Current names are those of conventions 1.37 to 1.41; older ones, OpenLLMetry's, Vercel's and Logfire's are read where
the current ones are absent. Where a span holds its messages is the matter of genai_content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.ingest import genai_content, messages, spans, values
from projects.ingest.genai_tools import tools
from projects.ingest.genai_usage import usage
from projects.ingest.spans import Told
from projects.ingest.verdicts import Skipped

Attributes = Mapping[str, Any]

# What is not listed is no model call: agents, workflows, tools, retrieval, evaluation.
OPERATIONS = {
    **dict.fromkeys(("chat", "generate_content", "message", "messages"), "chat"),
    **dict.fromkeys(("text_completion", "completion"), "text"),
    **dict.fromkeys(("embeddings", "embedding", "embed"), "embedding"),
    "responses": "responses",
}
# LiteLLM's spans name the function that was called; completion is a chat there, and a text elsewhere.
_LITELLM = {
    **dict.fromkeys(("completion", "acompletion", "anthropic_messages"), "chat"),
    **dict.fromkeys(("text_completion", "atext_completion"), "text"),
    **dict.fromkeys(("embedding", "aembedding"), "embedding"),
    **dict.fromkeys(("responses", "aresponses"), "responses"),
}
_VERCEL = {"doGenerate": "chat", "doStream": "chat", "doEmbed": "embedding"}
# On spans of agents and workflows of instrumentations that do not name their operation.
_OF_AGENTS = ("traceloop.span.kind", "all_messages_events", "final_result", "agent_name", "gen_ai.agent.name")

_MODEL = ("gen_ai.request.model", "llm.request.model", "ai.model.id")
_SERVED = ("gen_ai.response.model", "llm.response.model", "ai.response.model")
_RESPONSE_ID = ("gen_ai.response.id", "ai.response.id")
_COST = ("gen_ai.usage.cost", "operation.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost", "llm.cost.total")
_STREAM = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming", "gen_ai.request.is_stream")
_FINISH = ("gen_ai.response.finish_reasons", "ai.response.finishReason", "gen_ai.response.finish_reason")
_SESSION = ("gen_ai.conversation.id", "session.id", "gen_ai.session.id")
_USER = ("user.id", "enduser.id", "gen_ai.user.id", "gen_ai.openai.request.user", "llm.user")
_PARAMETERS = {
    **{
        f"gen_ai.request.{name}": name
        for name in (
            *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "frequency_penalty"),
            *("presence_penalty", "seed", "reasoning_effort", "service_tier", "n", "logprobs", "top_logprobs"),
        )
    },
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.choice.count": "n",
    "gen_ai.openai.request.seed": "seed",
    "gen_ai.openai.request.service_tier": "service_tier",
    "openai.request.service_tier": "service_tier",
    "ai.settings.maxOutputTokens": "max_tokens",
    "ai.settings.maxTokens": "max_tokens",
    "ai.settings.temperature": "temperature",
    "ai.settings.topP": "top_p",
}
_NONE = "error"  # what OpenTelemetry's instrumentation of OpenAI writes of an answer that never finished
_WORDS = {"True": True, "true": True, "False": False, "false": False}  # LiteLLM's attributes are all words
_FIRST_CHUNK = "gen_ai.content.completion.chunk"  # OpenLLMetry's event of each piece of a stream
_NAMES = {"session_id": "session", "sessionId": "session", "user_id": "user", "userId": "user"}


def read(span: Mapping[str, Any]) -> Told:
    """What the span tells. Raises Skipped when it is no model call."""
    attributes = span["attributes"]
    kind = operation(attributes)
    if kind is None:
        raise Skipped()
    for event in span["events"]:
        if event["name"] == "gen_ai.client.inference.operation.details":
            attributes = event["attributes"] | attributes
    told = Told(kind, set())
    told.provider = provider(attributes)
    told.requested_model, told.served_model = _text(attributes, _MODEL), _text(attributes, _SERVED)
    told.response_id, told.call_id = _text(attributes, _RESPONSE_ID), values.text(attributes, "litellm.call_id")
    if told.response_id == told.call_id:  # of failures LiteLLM gives its own id as the provider's
        told.response_id = None
    told.usage, told.usage_raw = usage(attributes, told.provider, told.flags)
    told.cost = _first(attributes, _COST)
    _clients(attributes, span["resource"], told)
    _streaming(span, attributes, told)
    _bodies(attributes, span["events"], told)
    return told


def operation(attributes: Attributes) -> str | None:
    """What kind of model call it is; None for none. Spans that only repeat or announce others are none."""
    if attributes.get("logfire.span_type") in ("log", "pending_span"):
        return None
    if (vercel := attributes.get("ai.operationId")) is not None:
        return _VERCEL.get(str(vercel).rpartition(".")[2])
    named = attributes.get("gen_ai.operation.name", attributes.get("llm.request.type"))
    if "litellm.call_id" in attributes and str(named) in _LITELLM:
        return _LITELLM[str(named)]
    if named is not None:
        return OPERATIONS.get(named) if isinstance(named, str) else None
    if any(name in attributes for name in _OF_AGENTS):
        return None
    return "chat" if _first(attributes, (*_MODEL[:2], *_SERVED[:2])) is not None else None


def provider(attributes: Attributes) -> str | None:
    """As the span names it; Vercel's names, as in openai.chat, end with the kind of API."""
    vercel = values.text(attributes, "ai.model.provider")
    if vercel is None:
        return values.text(attributes, "gen_ai.provider.name") or values.text(attributes, "gen_ai.system")
    return "vertex_ai" if vercel.startswith("google.vertex") else vercel.partition(".")[0].replace("-", "_")


def _first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    for name in names:
        if (value := attributes.get(name)) is not None:
            return value
    return None


def _text(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in attributes:
            return values.text(attributes, name)
    return None


def _clients(attributes: Attributes, resource: Attributes, told: Told) -> None:
    """Whose call it is, and what the client put beside it."""
    found: dict[str, Any] = {}
    if (service := spans.service(resource)) is not None:
        found["service.name"] = service
    for name, value in attributes.items():
        if name.startswith(("traceloop.association.properties.", "ai.telemetry.metadata.")):
            found[name.partition("properties." if name[0] == "t" else "metadata.")[2]] = value
    if (prompt := attributes.get("gen_ai.prompt.name", attributes.get("ai.telemetry.functionId"))) is not None:
        found["prompt_name"] = prompt
    whose = {_NAMES[name]: values.text(found, name) for name in _NAMES if name in found}
    told.session_id = _text(attributes, _SESSION) or whose.get("session")
    told.user_id = _text(attributes, _USER) or whose.get("user")
    told.metadata = found


def _streaming(span: Mapping[str, Any], attributes: Attributes, told: Told) -> None:
    seconds = attributes.get("gen_ai.response.time_to_first_chunk")
    first = attributes.get("ai.response.msToFirstChunk") if seconds is None else seconds
    told.ttft_ms = values.duration_ms(first, "the time to the first chunk")
    if seconds is not None and told.ttft_ms is not None:
        told.ttft_ms = round(told.ttft_ms * 1000, 6)
    streams = _first(attributes, _STREAM)
    told.stream = values.flag(_WORDS.get(streams, streams) if isinstance(streams, str) else streams, "the stream")
    if told.stream and told.ttft_ms is None:
        told.ttft_ms = spans.waited_ms(span, _FIRST_CHUNK)
    if told.stream is None and (first is not None or str(attributes.get("ai.operationId")).endswith(".doStream")):
        told.stream = True


def _bodies(attributes: Attributes, events: list[dict[str, Any]], told: Told) -> None:
    """Request and answer, where content was logged at all."""
    content = genai_content.find(attributes, events, told.flags)
    reasons = finish_reasons(_first(attributes, _FINISH))
    told.finish_reason = reasons[0] if reasons else None
    if content.answer is not None:
        told.answer = content.answer
    elif content.said is not None:
        told.answer = _answer(content.said, reasons, told)
    if content.request is not None:
        told.request = content.request
    elif content.asked is not None:
        told.request = _request(attributes, content, told)
    if told.request is not None and told.stream is not None:
        told.request = {**told.request, "stream": told.stream}


def _request(attributes: Attributes, content: genai_content.Content, told: Told) -> dict[str, Any]:
    asked = messages.asked(content.asked or (), told.flags)
    is_embedding = told.operation == "embedding"
    spoken = {"input": [each.get("content") for each in asked]} if is_embedding else {"messages": asked}
    request: dict[str, Any] = {"model": told.requested_model, **spoken}
    for name, value in attributes.items():
        if name in _PARAMETERS:
            request[_PARAMETERS[name]] = value
    wanted = _response_format(attributes)
    if wanted is not None:
        request["response_format"] = wanted
    elif attributes.get("gen_ai.output.type") == "json":
        told.flags.add("schema_unknown")
    offered = tools(attributes, told.flags)
    return {**request, "tools": offered} if offered else request


def _response_format(attributes: Attributes) -> dict[str, Any] | None:
    """As it was asked for; OpenLLMetry keeps the schema alone, without its name."""
    asked = genai_content.opened(attributes.get("gen_ai.openai.request.response_format"))
    if isinstance(asked, dict):
        return asked
    schema = genai_content.opened(attributes.get("gen_ai.request.structured_output_schema"))
    named = {"name": "answer", "schema": schema}
    return {"type": "json_schema", "json_schema": named} if isinstance(schema, dict) else None


def _answer(said: list[Any], reasons: list[str | None], told: Told) -> dict[str, Any]:
    choices = []
    for index, message in enumerate(said):
        own = message.get("finish_reason") if isinstance(message, dict) else None
        reason = None if own == _NONE else own or (reasons[index] if index < len(reasons) else None)
        told_so = messages.answered(message, told.flags)
        choices.append({"index": index, "message": told_so, "finish_reason": messages.FINISH.get(reason or "", reason)})
    return {"id": told.response_id, "object": "chat.completion", "model": told.served_model, "choices": choices}


def finish_reasons(told: Any) -> list[str | None]:
    """One per choice: a list, a list as JSON text, or a single word. None for an answer that never finished."""
    found = genai_content.opened(told) if isinstance(told, str) and told.startswith("[") else told
    listed = found if isinstance(found, list) else [] if found is None else [found]
    return [None if each == _NONE else messages.FINISH.get(each, each) for each in map(str, listed)]
