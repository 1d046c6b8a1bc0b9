"""The definitions of the tools a GenAI span's model was offered, in OpenAI's shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.ingest import messages
from projects.ingest.genai_content import REQUEST, listed, numbered, opened


def tools(attributes: Mapping[str, Any], flags: set[str]) -> list[Any]:
    """The tools' definitions; cut ones spoil the request as much as messages that were."""
    told = attributes.get("gen_ai.tool.definitions", attributes.get("ai.prompt.tools"))
    if told is None and "model_request_parameters" in attributes:
        parameters = opened(attributes["model_request_parameters"])
        told = parameters.get("function_tools") if isinstance(parameters, dict) else None
    if told is None:
        return [_of_functions(each) for each in numbered(attributes, "llm.request.functions.")]
    found = [opened(each) for each in listed(told, REQUEST, flags) or ()]
    return [messages.tool(each) for each in found if isinstance(each, dict)]


def _of_functions(told: dict[str, Any]) -> Mapping[str, Any]:
    return messages.tool({**told, "parameters": opened(told.get("parameters"))})
