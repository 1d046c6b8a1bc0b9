"""One call in many logs: which records are one event, what it then knows, and that no kill counts it twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest

from netra import clickhouse
from netra.tokens import Tokens
from projects import log
from projects.log import EventFilter
from projects.merging import merged
from projects.models import Project
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
MS = timedelta(milliseconds=1)


def told(source: str, record_id: str = "1", **fields: Any) -> WorkloadEvent:
    """A record without any tie: no ids, no prompt of its own."""
    bare = {"request": None, "response": None, "provider_response_id": None, "session_id": None, "user_id": None}
    return factories.event(record_id, **{**bare, "source": source, **fields})


def asking(text: str) -> dict[str, Any]:
    return {"request": factories.chat_request(text)}


def write(project: Project, *events: WorkloadEvent) -> list[dict[str, Any]]:
    """Each record by itself, as if imported one after the other; the current events."""
    for each in events:
        log.write(project.pk, [each])
    return current(project)


def current(project: Project) -> list[dict[str, Any]]:
    return sorted(log.export(project.pk, EventFilter()), key=lambda event: str(event["started_at"]))


TIED = {
    "response id": ({"provider_response_id": "c-1"}, {"provider_response_id": "c-1", "started_at": None}),
    "trace and span": (
        {"trace_id": TRACE, "span_id": SPAN},
        {"trace_id": TRACE, "span_id": SPAN, "started_at": factories.NOON + timedelta(hours=1)},
    ),
    "name": ({"call_id": "row-1"}, {"call_id": "row-1", "started_at": None}),
    "trace": ({"trace_id": TRACE}, {"trace_id": TRACE, "started_at": factories.NOON + 900 * MS}),
    "session": ({"session_id": "s"}, {"session_id": "s", "started_at": factories.NOON - 1_900 * MS}),
    "prompt": (asking("Hi?"), {**asking("Hi?"), "started_at": factories.NOON + 40 * MS}),
    "person, without a prompt": ({"user_id": "u", **asking("Hi?")}, {"user_id": "u"}),
    "counts, without a prompt": (asking("Hi?"), {"started_at": factories.NOON + 30 * MS}),
}
APART = {
    "nothing shared": (asking("Hi?"), {"tokens": Tokens(input_fresh=9, output_visible=9)}),
    "other answers": ({"trace_id": TRACE}, {"trace_id": TRACE, "tokens": Tokens(input_fresh=12, output_visible=9)}),
    "other prompts": ({"trace_id": TRACE, **asking("Hi?")}, {"trace_id": TRACE, **asking("Ho?")}),
    "other models": ({"session_id": "s"}, {"session_id": "s", "requested_model": "other"}),
    "one failed": ({"trace_id": TRACE}, {"trace_id": TRACE, "outcome": Outcome.PROVIDER_ERROR}),
    "too far apart": ({"trace_id": TRACE}, {"trace_id": TRACE, "started_at": factories.NOON + timedelta(seconds=3)}),
    "another person": ({"user_id": "u", **asking("Hi?")}, {"user_id": "v"}),
    "out of a cache": (
        {"provider_response_id": "c-1", **asking("Hi?")},
        {"provider_response_id": "c-1", "flags": frozenset({"response_cache_hit"})},
    ),
    "a name used again": ({"call_id": "row-1", **asking("Hi?")}, {"call_id": "row-1", **asking("Ho?")}),
}


@pytest.mark.parametrize("tie", TIED)
@pytest.mark.parametrize("is_turned", [False, True], ids=["", "turned"])
def test_two_products_told_of_one_call(project: Project, tie: str, is_turned: bool) -> None:
    one, other = (told(source, **fields) for source, fields in zip(("portkey", "otel"), TIED[tie], strict=True))
    (event,) = write(project, *((other, one) if is_turned else (one, other)))
    assert set(event["sources"]) == {"portkey", "otel"}


@pytest.mark.parametrize("difference", APART)
def test_what_is_known_to_differ_stays_apart(project: Project, difference: str) -> None:
    one, other = APART[difference]
    assert len(write(project, told("portkey", **one), told("otel", **other))) == 2


def test_two_records_of_one_product_are_two_calls(project: Project) -> None:
    same = {"trace_id": TRACE, "session_id": "s", **asking("Hi?")}
    assert len(write(project, told("portkey", "1", **same), told("portkey", "2", **same))) == 2


def test_a_cut_prompt_contradicts_nothing(project: Project) -> None:
    cut = told("litellm_spendlogs", trace_id=TRACE, **asking("Hi … ho?"), flags=frozenset({"truncated_request"}))
    (event,) = write(project, cut, told("otel", trace_id=TRACE, **asking("Hi and ho?")))
    assert event["flags"] == [] and event["request"] == factories.chat_request("Hi and ho?")


def test_of_several_calls_of_a_trace_the_likest_is_taken(project: Project) -> None:
    """Two calls of one trace at one moment, as agents make them."""
    gateway = [told("portkey", str(n), trace_id=TRACE, **asking(f"Part {n}?")) for n in range(2)]
    tracer = [told("otel", str(n), trace_id=TRACE, span_id=f"{n:016x}", **asking(f"Part {n}?")) for n in range(2)]
    found = write(project, *gateway, *reversed(tracer))
    assert len(found) == 2
    assert all(event["span_id"][-1] == event["request"]["messages"][0]["content"][5] for event in found)


# The batch knows the response id, the gateway the trace, and the tracer both: only the third shows that they are one.
CHAIN = (
    told("openai_batch", provider_response_id="c-1", started_at=None),
    told("portkey", trace_id=TRACE),
    told("otel", provider_response_id="c-1", trace_id=TRACE, span_id=SPAN, **asking("Hi?")),
)


@pytest.mark.parametrize("order", list(permutations(CHAIN)), ids=lambda order: " ".join(each.source for each in order))
@pytest.mark.parametrize("is_one_batch", [False, True], ids=["apart", "together"])
def test_a_record_may_show_that_two_events_are_one(
    project: Project, order: tuple[WorkloadEvent, ...], is_one_batch: bool
) -> None:
    log.write(project.pk, order) if is_one_batch else write(project, *order)
    (event,) = current(project)
    assert set(event["sources"]) == {"openai_batch", "portkey", "otel"}
    assert len(log.records(project.pk, event["event_id"])) == 3


@pytest.mark.parametrize("order", list(permutations(CHAIN)), ids=lambda order: " ".join(each.source for each in order))
def test_what_went_into_another_event_is_known_when_it_comes_again(
    project: Project, order: tuple[WorkloadEvent, ...]
) -> None:
    (before,) = write(project, *order)
    for each in order:
        assert log.write(project.pk, [each]).duplicate == 1
    (after,) = current(project)
    assert (after["event_id"], after["version"]) == (before["event_id"], before["version"])


def test_a_changed_record_changes_its_part_of_the_event(project: Project) -> None:
    write(project, *CHAIN)
    report = log.write(project.pk, [replace(CHAIN[1], duration_ms=4321.0)])
    (event,) = current(project)
    assert (report.versioned, event["duration_ms"], len(event["sources"])) == (1, 4321.0, 3)


def test_the_first_product_again_leaves_the_merged_event_as_it_is(project: Project) -> None:
    one, other = told("portkey", trace_id=TRACE), told("helicone", trace_id=TRACE, session_id="s")
    write(project, one, other)
    assert log.write(project.pk, [one]).duplicate == 1
    (event,) = current(project)
    assert (set(event["sources"]), event["session_id"]) == ({"portkey", "helicone"}, "s")


def test_the_report_says_merged_of_what_was_taken_first(project: Project) -> None:
    report = log.write(project.pk, CHAIN)
    assert (report.taken, report.merged, len(set(report.ids))) == (1, 2, 1)


class Killed(Exception):
    pass


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Dies at the n-th insert from now on, before it is made."""
    insert, left = clickhouse.insert, [10**9]

    def dying(table: str, data: pa.Table) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        insert(table, data)

    monkeypatch.setattr(clickhouse, "insert", dying)
    return lambda n: left.__setitem__(0, n)


