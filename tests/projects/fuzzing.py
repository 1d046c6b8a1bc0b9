"""Spoilt records and files for every importer, taken as far as the rows that would be written.

`benchmarks/fuzz_importers.py` does it for as long as one likes.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from netra.prices import DatedRates, Rates
from projects import event_json, log_rows, privacy
from projects.ingest import formats, openai, parsing, reader
from projects.ingest.verdicts import FileRefused, Rejected, Skipped
from projects.workloads import WorkloadEvent
from tests.projects import damaged
from tests.projects.test_usage_of_every_shape import NAMES, SHAPES

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Records = Mapping[str, list[dict[str, Any]]]
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**30, -(10**30), 2**53, 2**63, 1e308, -0.0, 0.5, float("nan"), float("inf")),
    *("", " ", "null", "{}", "[]", "\x00", "\ud800", "ü", "𝄞", "0", "-5", "1e400", "NaN", "true", "x" * 5000),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-02T12:00:00", "1793700000", "yesterday"),
    *('{"a": [', "data: {", "data: [DONE]\n\n", "event: x\ndata: {}\n\n", "@@@langfuseMedia:type=x|id=1@@@"),
    *("__REDACTED__", "redacted-by-litellm", "...truncated by litellm", "data:image/png;base64,AA", "a" * 600),
    *([], {}, [[]], [{}], {"": ""}, [None], {"data": []}, {"role": "user"}, [{"role": "user", "content": []}]),
    *({"choices": [{}]}, {"choices": [None]}, {"choices": [{"message": None}]}, {"choices": [{"message": {}}]}),
    *([{"choices": [{"delta": {"content": 1}}]}], {"error": "x"}, {"error": {"message": None}}, {"usage": []}),
    *({"stringValue": 1}, {"intValue": "x"}, {"arrayValue": None}, {"kvlistValue": {"values": [None]}}),
]


def spoilt(record: Any, dice: random.Random, others: list[dict[str, Any]]) -> Any:
    """The record with a few values, anywhere in it, changed."""
    found = copy.deepcopy(record)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        _spoil(found, dice, others)
    return found


def _spoil(found: Any, dice: random.Random, others: list[dict[str, Any]]) -> None:
    spot = found
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            return
        key = dice.choice(keys)
        inner = spot[key]
        if not isinstance(inner, (dict, list)) or not inner or dice.random() < 0.15:
            dice.choice(_CHANGES)(spot, key, dice, others)
            return
        spot = inner


def _replace(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    spot[key] = copy.deepcopy(dice.choice(ODD))


def _remove(spot: Any, key: Any, _dice: random.Random, _others: list[dict[str, Any]]) -> None:
    del spot[key]


def _rename(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    if isinstance(spot, dict):
        spot[dice.choice((f"{key}.0", str(key).upper(), "", "id", "messages", "content", "type"))] = spot.pop(key)


def _wrap(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    value = spot[key]
    spot[key] = dice.choice(([value], {"value": value}, [value, value], {"content": value}))


def _as_text(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    text = json.dumps(spot[key])
    spot[key] = text[: dice.randrange(len(text) + 1)] if dice.random() < 0.5 else text


def _number(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    spot[key] = dice.choice(
        (dice.randrange(-3, 4), dice.uniform(-1e6, 1e6), dice.randrange(10 ** dice.randrange(1, 25)))
    )


def _splice(spot: Any, key: Any, dice: random.Random, others: list[dict[str, Any]]) -> None:
    """A value of another record, of any format."""
    other = dice.choice(others)
    spot[key] = copy.deepcopy(other[dice.choice(list(other))] if other else None)


def _cut(spot: Any, key: Any, dice: random.Random, _others: list[dict[str, Any]]) -> None:
    if isinstance(spot[key], str):
        spot[key] = spot[key][: dice.randrange(len(spot[key]) + 1)]


_CHANGES = (_replace, _replace, _replace, _remove, _rename, _wrap, _as_text, _number, _splice, _cut)


def data_of(record: Any, dice: random.Random) -> bytes:
    """One line; now and then with bytes changed."""
    data = bytearray(json.dumps(record, ensure_ascii=dice.random() < 0.9).encode("utf-8", "surrogatepass"))
    if dice.random() < 0.1:
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def take(format_name: str, data: bytes) -> Counter[str]:
    """A line through its importer and on to the rows; what became of it, by verdict. Raises what nobody expected."""
    told: Counter[str] = Counter()
    for found in parsing.line(formats.named(format_name), data, NOW):
        if isinstance(found, (Rejected, Skipped)):
            told["unexpected shape" if "unexpected shape" in str(found) else found.code] += 1
        else:
            _keep(found)
            told["taken"] += 1
    return told


def _keep(event: WorkloadEvent) -> None:
    for door in (privacy.Door(1), privacy.Door(1, is_private=True)):
        let_in = door.let_in(event)
        row = log_rows.row(1, let_in, OnePrice(), now=NOW)
        log_rows.table(1, [row], [1])
        assert event_json.loads(event_json.dumps(let_in)) == let_in or event_json.dumps(let_in)
    assert all(len(told) <= 512 for told in (event.source_record_id, event.provider_response_id or ""))


class OnePrice:
    """A price book in which every model costs the same."""

    def rates(self, provider: str | None, model: str, at: datetime) -> DatedRates | None:
        price = Decimal("0.000001")
        same = Rates(input=price, output=price, cache_read=price, cache_write_5m=price, audio_in=price)
        return DatedRates(same, "a test", f"{provider}/{model}", at)


def read_file(path: Path) -> None:
    """A whole file, of any bytes: every line of it in the format it seems to be, or refused in words."""
    try:
        records = reader.peek(path)
        chosen = formats.named(formats.detect(records) if records else openai.NAME)
        for line in reader.Reader(path):
            list(parsing.line(chosen, line.data, NOW))
    except FileRefused as refused:
        assert str(refused)


def file_of(dice: random.Random, lines: list[bytes]) -> bytes:
    """Some lines, cut, packed, quoted or shuffled."""
    data = dice.choice((b"\n", b"\r\n", b"\n\n", b"", b",\n")).join(lines)
    data = dice.choice((data, b"[" + data + b"]", b"\xef\xbb\xbf" + data, data + dice.randbytes(9), dice.randbytes(99)))
    if dice.random() < 0.3:
        data = gzip.compress(data, 1)
    if dice.random() < 0.4:
        data = data[: dice.randrange(len(data) + 1)]
    return data


def written(folder: Path, n: int = 60) -> Records:
    """The first records of each format in a folder of logs."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in formats.FORMATS}
    for path in sorted((*folder.glob("*.jsonl"), *folder.glob("*.json"))):
        try:
            records = reader.peek(path, n)
            found[formats.detect(records)] += records
        except FileRefused:
            continue
    return found


