"""Where a model is asked: a provider's address with its key, which never shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# Providers that speak OpenAI's wire format themselves; all others are translated by litellm.
OPENAI_SPEAKERS: dict[str, str] = {
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "groq": "https://api.groq.com/openai/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together_ai": "https://api.together.xyz/v1",
    "xai": "https://api.x.ai/v1",
}
# Line ends and blanks, and what neither a database nor a page can hold.
UNSHOWN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
OPENAI_COMPATIBLE = "openai_compatible"
SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a completion is asked for. Key and headers stay out of `repr`, hence out of logs and tracebacks."""

    provider: str
    base_url: str = ""
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    drop_unsupported: bool = False

    @property
    def speaks_openai(self) -> bool:
        return self.provider in OPENAI_SPEAKERS or self.provider in (OPENAI_COMPATIBLE, SIMULATED)

    @property
    def address(self) -> str:
        return (self.base_url or OPENAI_SPEAKERS.get(self.provider, "")).rstrip("/")

    def without_secrets(self, text: str) -> str:
        """Text from outside that may repeat what we sent it, made fit to show: secrets out, one line, cut."""
        for secret in (self.key, *self.headers.values()):
            if len(secret) >= 4:
                text = text.replace(secret, "[secret]")
        text = re.sub(r"\b(?:sk|pk|rk|key)[-_][\w*.…-]{6,}", "[secret]", text)
        return UNSHOWN.sub(" ", text).strip()[:300]
