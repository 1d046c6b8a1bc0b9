"""Numbers, times and texts out of hostile records: taken exactly, or refused with the field's name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from projects.ingest.verdicts import Rejected

LARGEST = 2**53
LONGEST_ID = 512
DEEPEST = 200
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)
# Databases refuse NUL, and UTF-8 has no lone surrogates.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DIGITS = re.compile(rb"[0-9]{400,}")
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s*(Z|z|[+-]\d{2}:?\d{2})?)?$")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def load(data: bytes, **default: Any) -> Any:
    """One JSON value. Raises Rejected with the reason, or returns `default` if one is given."""
    try:
        return _load(data)
    except Rejected:
        if "default" in default:
            return default["default"]
        raise


def _load(data: bytes) -> Any:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _load_odd(data)
    if data.count(b"[") + data.count(b"{") > DEEPEST and _is_deep(found):
        raise Rejected("nested_too_deeply")
    return found


def _is_deep(found: Any) -> bool:
    """Whether it is nested deeper than DEEPEST. The strict writer goes 254 levels deep, and tells soonest."""
    for _ in range(254 - DEEPEST):
        found = [found]
    try:
        orjson.dumps(found)
    except orjson.JSONEncodeError:
        return True
    return False


def _load_odd(data: bytes) -> Any:
    """What the strict parser refuses and other writers produce: NaN, lone surrogates; the rest gets its reason."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Rejected("not_utf8") from None
    if _DIGITS.search(data):
        raise Rejected("number_out_of_range")
    if data.count(b"[") + data.count(b"{") > DEEPEST and _depth(text) > DEEPEST:
        raise Rejected("nested_too_deeply")
    try:
        return json.loads(text, parse_constant=_constant, parse_int=_integer)
    except (ValueError, RecursionError):
        raise Rejected("invalid_json") from None


def _constant(name: str) -> float:
    return float(name.replace("Infinity", "inf"))


