"""The door to the event store, against the real embedded engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from netra import clickhouse
from netra.errors import Unavailable


@pytest.fixture
def table() -> Iterator[str]:
    clickhouse.command(
        "CREATE TABLE door_test (id UInt64, text Nullable(String), at DateTime64(6, 'UTC'), "
        "cost Nullable(Decimal(18, 12))) ENGINE = MergeTree ORDER BY id"
    )
    yield "door_test"
    clickhouse.command("DROP TABLE door_test")


def _rows(*texts: str | None) -> pa.Table:
    at = [datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=UTC)] * len(texts)
    return pa.table(
        {
            "id": pa.array(range(len(texts)), pa.uint64()),
            "text": pa.array(texts, pa.string()),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "cost": pa.array([Decimal("0.000000150000")] * len(texts), pa.decimal128(18, 12)),
        }
    )


def test_rows_come_back_typed_exact_and_aware(table: str) -> None:
    clickhouse.insert(table, _rows("a", None))
    first, second = clickhouse.rows("SELECT * FROM door_test ORDER BY id")
    assert first["at"] == datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=UTC)
    assert first["at"].tzinfo is not None
    assert first["cost"] == Decimal("0.00000015")
    assert second["text"] is None


def test_parameters_are_data_never_sql(table: str) -> None:
    hostile = "x'); DROP TABLE door_test; -- \\ \n\t {id:UInt64} \u0000 ünï"
    clickhouse.insert(table, _rows(hostile, "b"))
    found = clickhouse.rows("SELECT id FROM door_test WHERE text = {text:String}", {"text": hostile})
    assert [row["id"] for row in found] == [0]
    assert clickhouse.scalar("SELECT count() FROM door_test") == 2


def test_scalar_without_rows_is_none(table: str) -> None:
    assert clickhouse.scalar("SELECT id FROM door_test") is None


def test_empty_insert_does_nothing(table: str) -> None:
    clickhouse.insert(table, _rows())
    assert clickhouse.scalar("SELECT count() FROM door_test") == 0


def test_refusal_is_one_short_sentence() -> None:
    with pytest.raises(Unavailable) as caught:
        clickhouse.rows("SELECT nonsense_column, '" + "secret prompt " * 100 + "' FROM nowhere")
    assert caught.value.retry
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_threads_may_share_the_store(table: str) -> None:
    clickhouse.insert(table, _rows(*[str(number) for number in range(100)]))
    seen: list[int] = []

    def read() -> None:
        seen.extend(clickhouse.scalar("SELECT count() FROM door_test") for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [100] * 30


def test_schema_files_are_applied_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "0002_fill.sql").write_text(
        "INSERT INTO ledger_test VALUES (1);\nINSERT INTO ledger_test VALUES (2);\n"
    )
    (tmp_path / "0001_make.sql").write_text("CREATE TABLE ledger_test (n UInt8) ENGINE = MergeTree ORDER BY n;\n")
    assert clickhouse.apply_schema(tmp_path) == ["0001_make", "0002_fill"]
    assert clickhouse.apply_schema(tmp_path) == []
    assert clickhouse.scalar("SELECT count() FROM ledger_test") == 2
    clickhouse.command("DROP TABLE ledger_test")