@pytest.mark.parametrize("n_inserts", range(3))
@pytest.mark.parametrize("order", [CHAIN, CHAIN[::-1]], ids=["joins two", "in turn"])
def test_a_kill_between_two_writes_is_mended_by_the_next_go(
    project: Project, killed_at: Callable[[int], None], order: tuple[WorkloadEvent, ...], n_inserts: int
) -> None:
    write(project, *order[:2])
    killed_at(n_inserts)
    with pytest.raises(Killed):
        log.write(project.pk, [order[2]])
    assert log.count(project.pk, EventFilter()) <= 2
    killed_at(10**9)
    write(project, *order)
    (event,) = current(project)
    assert len(event["sources"]) == 3


def test_a_kill_never_shows_a_call_twice(project: Project, killed_at: Callable[[int], None]) -> None:
    write(project, CHAIN[0])
    for n_inserts in range(3):
        killed_at(n_inserts)
        with pytest.raises(Killed):
            log.write(project.pk, [told("otel", provider_response_id="c-1")])
        assert log.count(project.pk, EventFilter()) <= 1


def test_in_whatever_order_the_event_is_the_same() -> None:
    records = (
        told("portkey", trace_id="gateway", duration_ms=12.0, time_precision="ms", metadata={"a": 1}, tags=("x",)),
        told("otel", trace_id=TRACE, user_id="u", started_at=factories.NOON + MS, metadata={"a": 2, "b": 3}),
        told("openai", usage_origin=UsageOrigin.PROVIDER, tokens=Tokens(1, 2, None, None, 3), time_precision="s"),
    )
    made = [merged(order) for order in permutations(records)]
    same = [replace(each, source="", source_record_id="") for each in made]
    assert all(each == same[0] for each in same)
    assert (made[0].trace_id, made[0].user_id, made[0].duration_ms, made[0].metadata["a"]) == (TRACE, "u", 12.0, 1)


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("no_body", {**asking("Hi?"), "response": factories.chat_response()}),
        ("redacted", {**asking("Hi?"), "response": factories.chat_response()}),
        ("truncated_request", asking("Hi?")),
        ("usage_gateway_estimate", {"tokens": Tokens(input_fresh=1, output_visible=1)}),
        ("cost_unknown", {"cost_recorded_usd": 1}),
    ],
)
def test_a_remark_goes_when_a_fuller_record_answers_it(flag: str, answer: dict[str, Any]) -> None:
    empty = {"tokens": Tokens(), "usage_origin": UsageOrigin.MISSING, "cost_recorded_usd": None}
    poor = told("portkey", flags=frozenset({flag}), **empty)
    assert merged([poor, told("otel", **answer)]).flags == frozenset()
    assert merged([poor, told("otel", **empty)]).flags == frozenset({flag})
