"""What keys and values of a prompt take in memory. Only of models whose shape is published; of others it is not known.

Bytes a token = 2 (a key and a value) × layers × key-value heads × head size × bytes a number (Pope et al. 2022,
"Efficiently Scaling Transformer Inference", §2; grouped-query attention: Ainslie et al. 2023). Latent attention
(DeepSeek-AI 2024, DeepSeek-V2, §2.1) keeps one vector a layer: layers × (latent + rotary size) × bytes a number.
The shapes are those of the models' published config.json; sliding windows are not taken into account: an upper bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BYTES_OF_16_BIT = 2
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """`latent` is the size of the one vector kept a layer by latent attention; 0 for ordinary attention."""

    layers: int
    kv_heads: int = 0
    head_size: int = 0
    latent: int = 0

    def bytes_a_token(self, bytes_a_number: int = BYTES_OF_16_BIT) -> int:
        return self.layers * (self.latent or 2 * self.kv_heads * self.head_size) * bytes_a_number

    def gb(self, tokens: float, bytes_a_number: int = BYTES_OF_16_BIT) -> float:
        """Gigabytes (10⁹ bytes) that the keys and values of so many tokens take."""
        return tokens * self.bytes_a_token(bytes_a_number) / GB


SHAPES: dict[str, Shape] = {
    "llama-3-8b": Shape(32, 8, 128),
    "llama-3-70b": Shape(80, 8, 128),
    "llama-3-405b": Shape(126, 8, 128),
    "llama-3.2-1b": Shape(16, 8, 64),
    "llama-3.2-3b": Shape(28, 8, 128),
    "llama-2-7b": Shape(32, 32, 128),
    "llama-2-13b": Shape(40, 40, 128),
    "llama-2-70b": Shape(80, 8, 128),
    "mistral-7b": Shape(32, 8, 128),
    "mixtral-8x7b": Shape(32, 8, 128),
    "mixtral-8x22b": Shape(56, 8, 128),
    "qwen2.5-7b": Shape(28, 4, 128),
    "qwen2.5-14b": Shape(48, 8, 128),
    "qwen2.5-32b": Shape(64, 8, 128),
    "qwen2.5-72b": Shape(80, 8, 128),
    "deepseek-v2": Shape(60, latent=512 + 64),
    "deepseek-v3": Shape(61, latent=512 + 64),
}
# How logs and catalogs write them; the first that fits decides.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"llama-?3\.2-1b", "llama-3.2-1b"),
    (r"llama-?3\.2-3b", "llama-3.2-3b"),
    (r"llama-?3(\.[13])?-405b", "llama-3-405b"),
    (r"llama-?3(\.[13])?-70b", "llama-3-70b"),
    (r"llama-?3(\.1)?-8b", "llama-3-8b"),
    (r"llama-?2-(7|13|70)b", r"llama-2-\1b"),
    (r"mixtral-8x(7|22)b", r"mixtral-8x\1b"),
    (r"mistral-7b", "mistral-7b"),
    (r"qwen-?2\.5-(7|14|32|72)b", r"qwen2.5-\1b"),
    (r"deepseek-(v3|r1)(?!.*distill)", "deepseek-v3"),
    (r"deepseek-v2(?!.*lite)", "deepseek-v2"),
)


def shape_name(model: str | None) -> str | None:
    """The published shape of a model as logs name it; None when it is not known (all closed models)."""
    plain = re.sub(r"[\s_]+", "-", (model or "").lower())
    for pattern, name in _NAMES:
        found = re.search(pattern, plain)
        if found:
            return found.expand(name)
    return None
