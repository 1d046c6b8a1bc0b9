"""A query stopped at its own limit says which, and leaves nothing behind for the next one."""

from __future__ import annotations

import pytest

from netra import clickhouse
from netra.clickhouse import LimitReached

LONG = "SELECT number, toString(number) FROM numbers(3000000)"


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"max_rows_to_read": 10}, "rows"),
        ({"max_memory_usage": 1000}, "memory"),
        ({"max_result_rows": 70_000, "result_overflow_mode": "throw"}, "result"),
    ],
)
def test_the_limit_is_named(event_schema: None, settings: dict[str, int], limit: str) -> None:
    with pytest.raises(LimitReached) as stopped:
        clickhouse.rows(LONG, settings=settings)
    assert stopped.value.limit == limit


def test_what_a_stopped_query_had_written_is_not_given_to_the_next(event_schema: None) -> None:
    with pytest.raises(LimitReached):
        clickhouse.rows(LONG, settings={"max_result_rows": 70_000, "result_overflow_mode": "throw"})
    assert clickhouse.rows("SELECT 42 AS answer") == [{"answer": 42}]
