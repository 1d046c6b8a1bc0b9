"""Numbers, times and texts of hostile records: exact at the boundary, refused beyond it, in a sentence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.ingest import values
from projects.ingest.verdicts import LONGEST_DETAIL, REJECTIONS, Rejected

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LARGEST = 2**53
READERS = {
    "count": lambda value: values.count(value, "n"),
    "duration": lambda value: values.duration_ms(value, "ms"),
    "money": lambda value: values.money(value, "cost"),
    "status": lambda value: values.status(value),
    "flag": lambda value: values.flag(value, "stream"),
    "moment": lambda value: values.moment(value, "at", now=NOW),
    "mapping": lambda value: values.mapping(value, "usage"),
    "text": lambda value: values.text({"name": value}, "name"),
    "identity": lambda value: values.identity({"id": value}),
}


def refusal(name: str, value: Any) -> str:
    with pytest.raises(Rejected) as caught:
        READERS[name](value)
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 0, 0),
        ("count", "12", 12),
        ("count", " 12 ", 12),
        ("count", 12.0, 12),
        ("count", "1.2e1", 12),
        ("count", LARGEST, LARGEST),
        ("count", "-0", 0),
        ("duration", 0, 0.0),
        ("duration", "1.5", 1.5),
        ("duration", float(LARGEST), float(LARGEST)),
        ("money", "", None),
        ("money", "0", Decimal(0)),
        ("money", 0.1, Decimal("0.1")),
        ("money", "1e-12", Decimal("0.000000000001")),
        ("money", "1e-999999", Decimal(0)),
        ("money", "999999.999999999999", Decimal("999999.999999999999")),
        ("status", "200", 200),
        ("status", 0, 0),
        ("status", 999, 999),
        ("flag", "TRUE", True),
        ("flag", "0", False),
        ("flag", 1.0, True),
        ("text", 5, "5"),
        ("text", "", None),
        ("text", 0, "0"),
        ("identity", "x" * 512, "x" * 512),
        ("mapping", None, {}),
    ],
)
def test_at_the_boundary_it_is_taken_exactly(name: str, value: Any, expected: Any) -> None:
    found = READERS[name](value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("count", -1, "negative_token_count"),
        ("count", 1.5, "not_an_integer"),
        ("count", LARGEST + 1, "number_out_of_range"),
        ("count", "1e999999999", "number_out_of_range"),
        ("count", float("nan"), "not_finite"),
        ("count", "NaN", "not_finite"),
        ("count", "sNaN", "not_finite"),
        ("count", "-Infinity", "not_finite"),
        ("count", "", "not_a_number"),
        ("count", "twelve", "not_a_number"),
        ("count", "0x10", "not_a_number"),
        ("count", True, "wrong_type"),
        ("count", [1], "wrong_type"),
        ("count", {}, "wrong_type"),
        ("duration", -0.001, "negative_duration"),
        ("duration", LARGEST + 1, "number_out_of_range"),
        ("duration", float("inf"), "not_finite"),
        ("duration", True, "wrong_type"),
        ("money", "-0.000001", "negative_cost"),
        ("money", 1_000_000, "number_out_of_range"),
        ("money", "999999.9999999999999", "number_out_of_range"),
        ("money", "9" * 400, "number_out_of_range"),
        ("money", "1e400", "number_out_of_range"),
        ("money", "$5", "not_a_number"),
        ("money", "1,5", "not_a_number"),
        ("money", False, "wrong_type"),
        ("status", 1000, "number_out_of_range"),
        ("status", -1, "number_out_of_range"),
        ("status", "200.5", "number_out_of_range"),
        ("status", 200.0, "wrong_type"),
        ("status", True, "wrong_type"),
        ("status", "OK", "not_a_number"),
        ("flag", 2, "wrong_type"),
        ("flag", "yes", "wrong_type"),
        ("flag", [], "wrong_type"),
        ("mapping", [], "wrong_type"),
        ("mapping", "", "wrong_type"),
        ("text", True, "wrong_type"),
        ("text", {}, "wrong_type"),
        ("identity", "x" * 513, "id_too_long"),
    ],
)
def test_beyond_it_it_is_refused_by_what_is_wrong(name: str, value: Any, code: str) -> None:
    assert refusal(name, value) == code


@pytest.mark.parametrize("value", ["-" + "1" * 100_000, "x" * 100_000, "1." + "1" * 100_000, "<script>" * 9_000])
@pytest.mark.parametrize("name", sorted(set(READERS) - {"text"}))
def test_a_refusal_is_never_longer_than_a_line(name: str, value: str) -> None:
    """A thousand of each code are kept and shown: what was found instead is cut."""
    longest = max(map(len, REJECTIONS.values())) + 1 + LONGEST_DETAIL
    try:
        READERS[name](value)
    except Rejected as refused:
        assert len(str(refused)) <= longest
        assert str(refused).startswith(REJECTIONS[refused.code])


@given(st.decimals(min_value=0, max_value=Decimal("999999.999999999999"), places=12))
def test_money_is_exact_in_every_spelling(cost: Decimal) -> None:
    for spelling in (str(cost), format(cost, "f"), f" {cost:e} ", str(cost.normalize())):
        assert values.money(spelling, "cost") == cost


@given(st.decimals(allow_nan=True, allow_infinity=True) | st.floats() | st.integers() | st.text(max_size=20))
def test_any_money_fits_the_column_or_is_refused(told: Any) -> None:
    try:
        found = values.money(told, "cost")
    except Rejected as refused:
        assert refused.code in REJECTIONS
    else:
        assert found is None or (0 <= found < 1_000_000 and found.as_tuple().exponent == -12)


@given(st.integers(-(2**70), 2**70) | st.floats() | st.text("0123456789.eE+- ", max_size=12))
def test_any_count_is_a_count_or_refused(told: Any) -> None:
    try:
        found = values.count(told, "n")
    except Rejected as refused:
        assert refused.code in REJECTIONS
    else:
        assert type(found) is int and 0 <= found <= LARGEST


AT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
EPOCH = int(AT.timestamp())


@pytest.mark.parametrize(
    "told",
    [
        *(EPOCH, float(EPOCH), str(EPOCH), f"{EPOCH}.0", EPOCH * 1_000, str(EPOCH * 1_000)),
        *(EPOCH * 10**6, str(EPOCH * 10**6), EPOCH * 10**9, str(EPOCH * 10**9)),
        *("2026-11-02T12:00:00Z", "2026-11-02 12:00", "2026-11-02T12:00:00", "2026-11-02T12:00:00.000000Z"),
        *("2026-11-02T13:00:00+01:00", "2026-11-02T06:30:00-0530", "2026-11-03T01:45:00+13:45"),
        *(
            "2026-11-02T12:00:00.000000000Z",
            "2026-11-02T12:00:00,000z",
            " 2026-11-02T12:00:00Z ",
            "2026-11-02 12:00:00 Z",
        ),
    ],
    ids=str,
)
def test_one_instant_in_every_spelling(told: Any) -> None:
    found = values.moment(told, "at", now=NOW)
    assert found == AT
    assert found is not None and found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("yesterday", "invalid_timestamp"),
        ("2026-02-30", "invalid_timestamp"),
        ("2026-11-02T25:00:00Z", "invalid_timestamp"),
        ("2026-11-02T12:00:00.00000xZ", "invalid_timestamp"),
        ("02/11/2026", "invalid_timestamp"),
        ("2026-11", "invalid_timestamp"),
        ("9999-12-31T23:59:59-23:59", "invalid_timestamp"),
        ("0001-01-01T00:00:00+23:59", "invalid_timestamp"),
        ("12345678", "invalid_timestamp"),
        (10**40, "invalid_timestamp"),
        (-(10**40), "invalid_timestamp"),
        (float("nan"), "not_finite"),
        (float("-inf"), "not_finite"),
        (True, "wrong_type"),
        (["2026-11-02"], "wrong_type"),
        ("2026-11-22T12:00:01Z", "timestamp_in_future"),
        (EPOCH * 10, "timestamp_in_future"),
    ],
    ids=str,
)
def test_what_is_no_time_is_refused(told: Any, code: str) -> None:
    assert refusal("moment", told) == code


def test_a_clock_may_be_a_day_ahead_and_no_more() -> None:
    assert values.moment("2026-11-22T12:00:00Z", "at", now=NOW) == NOW + values.CLOCK_SKEW


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_time_is_unknown_and_not_1970(nothing: Any) -> None:
    assert values.moment(nothing, "at", now=NOW) is None
    assert values.moment(0, "at", now=NOW) == datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.datetimes(values.EARLIEST.replace(tzinfo=None), NOW.replace(tzinfo=None) - timedelta(hours=1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_zone_never_moves_the_instant(wall: datetime, zone: timezone) -> None:
    at = wall.replace(tzinfo=zone)
    assert values.moment(at.isoformat(), "at", now=NOW) == at
    assert values.moment(wall.isoformat(), "at", now=NOW) == wall.replace(tzinfo=UTC)


@given(st.text(max_size=30) | st.floats() | st.integers(-(10**30), 10**30))
def test_any_time_is_in_utc_or_refused(told: Any) -> None:
    try:
        found = values.moment(told, "at", now=NOW)
    except Rejected as refused:
        assert refused.code in REJECTIONS
    else:
        assert found is None or found.tzinfo is UTC or found.utcoffset() == timedelta(0)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(), max_size=5) | st.floats(allow_nan=True),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANY_JSON)
def test_what_was_repaired_can_be_stored_and_needs_no_more_repair(told: Any) -> None:
    found = values.repaired(told)
    assert not values.UNSTORABLE.search(json.dumps(found, ensure_ascii=False, allow_nan=False))
    assert values.repaired(found) == found


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": 1}{"b": 2}', "invalid_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"a": ' + b"9" * 400 + b"}", "number_out_of_range"),
        (b"[" * 201 + b"]" * 201, "nested_too_deeply"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "nested_too_deeply"),
        (b"[" * 5_000 + b"]" * 5_000, "nested_too_deeply"),
        (b"[" * 5_000, "nested_too_deeply"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else value,
)
def test_what_is_no_json_says_why(data: bytes, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        values.load(data)
    assert caught.value.code == code
    assert values.load(data, default="nothing") == "nothing"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[" * 200 + b"]" * 200, 200),
        (b'["' + b"[{" * 5_000 + b'"]', 1),
        (b"[" + b"[[]]," * 5_000 + b"[]]", 3),
        (b'[NaN, "\\"' + b"[" * 300 + b'"]', 1),
    ],
    ids=["200 levels", "brackets in a text", "wide, not deep", "odd and with brackets in a text"],
)
def test_depth_is_of_brackets_that_are_open_at_once(data: bytes, expected: int) -> None:
    assert depth(values.load(data)) == expected


def depth(value: Any) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0
