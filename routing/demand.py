"""What a request wants now: needs, size, session, deadline, risk. From its body and headers alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# English prose under current tokenizers: about four characters a token; a project's `Calibration` knows better.
CHARS_PER_TOKEN = 4.0
DEFAULT_OUTPUT_TOKENS = 400
_PERSONAL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.\w{2,10}|\b\d{3}-\d{2}-\d{4}\b|(?<!\d)\d(?:[ -]?\d){12,15}(?!\d)")
_SENSITIVE = re.compile(
    r"\b(?:suicid\w*|self[- ]harm|overdose|diagnos\w+|dosage|prescri\w+|lawsuit|legal advice|weapon\w*|explosiv\w+)\b",
    re.IGNORECASE,
)


# Limits on an answer, in tokens, up to which requests are taken to be alike.
LIMIT_EDGES = (64, 256, 1_024, 4_096)
ANY_LIMIT = "any"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How long a token and an answer are in a project. `output_tokens` by `limit_name`."""

    chars_per_token: float = CHARS_PER_TOKEN
    output_tokens: Mapping[str, float] = field(default_factory=dict)

    def answer_tokens(self, limit: int | None) -> int:
        """What an answer is expected to have, never more than it may."""
        expected = self.output_tokens.get(limit_name(limit), self.output_tokens.get(ANY_LIMIT, DEFAULT_OUTPUT_TOKENS))
        return max(1, round(expected if limit is None else min(limit, expected)))


UNCALIBRATED = Calibration()


@dataclass(frozen=True, slots=True)
class Demand:
    """One request as the controller sees it. Sizes in tokens are estimates; None = not stated."""

    needs: frozenset[str]
    input_tokens: int
    output_tokens: int
    text: str
    kind: str = ""
    session: str | None = None
    deadline_ms: float | None = None
    max_cost_usd: float | None = None
    risks: frozenset[str] = frozenset()

    @property
    def context_tokens(self) -> int:
        """What the option's window must hold."""
        return self.input_tokens + self.output_tokens


def describe(
    request: Mapping[str, Any],
    *,
    kind: str = "",
    session: str | None = None,
    deadline_ms: float | None = None,
    max_cost_usd: float | None = None,
    calibration: Calibration = UNCALIBRATED,
) -> Demand:
    """The demand of an OpenAI chat body. Never raises: what is malformed is the provider's to refuse."""
    text, n_chars, has_images = _words(request.get("messages"))
    tools = request.get("tools") or request.get("functions")
    needs = {name for name, is_needed in (("tools", tools), ("vision", has_images)) if is_needed}
    wanted = request.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        needs.add("json_schema")
    extra = len(str(tools)) if tools else 0
    return Demand(
        needs=frozenset(needs),
        input_tokens=max(1, round((n_chars + extra) / calibration.chars_per_token)),
        output_tokens=calibration.answer_tokens(limit_of(request)),
        text=text,
        kind=kind,
        session=session,
        deadline_ms=deadline_ms,
        max_cost_usd=max_cost_usd,
        risks=risks(text),
    )


def risks(text: str) -> frozenset[str]:
    """`personal` where personal data shows, `sensitive` where a wrong answer can hurt. Word lists, English."""
    looked_at = text[-20_000:]
    found = (("personal", _PERSONAL.search(looked_at)), ("sensitive", _SENSITIVE.search(looked_at)))
    return frozenset(name for name, match in found if match)


def _words(messages: Any) -> tuple[str, int, bool]:
    """The words of the last user turn, the characters of all turns, and whether there are images."""
    last, n_chars, has_images = "", 0, False
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping):
            continue
        text, images = _text(message.get("content"))
        n_chars += len(text)
        has_images = has_images or images
        if message.get("role") == "user":
            last = text
    return last, n_chars, has_images


def _text(content: Any) -> tuple[str, bool]:
    if isinstance(content, str):
        return content, False
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n".join(texts), any(part.get("type") in ("image_url", "input_image") for part in parts)


def limit_of(request: Mapping[str, Any]) -> int | None:
    """The most tokens the answer may have, as the request says; None where it does not."""
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        limit = request.get(name)
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            return limit
    return None


def limit_name(limit: int | None) -> str:
    """Requests with limits of about the same size go by one name."""
    if limit is None:
        return "none"
    return next((f"up to {edge}" for edge in LIMIT_EDGES if limit <= edge), f"over {LIMIT_EDGES[-1]}")
