"""What is read of a prompt: the last thing asked and the instructions, and what is left without numbers and ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from projects.cache_reuse.slots import KINDS

# The embedding model reads about 256 tokens: instructions stand at the beginning, questions often at the end.
HEAD_CHARS, TAIL_CHARS = 900, 300
LONGEST = 20_000
_SAID = {"e-mail address": "mail", "uuid": "id", "identifier": "id"}
_CHANGING = re.compile("|".join(f"(?P<k{at}>{kind.pattern})" for at, kind in enumerate(KINDS.values())))
_NAMES = list(KINDS)
PLACE = re.compile(f"⟨({'|'.join(_NAMES)})⟩")
_HASHED = re.compile(r"hash:[0-9a-f]{24}:\d{1,12}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`asked` is the last text of a user, `system` all instructions; both as they were sent."""

    system: str
    asked: str

    @property
    def is_readable(self) -> bool:
        """Whether there is a text at all, and not the hash that privacy mode leaves of one."""
        return bool(self.asked.strip()) and _HASHED.search(self.asked) is None


def prompt(request: Any) -> Prompt:
    """Of a request in OpenAI's chat shape; anything else is an empty prompt."""
    listed = request.get("messages") if isinstance(request, Mapping) else None
    messages = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    system = [_text(each.get("content")) for each in messages if each.get("role") in ("system", "developer")]
    others = [each for each in messages if each.get("role") not in ("system", "developer")]
    asked = [text for each in others if each.get("role") == "user" and (text := _text(each.get("content"))).strip()]
    said = asked or [text for each in others if (text := _text(each.get("content"))).strip()]
    return Prompt("\n".join(system)[:LONGEST], said[-1][:LONGEST] if said else "")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def without_values(text: str) -> str:
    """The text with times, numbers, addresses and ids replaced by what they are, such as ⟨number⟩, on one line."""
    return " ".join(_CHANGING.sub(lambda found: f"⟨{_NAMES[int((found.lastgroup or 'k0')[1:])]}⟩", text).split())


def spoken(text: str) -> str:
    """A text without values as an embedding model is to read it, with a plain word in each place."""
    return PLACE.sub(lambda found: _SAID.get(found[1], "0"), text)


def shortened(text: str) -> str:
    """As much of a text as the embedding model reads: its beginning and its end."""
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]} {text[-TAIL_CHARS:]}"


def digest(*texts: str) -> str:
    """The same for the same texts, 24 characters."""
    told = "\0".join(texts).encode("utf-8", "replace")
    return hashlib.blake2b(told, digest_size=12).hexdigest()