def _integer(digits: str) -> int | float:
    """As the strict parser has it: what no 64 bits hold is a float."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


def dumps(value: Any, *, default: Callable[[Any], Any]) -> bytes:
    """JSON of what the strict writer refuses: lone surrogates, integers beyond 64 bits."""
    return json.dumps(value, default=default).encode()


def repaired(value: Any) -> Any:
    """The value with characters that cannot be stored replaced by U+FFFD; floats that are not finite become None."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [repaired(item) for item in value]
    if isinstance(value, dict):
        return {repaired(key): repaired(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def text(record: Mapping[str, Any], name: str) -> str | None:
    """A text field; numbers are taken as text. Blank is None."""
    value = record.get(name)
    if value.__class__ is str:
        return value or None
    if value is None:
        return None
    if isinstance(value, (dict, list, bool)):
        raise Rejected("wrong_type", f"{name} should be text.")
    return str(value)


def identity(record: Mapping[str, Any], name: str = "id") -> str | None:
    """An id: text or number, at most 512 characters. Raises Rejected when it is longer."""
    found = text(record, name)
    if found is not None and len(found) > LONGEST_ID:
        raise Rejected("id_too_long")
    return found


def count(value: Any, name: str) -> int | None:
    """A number of tokens: whole, not negative; digits in quotes are taken. None stays None."""
    if value is None:
        return None
    number = _number(value, name)
    if number != number.to_integral_value():
        raise Rejected("not_an_integer", f"{name} is {number}.")
    if number < 0:
        raise Rejected("negative_token_count", f"{name} is {number}.")
    if number > LARGEST:
        raise Rejected("number_out_of_range", f"{name} is too large.")
    return int(number)


def duration_ms(value: Any, name: str) -> float | None:
    """Milliseconds, finite and not negative."""
    if value is None or (value.__class__ is float and 0 <= value <= LARGEST):
        return value
    number = _number(value, name)
    if number < 0:
        raise Rejected("negative_duration", f"{name} is {number}.")
    if number > LARGEST:
        raise Rejected("number_out_of_range", f"{name} is too large.")
    return float(number)


def money(value: Any, name: str) -> Decimal | None:
    """US dollars, exact as written; at most 999,999 with twelve places."""
    if value is None or value == "":
        return None
    number = _number(value, name)
    if number < 0:
        raise Rejected("negative_cost", f"{name} is {number}.")
    # Rounded first, by which the last cent may be reached; what is larger still may have too many digits to round.
    rounded = number if number >= 1_000_000 else number.quantize(Decimal("1e-12"))
    if rounded >= 1_000_000:
        raise Rejected("number_out_of_range", f"{name} is a million dollars or more for one call.")
    return rounded


def status(value: Any, name: str = "http_status") -> int | None:
    if value is None or (value.__class__ is int and 0 <= value <= 999):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Rejected("wrong_type", f"{name} should be a number.")
    found = _number(value, name)
    if found != found.to_integral_value() or not 0 <= found <= 999:
        raise Rejected("number_out_of_range", f"{name} is no HTTP status.")
    return int(found)


def flag(value: Any, name: str) -> bool | None:
    """True or false, also as 0 and 1."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in _FLAGS:  # tables have nothing but text
        return _FLAGS[value.lower()]
    raise Rejected("wrong_type", f"{name} should be true or false.")


def mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Rejected("wrong_type", f"{name} should be an object.")
    return value


def _number(value: Any, name: str) -> Decimal:
    if isinstance(value, (bool, dict, list)):
        raise Rejected("wrong_type", f"{name} should be a number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise Rejected("not_finite", f"{name} is {value}.")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise Rejected("not_a_number", f"{name} is {str(value)[:40]!r}.") from None
    if not number.is_finite():
        raise Rejected("not_finite", f"{name} is {value}.")
    return number


def moment(value: Any, name: str, *, now: datetime) -> datetime | None:
    """A time in UTC: ISO 8601 (without a zone: UTC), or epoch seconds, ms, µs or ns by size. None stays None.

    Raises Rejected for what is no time, and for times more than a day in the future.
    """
    if value is None or value == "":
        return None
    found = _from_epoch(value, name) if isinstance(value, (int, float)) else _from_text(value, name)
    if found > now + CLOCK_SKEW:
        raise Rejected("timestamp_in_future", f"{name} is {found:%Y-%m-%d}.")
    return found


def _from_epoch(value: float, name: str) -> datetime:
    if isinstance(value, bool):
        raise Rejected("wrong_type", f"{name} should be a time.")
    if value.__class__ is int and 10**9 <= value < 10**10:
        return datetime.fromtimestamp(value, UTC)
    number = _number(value, name)
    for unit, digits in ((10**9, 18), (10**6, 15), (10**3, 12)):
        if abs(number) >= Decimal(10) ** (digits - 1):
            number /= unit
            break
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(number * 1_000_000))
    except OverflowError:
        raise Rejected("invalid_timestamp", f"{name} is out of range.") from None


def _from_text(value: Any, name: str) -> datetime:
    if not isinstance(value, str):
        raise Rejected("wrong_type", f"{name} should be a time.")
    if len(value) == 27 and value[10] == "T" and value[-1] == "Z":  # the usual form, without the careful look
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise Rejected("invalid_timestamp", f"{name} is {value!r}.") from None
    stripped = value.strip()
    if re.fullmatch(r"\d{9,19}(\.\d+)?", stripped):
        return _from_epoch(float(stripped) if "." in stripped else int(stripped), name)
    if not _ISO.match(stripped):
        raise Rejected("invalid_timestamp", f"{name} is {stripped[:40]!r}.")
    try:
        found = datetime.fromisoformat(_six_places(stripped))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day there is, in another zone
        raise Rejected("invalid_timestamp", f"{name} is {stripped[:40]!r}.") from None


def _six_places(text: str) -> str:
    """Python reads microseconds; nanoseconds are cut."""
    return re.sub(r"([.,]\d{6})\d+", r"\1", text).replace("z", "Z")
