"""How a reader has numbers written: marks, groups of digits, and where the dollar stands. Pure, per thread of work.

Amounts stay US dollars whatever the format: nothing is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_NARROW = "\u202f"


@dataclass(frozen=True, slots=True)
class Style:
    """`is_indian`: groups of two digits before the last three. `after`: the dollar stands behind the amount."""

    group: str = ","
    mark: str = "."
    is_indian: bool = False
    after: str | None = None


PLAIN = Style()
STYLES: Mapping[str, Style] = {
    "": PLAIN,
    "continental": Style(".", ",", after="\u00a0$"),
    "spaced": Style(_NARROW, ",", after="\u00a0$"),
    "swiss": Style("’", "."),
    "indian": Style(",", ".", is_indian=True),
    "code": Style(_NARROW, ".", after="\u00a0USD"),
}
_now: ContextVar[Style] = ContextVar("style_of_numbers", default=PLAIN)


@contextmanager
def written_as(name: str) -> Iterator[None]:
    """Within it numbers are written so; an unknown name is the plain style."""
    token = _now.set(STYLES.get(name, PLAIN))
    try:
        yield
    finally:
        _now.reset(token)


def styled(text: str) -> str:
    """A number written plainly (1,234.5) as the reader has it; whatever is no digit stays."""
    style = _now.get()
    if style is PLAIN:
        return text
    whole, point, part = text.partition(".")
    grouped = _indian(whole) if style.is_indian else whole.replace(",", style.group)
    return f"{grouped}{style.mark if point else ''}{part}"


def dollars(text: str) -> str:
    """A plainly written amount with its dollar."""
    after = _now.get().after
    return f"${styled(text)}" if after is None else f"{styled(text)}{after}"


def _indian(whole: str) -> str:
    digits = whole.replace(",", "")
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, at - 2) : at] for at in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


def samples() -> list[tuple[str, str]]:
    """Each style's name and what an amount looks like in it: the choices of a form."""
    found = []
    for name in STYLES:
        with written_as(name):
            found.append((name, f"{dollars('1,234,567.89')}"))
    return found
