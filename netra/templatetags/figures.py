"""How numbers are written: units beside them, the same digits everywhere, and a dash that says "unknown" aloud."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from netra.numbers import dollars, styled

register = template.Library()

UNKNOWN = mark_safe(
    '<span class="unknown" title="unknown"><span aria-hidden="true">–</span><span class="sr-only">unknown</span></span>'
)
MINUS = "−"
# Before a digit, and behind nothing that it could join to that digit.
_HYPHEN = re.compile(r"(?<![\w.)\]/:-])-(?=\d)")


def _decimal(value: Any) -> Decimal | None:
    """The value as a finite decimal; None when it is none (an empty answer and a NaN alike)."""
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _signed(text: str, value: Decimal, *, plus: bool = False) -> str:
    return f"{MINUS}{text}" if value < 0 else f"+{text}" if plus and value > 0 else text


@register.filter
def usd(value: Any) -> str:
    """Dollars: cents from one dollar on, two significant digits below."""
    amount = _decimal(value)
    return UNKNOWN if amount is None else _signed(dollars(_amount(abs(amount))), amount)


@register.filter
def usd_exact(value: Any) -> str:
    """Dollars to the last digit that is known: where two sums are held against each other."""
    amount = _decimal(value)
    if amount is None:
        return UNKNOWN
    digits = f"{abs(amount):,.12f}".rstrip("0")
    whole, _, part = digits.partition(".")
    return _signed(dollars(f"{whole}.{part.ljust(2, '0')}"), amount)


def _amount(amount: Decimal) -> str:
    if amount >= 1000:
        return f"{amount:,.0f}"
    if amount >= 1 or amount == 0:
        return f"{amount:.2f}"
    places = min(12, max(2, 1 - amount.adjusted()))
    return f"{amount:.{places}f}"


@register.filter
def usd_per_million(value: Any) -> str:
    """A price per token, written per million tokens."""
    amount = _decimal(value)
    return UNKNOWN if amount is None else usd(amount * 1_000_000)


@register.filter
def count(value: Any) -> str:
    """A whole number with its thousands parted."""
    number = _decimal(value)
    return UNKNOWN if number is None else _signed(styled(f"{abs(number):,.0f}"), number)


@register.filter
def decimal(value: Any, places: int = 2) -> str:
    """A plain number with fixed places."""
    number = _decimal(value)
    return UNKNOWN if number is None else _signed(styled(f"{abs(number):,.{places}f}"), number)


@register.filter
def ms(value: Any) -> str:
    """A duration given in milliseconds."""
    duration = _decimal(value)
    if duration is None:
        return UNKNOWN
    if duration >= 7_200_000:
        return f"{styled(f'{duration / 3_600_000:,.1f}')} h"
    if duration >= 60_000:
        return f"{styled(f'{duration / 60_000:,.1f}')} min"
    return f"{styled(f'{duration / 1000:.2f}')} s" if duration >= 1000 else f"{duration:.0f} ms"


@register.filter
def ms_fine(value: Any) -> str:
    """A duration in milliseconds that is short, such as that of a token: one place below a tenth of a second."""
    duration = _decimal(value)
    return ms(value) if duration is None or duration >= 100 else f"{styled(f'{duration:.1f}')} ms"


@register.filter
def percent(value: Any) -> str:
    """A share in [0, 1] as a percentage."""
    share = _decimal(value)
    if share is None:
        return UNKNOWN
    hundred = abs(share * 100)
    return _signed(f"{styled(f'{hundred:,.{_places(hundred)}f}')}\u202f%", share)


def _places(hundred: Decimal) -> int:
    """A share near nothing or near all keeps digits that tell it from that."""
    is_near = 0 < hundred < 1 or Decimal("99.95") <= hundred < 100
    return 2 if is_near else 1


@register.filter
def points(value: Any) -> str:
    """A difference of two shares or scores, in percentage points, signed."""
    difference = _decimal(value)
    if difference is None:
        return UNKNOWN
    return f"{_signed(styled(f'{abs(difference * 100):.1f}'), difference, plus=True)}\u202fpoints"


@register.filter
def margin(value: Any) -> str:
    """How far apart two shares or scores may be, in percentage points, without a sign."""
    size_ = _decimal(value)
    return UNKNOWN if size_ is None else f"{styled(f'{abs(size_ * 100):.1f}')}\u202fpoints"


@register.filter
def typeset(sentence: Any) -> str:
    """A sentence out of the evidence with true minus signs; hyphens in names and dates stay."""
    return _HYPHEN.sub(MINUS, str(sentence))


@register.filter
def confidence(p_value: Any) -> str:
    """1 − p as a percentage that never claims certainty."""
    p = _decimal(p_value)
    if p is None:
        return UNKNOWN
    sure = max(Decimal(0), 1 - p)
    return f"> {styled('99.9')}\u202f%" if sure > Decimal("0.999") else f"{styled(f'{sure * 100:.1f}')}\u202f%"


@register.filter
def change(value: Any) -> str:
    """A relative change, signed: 0.1 → +10.0 %; tenfold and more as a multiple: 66.7 → × 67.7."""
    ratio = _decimal(value)
    if ratio is None:
        return UNKNOWN
    if ratio >= 9:
        return f"×\u202f{decimal(ratio + 1, 1)}"
    return f"+{percent(ratio)}" if ratio > 0 else percent(ratio)


@register.filter
def usd_change(value: Any) -> str:
    """Dollars more or less, signed."""
    amount = _decimal(value)
    return UNKNOWN if amount is None else f"+{usd(amount)}" if amount > 0 else usd(amount)


@register.filter
def when(value: Any) -> str:
    """A moment in the reader's time zone, machine-readable beside it."""
    if not isinstance(value, datetime):
        return UNKNOWN
    local = timezone.localtime(value)
    exact = value.astimezone(UTC).isoformat()
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, exact, f"{local:%Y-%m-%d %H:%M %Z}")


