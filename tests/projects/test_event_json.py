"""An event as a line of JSON: exactly the same event comes back, whatever it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.tokens import BUCKETS, Tokens
from projects import event_json, log
from projects.models import Project
from projects.workloads import Outcome, Purpose, WorkloadEvent
from tests import factories

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
maybe = st.none() | texts
numbers = st.none() | st.floats(0, 1e12, allow_nan=False)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.none() | st.timedeltas(timedelta(0), timedelta(days=80_000)).map(lambda after: EPOCH + after)
money = st.none() | st.decimals(0, 999_999, places=12)
shapes = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.none() | st.dictionaries(texts, shapes, max_size=3)
calls = st.builds(
    WorkloadEvent,
    source=texts,
    source_record_id=texts,
    started_at=moments,
    first_token_at=moments,
    ended_at=moments,
    purpose=st.sampled_from(Purpose),
    outcome=st.sampled_from(Outcome),
    user_id=maybe,
    duration_ms=numbers,
    request=objects,
    response=objects,
    metadata=st.dictionaries(texts, shapes, max_size=3),
    usage_raw=objects,
    tokens=st.builds(Tokens, **dict.fromkeys(BUCKETS, st.none() | st.integers(-(2**53), 2**53))),
    cost_recorded_usd=money,
    tags=st.lists(texts, max_size=3).map(tuple),
    flags=st.frozensets(texts, max_size=3),
    is_refusal=st.none() | st.booleans(),
    copy_of=maybe,
)


@settings(deadline=None)
@given(calls)
def test_what_was_written_is_read(event: WorkloadEvent) -> None:
    assert event_json.loads(event_json.dumps(event)) == event


@settings(deadline=None)
@given(calls)
def test_it_is_one_line(event: WorkloadEvent) -> None:
    assert b"\n" not in event_json.dumps(event)


def test_money_keeps_its_last_digit() -> None:
    given_ = factories.event(cost_recorded_usd=Decimal("123456.000000000001"))
    assert event_json.loads(event_json.dumps(given_)).cost_recorded_usd == Decimal("123456.000000000001")


def test_another_zone_is_the_same_moment() -> None:
    at = datetime(2026, 11, 2, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert event_json.loads(event_json.dumps(factories.event(started_at=at))).started_at == factories.NOON


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"started_at": None},
        {"request": None, "response": None},
        {"tags": ("a", "b"), "flags": frozenset({"retried"}), "metadata": {"n": 1}},
        {"cost_recorded_usd": Decimal("0.000000000001"), "usage_raw": {"total": 3}},
    ],
)
def test_a_stored_row_gives_its_event_back(project: Project, events: None, fields: dict[str, Any]) -> None:
    given_ = factories.event("r", **fields)
    found = log.event(project.pk, log.write(project.pk, [given_]).ids[0])
    assert event_json.from_row(found) == given_