def forever(
    records: Records, seconds: float, seed: int, at_most: float = float("inf")
) -> tuple[int, Counter[str], list[str]]:
    """Spoil and take until the time is over: how many, their verdicts, and tracebacks."""
    others = [each for some in records.values() for each in some]
    told: Counter[str] = Counter()
    failures: list[str] = []
    n, end = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz"
        while n < at_most and time.monotonic() < end and len(failures) < 20:
            n += 1
            dice = random.Random(f"{seed} {n}")
            try:
                told += one(records, others, dice, path)
            except Exception:
                failures.append(f"seed {seed}, number {n}\n{traceback.format_exc()}")
    return n, told, failures


def one(records: Records, others: list[dict[str, Any]], dice: random.Random, path: Path) -> Counter[str]:
    """One spoilt record, given to its own importer or another; every thirtieth time a whole file."""
    home = dice.choice([name for name, some in records.items() if some])
    lines = [data_of(spoilt(dice.choice(records[home]), dice, others), dice)]
    if dice.random() < 1 / 30:
        lines += [data_of(dice.choice(records[home]), dice) for _ in range(dice.randrange(4))]
        path.write_bytes(file_of(dice, lines))
        read_file(path)
        return Counter({"files": 1})
    name = home if dice.random() < 0.8 else dice.choice(list(records))
    return Counter({f"{name}: {what}": n for what, n in take(name, lines[0]).items()})


def samples() -> Records:
    """A record of each format, where no folder of real ones is given."""
    found: dict[str, list[dict[str, Any]]] = {"openai": damaged.openai_rows(), "netra": damaged.netra_rows()}
    counted: dict[str, int | None] = dict.fromkeys(NAMES, 3)
    for name, make in SHAPES.values():
        found.setdefault(name, []).append(make(counted))
    found["openai_batch"] = list(_batch_lines(damaged.openai_rows()))
    return found


def _batch_lines(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows):
        yield {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": row["request"]}
        reply = {"status_code": 200, "request_id": f"rq-{number}", "body": row["response"]}
        yield {"id": f"batch-{number}", "custom_id": f"row-{number}", "response": reply, "error": None}