@register.filter
def when_exact(value: Any) -> str:
    """A moment to the millisecond, in the reader's time zone."""
    if not isinstance(value, datetime):
        return UNKNOWN
    local, exact = timezone.localtime(value), value.astimezone(UTC).isoformat()
    written = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, exact, written)


@register.filter
def size(value: Any) -> str:
    """Bytes, by thousands."""
    left = _decimal(value)
    if left is None:
        return UNKNOWN
    for unit in ("bytes", "kB", "MB", "GB"):
        if left < 1000:
            return f"{left:.0f} {unit}" if unit == "bytes" else f"{styled(f'{left:.1f}')} {unit}"
        left /= 1000
    return f"{styled(f'{left:,.1f}')} TB"


@register.filter
def known(value: Any) -> Any:
    """The value itself, or the mark for unknown."""
    return UNKNOWN if value is None or value == "" else value


@register.filter
def share_of(part: Any, whole: Any) -> Decimal | None:
    """part / whole; None when there is no whole."""
    above, below = _decimal(part), _decimal(whole)
    return above / below if above is not None and below else None


@register.filter
def in_unit(value: Any, unit: str) -> Any:
    """A value as its unit has it: money, time, a share, a whole number, or a word."""
    return _UNITS.get(unit, known)(value)


@register.filter
def words(code: str) -> str:
    """A code as words: `too_few_replayable` → "too few replayable"."""
    return str(code).replace("_", " ")


@register.filter
def as_json(value: Any) -> str:
    """For reading, not for parsing: indented, non-ASCII kept; escaped by the template like any text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """A mapping's value by a key that is itself a variable; None when absent."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.simple_tag
def simulated(thing: Any) -> SafeString | str:
    """The label that must stand wherever simulated things show."""
    return (
        mark_safe('<span class="tag tag-simulated">simulated</span>') if getattr(thing, "is_simulated", False) else ""
    )


_UNITS: Mapping[str, Callable[[Any], Any]] = {
    "usd": usd,
    "usd_change": usd_change,
    "usd_exact": usd_exact,
    "ms": ms,
    "ms_fine": ms_fine,
    "share": percent,
    "change": change,
    "points": points,
    "calls": count,
    "tokens": count,
    "decimal": decimal,
    "moment": when,
}
