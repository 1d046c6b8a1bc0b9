"""How foreign texts are written: cut to a length, and with what would be invisible made visible.

Characters that turn the direction of text could make one id look like another, or hide words from a reader that a
model was told; control characters break pages. They are written as what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from netra.templatetags.figures import UNKNOWN

register = template.Library()

TEXT_LIMIT = 20_000
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_TURNING = "\u202a-\u202e\u2066-\u2069"
_UNSEEN = "\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
# Marks of direction belong into texts of some languages; an id has no use for them, nor for a new line.
_IN_TEXTS = re.compile(f"[{_CONTROLS}{_TURNING}{_UNSEEN}]")
_IN_NAMES = re.compile(f"[{_CONTROLS}{_TURNING}{_UNSEEN}\t\n\r\u061c\u200e\u200f\u200c\u200d]")


def _named(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


@register.filter
def plain(value: Any, longest: int = 120) -> str:
    """A name or an id on one line, cut in the middle so that both ends can be compared; a dash when there is none."""
    if value is None or value == "":
        return UNKNOWN
    return format_html("<bdi>{}</bdi>", one_line(value, longest))


def one_line(value: Any, longest: int) -> str:
    """The same as bare text, for where there is no markup."""
    told = str(value)
    if len(told) > longest:
        told = f"{told[: longest * 2 // 3]}…{told[-(longest // 3) :]}"
    return _IN_NAMES.sub(_named, told)


@register.filter
def prose(value: Any, longest: int = TEXT_LIMIT) -> SafeString:
    """A long text, its end left out with a word of how much it is."""
    told = str(value)
    shown = _IN_TEXTS.sub(_named, told[:longest])
    if len(told) <= longest:
        return format_html("{}", shown)
    more = f"{len(told) - longest:,}"
    return format_html(
        '{}<span class="faint"> … and {} more characters; the whole text is in the JSON.</span>', shown, more
    )


@register.filter
def said(content: Any) -> str:
    """The content of a message as a person would read it: texts of its parts, and names for the other parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content[:1000])
    return json.dumps(content, indent=1, ensure_ascii=False, default=str)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else None
    return f"[{kind}]" if isinstance(kind, str) else json.dumps(part, ensure_ascii=False, default=str)


@register.filter
def json_text(value: Any) -> SafeString | str:
    """Anything out of a log as indented JSON, for reading; a dash for nothing."""
    return UNKNOWN if value is None else prose(json.dumps(value, indent=2, ensure_ascii=False, default=str))
