"""What a vendor's refusal means: in the vendor's own words without our secrets, and whether trying again can help."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from netra.answers import loaded
from netra.destination import UNSHOWN
from netra.errors import SourceFailed
from netra.exchange import retry_after_s

LONGEST_WORDS = 300
# The answer was too much work for the vendor, or for what stands before it (524: a proxy's own time-out).
TOO_WIDE = frozenset({408, 413, 504, 524})
RETRIED = frozenset({408, 409, 425, 429})
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|key)[-_][\w*.…-]{6,}|\b(?:Bearer|Basic)\s+[\w+/=.~-]{6,}", re.IGNORECASE)
_WORDS_UNDER = ("message", "error", "detail", "description", "msg")


@dataclass(frozen=True, slots=True)
class Words:
    """Makes sentences of what a vendor says; knows what must not be repeated, and never shows it itself."""

    vendor: str
    secrets: Sequence[str] = field(default=(), repr=False)

    def refused(self, status: int, body: bytes, headers: Mapping[str, str]) -> SourceFailed:
        """The failure that an HTTP status other than success is."""
        return SourceFailed(
            self._sentence(status, _said(body)),
            http_status=status,
            retry=status in RETRIED or status >= 500,
            retry_after_s=retry_after_s(headers),
            is_too_wide=status in TOO_WIDE,
            code="rate_limited" if status == 429 else "source_refused",
        )

    def failed(self, what: str, *, is_too_wide: bool = False, retry: bool = True) -> SourceFailed:
        """A failure without an answer: time-out, broken connection, unreadable body."""
        return SourceFailed(f"{self.vendor} {what}", retry=retry, is_too_wide=is_too_wide)

    def _sentence(self, status: int, said: str) -> str:
        if 300 <= status < 400:
            return f"{self.vendor} answered with a redirect (HTTP {status}), which is not followed; mend the base URL."
        said = self.shown(said)
        return f"{self.vendor} answered HTTP {status}: {said}" if said else f"{self.vendor} answered HTTP {status}."

    def shown(self, text: str) -> str:
        """Text from outside that may repeat what we sent it, made fit to show: secrets out, one line, cut."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            for spelling in (secret, quote(secret, safe="")):
                text = text.replace(spelling, "[secret]") if len(secret) >= 4 else text
        return UNSHOWN.sub(" ", _KEY_LIKE.sub("[secret]", text)).strip()[:LONGEST_WORDS]


def _said(body: bytes) -> str:
    """The words of an error answer: the first text under a usual name; plain text as it is; of a page nothing."""
    try:
        told = loaded(body)
    except ValueError:
        text = body[: 4 * LONGEST_WORDS].decode("utf-8", "replace")
        return "" if "<" in text else text
    return told if isinstance(told, str) else _words_in(told)


def _words_in(told: Any, depth: int = 0) -> str:
    if isinstance(told, list) and told:
        return _words_in(told[0], depth + 1)
    if not isinstance(told, dict) or depth > 3:
        return ""
    for name in _WORDS_UNDER:
        found = told.get(name)
        said = found if isinstance(found, str) else _words_in(found, depth + 1)
        if said:
            return said
    return ""
