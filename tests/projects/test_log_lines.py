"""Rows that wait as lines: what comes back is what was put in, to the last digit and character."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.tokens import Tokens
from projects import log_lines
from projects.log_rows import Row, row, table
from projects.workloads import WorkloadEvent
from tests import factories

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
money = st.none() | st.decimals(0, 999_999, places=12)
counts = st.none() | st.integers(-(2**53), 2**53)
times = st.timedeltas(timedelta(0), timedelta(days=4_000)).map(lambda before: NOW - before)


class NoPrices:
    def rates(self, *_: Any) -> None:
        return None


def made(event: WorkloadEvent) -> Row:
    return row(7, event, NoPrices(), now=NOW, keeps_told=True)


def back(*rows: Row) -> pa.Table:
    return log_lines.read(b"\n".join(map(log_lines.dumps, rows)))


@settings(deadline=None)
@given(
    said=texts,
    cost=money,
    tokens=st.builds(Tokens, input_fresh=counts, output_visible=counts),
    at=times,
    duration=st.none() | st.floats(0, 2**53),
)
def test_lines_give_the_table_that_the_rows_would(
    said: str, cost: Decimal | None, tokens: Tokens, at: datetime, duration: float | None
) -> None:
    told = factories.event(
        "r", request=factories.chat_request(said), cost_recorded_usd=cost, tokens=tokens, started_at=at
    )
    rows = [made(told), made(factories.event("s", duration_ms=duration, metadata={said: said}, tags=(said,)))]
    whole = table(7, rows, [1, 1])
    assert back(*rows).equals(whole.select(log_lines.SCHEMA.names).combine_chunks())


@settings(deadline=None)
@given(said=texts, cost=money)
def test_the_event_of_a_line_is_the_same_record(said: str, cost: Decimal | None) -> None:
    told = made(factories.event("r", response=factories.chat_response(said), cost_recorded_usd=cost, user_id=said))
    (event,) = log_lines.events(back(told), [0])
    again = made(event)
    assert (again.event_id, again.content_hash) == (told.event_id, told.content_hash)


def test_a_line_put_together_is_the_line_written_whole() -> None:
    event = factories.event("r", cost_recorded_usd=Decimal("1E-12"), tags=("a",), flags=frozenset({"batch"}))
    together, whole = made(event), row(7, event, NoPrices(), now=NOW)
    assert together.told and not whole.told
    assert back(together).equals(back(whole))


def test_a_row_with_more_flags_than_were_told_is_written_whole() -> None:
    assert not made(factories.event("r", request=None)).told
    assert back(made(factories.event("r", request=None)))["flags"][0].as_py() == ["not_replayable"]


def test_another_time_zone_is_the_same_moment() -> None:
    at = datetime(2026, 10, 1, 8, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert back(made(factories.event("r", started_at=at)))["started_at"][0].as_py() == at


def test_no_lines_are_an_empty_table() -> None:
    assert log_lines.read(b"").schema == log_lines.SCHEMA


def test_a_long_row_is_read_whole() -> None:
    told = made(factories.event("r", request=factories.chat_request("word " * 1_000_000)))
    assert len(back(made(factories.event("s")), told)["request"][1].as_py()) > 5_000_000


@pytest.mark.parametrize("change", [{"from_the_future": [1, {"a": 2}]}, {"finish_reason": ...}])
def test_a_line_of_another_release_is_read(change: dict[str, Any]) -> None:
    line = orjson.loads(log_lines.dumps(made(factories.event("r")))) | change
    told = {name: value for name, value in line.items() if value is not ...}
    read = log_lines.read(orjson.dumps(told))
    assert read.schema == log_lines.SCHEMA and read["event_id"][0].as_py() == line["event_id"]
