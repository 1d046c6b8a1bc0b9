"""Inputs and outputs of Langfuse's observations: whatever the sender put there, in OpenAI's shape where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from projects.ingest import bodies, langchain, litellm_bodies, messages, response_items, values

Body = dict[str, Any]
MEDIA = "@@@langfuseMedia:"
_OF_A_MESSAGE = frozenset({"role", "tool_calls", "parts", "lc"})
# What the OpenAI wrapper of older SDKs writes where nothing was asked: it is no number to send again.
_NO_LIMIT = ("Infinity", "inf")


@dataclass(frozen=True, slots=True)
class Read:
    """`is_whole`: the answer is a completion as the provider gave it, with what it says about its end."""

    request: Body | None
    answer: Body | None
    is_whole: bool


def read(told: Mapping[str, Any], operation: str, metadata: Mapping[str, Any], flags: set[str]) -> Read:
    """Request and answer, flagged where texts were cut or masked, or lie elsewhere."""
    asked, said = _value(told.get("input"), "request", flags), _value(told.get("output"), "response", flags)
    request = None if asked is None else _request(told, operation, metadata, asked, flags)
    if operation == "embedding":
        return Read(request, None if said is None else {"data": said}, is_whole=True)
    is_whole = isinstance(said, dict) and ("choices" in said or "output" in said or "error" in said)
    answer = said if is_whole or said is None else _answer(told.get("output"), said, metadata, flags)
    return Read(request, answer, is_whole)


def _value(raw: Any, name: str, flags: set[str]) -> Any:
    """The JSON value in a text, or the text itself. None when there is none here."""
    found = raw
    if isinstance(raw, str):
        read_as = bodies.opened(raw)
        found = raw if read_as is None and raw.strip() != "null" else read_as
    if found is None or found in ("", [], {}):
        return None
    is_cut, is_masked = litellm_bodies.marks(found)  # LiteLLM writes to Langfuse too
    if is_cut or (isinstance(found, str) and found.lstrip().startswith(('{"', '[{"'))):
        flags.add(f"truncated_{name}")
    if is_masked:
        flags.add("redacted")
    if MEDIA.encode() in orjson.dumps(found):
        flags.add("media_by_reference")
        # Where a whole input or output was too large, only the address of it is left.
        return None if isinstance(found, str) and found.strip().startswith(MEDIA) else found
    return found


def _request(told: Mapping[str, Any], operation: str, metadata: Mapping[str, Any], asked: Any, flags: set[str]) -> Body:
    parameters = values.mapping(opened(told.get("modelParameters")), "modelParameters")
    body = {name: value for name, value in parameters.items() if value is not None and value not in _NO_LIMIT}
    wanted = opened(metadata.get("response_format"))
    body |= {"response_format": wanted} if isinstance(wanted, dict) else {}
    tools = [each for name in ("toolDefinitions", "tools") for each in _tools(told.get(name) or metadata.get(name))]
    body |= {"tools": tools} if tools else {}
    if operation == "embedding":
        return body | {"input": asked}
    if isinstance(asked, dict) and isinstance(asked.get("messages"), list):
        body |= asked
        asked = asked["messages"]
    said = _messages(asked)
    if said is None:
        return body | ({"prompt": asked} if isinstance(asked, str) else {"input": asked})
    return body | _conversation(said, flags)


def _messages(asked: Any) -> list[Body] | None:
    """A list of messages, one alone, or LangChain's list of one list; None when it is something else."""
    if isinstance(asked, list) and len(asked) == 1 and isinstance(asked[0], list):
        asked = asked[0]
    if isinstance(asked, dict):
        asked = [asked] if _OF_A_MESSAGE & asked.keys() else None
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        return None
    return [langchain.message(each) for each in asked]


def _conversation(said: list[Body], flags: set[str]) -> Body:
    """Messages, and the tools that LangChain's integration puts among them."""
    tools = [each["content"] for each in said if langchain.is_tool(each)]
    spoken = [each for each in said if not langchain.is_tool(each)]
    body: Body = {"messages": [_with_references(each) for each in messages.asked(spoken, flags)]}
    return body | {"tools": tools} if tools else body


def _with_references(message: Body) -> Body:
    """Media that are kept elsewhere, as files that are referred to: the text of a reference is no part of a prompt."""
    content = message.get("content")
    if isinstance(content, str) and MEDIA in content:
        return message | {"content": [_file(content)]}
    if not isinstance(content, list):
        return message
    return message | {"content": [_file(part) if _is_elsewhere(part) else part for part in content]}


def _is_elsewhere(part: Any) -> bool:
    return MEDIA.encode() in orjson.dumps(part) and not (isinstance(part, dict) and part.get("type") == "image_url")


def _file(part: Any) -> Body:
    return {"type": "file", "file": {"file_id": part if isinstance(part, str) else orjson.dumps(part).decode()}}


def _tools(told: Any) -> list[Any]:
    """Definitions as a list, or by name; each an object or the JSON text of one."""
    found = opened(told)
    if isinstance(found, dict):
        found = [{"name": name, **each} for name, one in found.items() if isinstance(each := opened(one), dict)]
    each_one = [opened(each) for each in found] if isinstance(found, list) else []
    return [messages.tool(each) for each in each_one if isinstance(each, dict)]


def _answer(raw: Any, said: Any, metadata: Mapping[str, Any], flags: set[str]) -> Body:
    """A completion around a message, or several; any other JSON is the text that was answered."""
    if (items := response_items.listed(said)) is not None:
        said = response_items.message(items)
    several = said if isinstance(said, list) else [said]
    if not all(isinstance(each, dict) and _OF_A_MESSAGE & each.keys() for each in several):
        text = raw if isinstance(raw, str) else orjson.dumps(said).decode()
        several = [{"role": "assistant", "content": text}]
    choices = [_choice(index, each, flags) for index, each in enumerate(several)]
    reason = metadata.get("finish_reason")
    if isinstance(reason, str) and choices and choices[0]["finish_reason"] is None:
        choices[0]["finish_reason"] = reason  # of a stream the SDK tells it beside the answer
    return {"choices": choices}


def _choice(index: int, said: Body, flags: set[str]) -> Body:
    spoken = langchain.message(said)
    reason = spoken.get("finish_reason")
    message = messages.answered(spoken, flags)
    return {"index": index, "message": message, "finish_reason": messages.FINISH.get(str(reason), reason)}


def opened(value: Any) -> Any:
    """A value, or the JSON text of one, as the blob export has it."""
    return bodies.opened(value) if isinstance(value, str) else value
