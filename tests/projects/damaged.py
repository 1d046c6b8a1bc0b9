"""Damaged files of any format: three good rows with the second spoilt, and what a right import makes of each."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests import factories

Edit = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Damage:
    """`left`: events after a fresh import; `code`: the rejection or flag it must carry; `state`: of the import."""

    name: str
    content: bytes
    left: int
    rejected: str | None = None
    flagged: str | None = None
    state: str = "done"
    suffix: str = ".jsonl"

    def __str__(self) -> str:
        return self.name


def openai_rows() -> list[dict[str, Any]]:
    return [
        {
            "request": factories.chat_request(f"Question {n}?"),
            "response": factories.chat_response(f"Answer {n}", id=f"chatcmpl-{n}"),
        }
        for n in range(3)
    ]


def netra_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"call-{n}",
            "started_at": f"2026-11-02T12:00:0{n}.000000Z",
            "provider": "openai",
            "requested_model": "gpt-4o-mini",
            "request": factories.chat_request(f"Question {n}?"),
            "response": factories.chat_response(f"Answer {n}", id=f"chatcmpl-{n}"),
            "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
            "cost_usd": "0.001",
            "duration_ms": 812.5,
            "http_status": 200,
            "outcome": "ok",
        }
        for n in range(3)
    ]


def lines(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row, ensure_ascii=False).encode() for row in rows]


def broken_text(rows: list[dict[str, Any]]) -> Iterator[Damage]:
    """Kinds of damage that are the same in any format."""
    one, two, three = lines(rows)

    def second(name: str, data: bytes, code: str) -> Damage:
        return Damage(name, b"\n".join((one, data, three)) + b"\n", 2, rejected=code)

    yield second("truncated line", two[: len(two) // 2], "invalid_json")
    yield Damage("truncated last line", b"\n".join((one, two, three[:-40])), 2, rejected="invalid_json")
    yield second("log message", b"ERROR: disk full", "invalid_json")
    yield second("Python dict", b"{'id': 'x'}", "invalid_json")
    yield second("a list", b'["id", "x"]', "not_an_object")
    yield second("null", b"null", "not_an_object")
    yield second("two objects", two + two, "invalid_json")
    yield second("deep nesting", b'{"id":"deep","request":' + b"[" * 2000 + b"]" * 2000 + b"}", "nested_too_deeply")
    yield second("NUL bytes", b"\0" * 64, "invalid_json")
    yield second("huge integer", two[:-1] + b',"was":1' + b"0" * 5000 + b"}", "number_out_of_range")
    yield second("Latin-1", two.replace(b"Question", "Fräge".encode("latin-1")), "not_utf8")


def whole_files(rows: list[dict[str, Any]]) -> Iterator[Damage]:
    one, two, three = lines(rows)
    good = b"\n".join((one, two, three)) + b"\n"
    packed = gzip.compress(good, mtime=0)
    yield Damage("empty", b"", 0)
    yield Damage("only newlines", b"\n\n\n", 0)
    yield Damage("HTML page", b"<!DOCTYPE html><html><h1>502 Bad Gateway</h1></html>\n", 0, state="refused")
    yield Damage("binary", bytes((n * 73 + 11) % 256 for n in range(4096)), 0, state="refused")
    yield Damage("API error", b'{"error":{"message":"Unauthorized","type":"auth"}}\n', 0, state="refused")
    yield Damage("UTF-16", good.decode().encode("utf-16"), 0, state="refused")
    yield Damage("gzip", packed, 3, suffix=".jsonl.gz")
    yield Damage("two gzip members", packed + gzip.compress(b""), 3, suffix=".jsonl.gz")
    yield Damage("gzip with trailing junk", packed + b"JUNK" * 50, 3, flagged="trailing_data", suffix=".jsonl.gz")
    yield Damage("cut gzip", packed[: len(packed) // 2], 0, state="refused", suffix=".jsonl.gz")
    yield Damage("plain named gz", good, 3, suffix=".jsonl.gz")
    yield Damage("blank lines", good.replace(b"\n", b"\n\n"), 3)
    yield Damage("Windows line ends", good.replace(b"\n", b"\r\n"), 3)
    yield Damage("no final newline", good.rstrip(), 3)
    yield Damage("byte order mark", b"\xef\xbb\xbf" + good, 3)
    yield Damage("JSON array", b"[" + b",\n".join((one, two, three)) + b"]\n", 3)
    yield Damage("cut JSON array", b"[" + b",\n".join((one, two, three[:-40])), 2, rejected="invalid_json")
    yield Damage("one line of 2 MB", good.replace(b"Question 1?", b"x" * 2_000_000), 3)


def edited(rows: list[dict[str, Any]], name: str, edit: Edit, left: int = 3, **verdict: Any) -> Damage:
    """The second row changed by `edit`."""
    changed = copy.deepcopy(rows)
    replaced = edit(changed[1])
    changed[1] = changed[1] if replaced is None else replaced
    return Damage(name, b"".join(json.dumps(row).encode() + b"\n" for row in changed), left, **verdict)


def repeats(rows: list[dict[str, Any]], change: Edit) -> Iterator[Damage]:
    one, two, three = lines(rows)
    later = copy.deepcopy(rows[1])
    change(later)
    yield Damage("the same line again", b"\n".join((one, two, two, three)), 3)
    yield Damage("a changed record", b"\n".join((one, two, json.dumps(later).encode())), 2)


def _set(**fields: Any) -> Edit:
    return lambda row: row.update(fields)


def _drop(name: str) -> Edit:
    return lambda row: {key: value for key, value in row.items() if key != name}


def netra_values() -> Iterator[Damage]:
    rows = netra_rows()
    refused = [
        ("negative tokens", _set(tokens={"input_fresh": -5}), "negative_token_count"),
        ("tokens as words", _set(tokens={"input_fresh": "many"}), "not_a_number"),
        ("fractional tokens", _set(tokens={"output_visible": 10.5}), "not_an_integer"),
        ("huge tokens", _set(tokens={"input_fresh": 10**30}), "number_out_of_range"),
        ("negative usage", _set(usage={"prompt_tokens": -5}), "negative_token_count"),
        ("negative cost", _set(cost_usd=-0.4), "negative_cost"),
        ("NaN cost", _set(cost_usd=float("nan")), "not_finite"),
        ("infinite latency", _set(duration_ms=float("inf")), "not_finite"),
        ("negative latency", _set(duration_ms=-1), "negative_duration"),
        ("status is a list", _set(http_status=[200]), "wrong_type"),
        ("metadata is text", _set(metadata="x"), "wrong_type"),
        ("future", _set(started_at="2199-01-01T00:00:00Z"), "timestamp_in_future"),
        ("no date", _set(started_at="yesterday"), "invalid_timestamp"),
        ("30 February", _set(started_at="2026-02-30T10:00:00Z"), "invalid_timestamp"),
        ("null date", _set(started_at=None), "missing_timestamp"),
        ("missing id", _drop("id"), "missing_id"),
        ("empty id", _set(id=""), "missing_id"),
        ("empty object", lambda _row: {}, "missing_id"),
        ("long id", _set(id="x" * 10_000), "id_too_long"),
    ]
    yield from (edited(rows, name, edit, 2, rejected=code) for name, edit, code in refused)
    taken = [
        ("tokens as text", _set(tokens={"input_fresh": "12", "output_visible": "3"}), None),
        ("epoch seconds", _set(started_at=1793700000), None),
        ("epoch milliseconds", _set(started_at=1793700000123), None),
        ("with a zone", _set(started_at="2026-11-02T11:14:03.120+02:00"), None),
        ("a clock never set", _set(started_at="1970-01-01T00:00:00Z"), "implausible_time"),
        ("ends before it starts", _set(ended_at="2020-01-01T00:00:00Z"), "clock_mismatch"),
        ("euros", _set(cost_currency="EUR"), "cost_currency_unknown"),
        ("free but used", _set(cost_usd=0), "cost_unknown"),
        ("numeric id", _set(id=12345), None),
        ("messages is text", _set(request={"model": "m", "messages": "hello"}), "not_replayable"),
        ("no bodies", _set(request=None, response=None), "no_body"),
        ("cut body", _set(request='{"model": "m", "messages": [{"role"'), "truncated_request"),
        ("unknown fields", _set(brand_new={"a": [1]}), None),
        ("script in metadata", _set(metadata={"note": "<script>alert(1)</script>"}), None),
        ("SQL in the id", _set(id="x'); DROP TABLE calls;--"), None),
        ("lone surrogate", _set(metadata={"x": "a\ud800b"}), "text_repaired"),
        ("escaped NUL", _set(metadata={"x": "a\u0000b"}), "text_repaired"),
        ("mixed usage", _set(usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 99}), "usage_mismatch"),
    ]
    yield from (edited(rows, name, edit, flagged=flag) for name, edit, flag in taken)
    yield from repeats(rows, _set(cost_usd="99.5", duration_ms=4321))


def openai_values() -> Iterator[Damage]:
    rows = openai_rows()

    def response(**fields: Any) -> Edit:
        return lambda row: row["response"].update(fields)

    refused = [
        ("negative tokens", response(usage={"prompt_tokens": -5}), "negative_token_count"),
        ("tokens as words", response(usage={"prompt_tokens": "many"}), "not_a_number"),
        ("fractional tokens", response(usage={"completion_tokens": 10.5}), "not_an_integer"),
        ("huge tokens", response(usage={"prompt_tokens": 10**30}), "number_out_of_range"),
        ("infinite tokens", response(usage={"prompt_tokens": float("inf")}), "not_finite"),
        ("future", response(created=7226582400), "timestamp_in_future"),
        ("no date", response(created="yesterday"), "invalid_timestamp"),
        ("response is text", _set(response="done"), "wrong_type"),
        ("request is a number", _set(request=7), "wrong_type"),
        ("nothing at all", lambda _row: {}, "unknown_format"),
        ("long id", response(id="x" * 10_000), "id_too_long"),
    ]
    yield from (edited(rows, name, edit, 2, rejected=code) for name, edit, code in refused)
    taken = [
        ("tokens as text", response(usage={"prompt_tokens": "12", "completion_tokens": "3"}), None),
        ("created in milliseconds", response(created=1793700000123), None),
        ("no usage", response(usage=None), "no_usage"),
        ("no request", _drop("request"), "not_replayable"),
        ("two choices", lambda row: row["response"].update(choices=row["response"]["choices"] * 2), "multiple_choices"),
        ("an error", _set(response={"error": {"message": "slow down", "code": "rate_limit"}}), "no_time"),
        ("no response", _set(response=None), "no_time"),
        ("lone surrogate", response(note="a\ud800b"), "text_repaired"),
        ("unknown fields", _set(brand_new={"a": [1]}), None),
    ]
    yield from (edited(rows, name, edit, flagged=flag) for name, edit, flag in taken)
    yield from repeats(rows, response(system_fingerprint="another"))


CASES = [
    *(("openai", case) for make in (broken_text, whole_files) for case in make(openai_rows())),
    *(("openai", case) for case in openai_values()),
    *(("netra", case) for make in (broken_text, whole_files) for case in make(netra_rows())),
    *(("netra", case) for case in netra_values()),
]
