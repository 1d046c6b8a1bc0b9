"""OpenAI's stored completions and batches, read from a vendor that is a function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from projects.models import Project, Source
from tests import factories
from tests.projects import vendors
from tests.projects.vendors import Asked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

NOON_S = int(factories.NOON.timestamp())
MESSAGES = [
    {"id": "m-1", "role": "system", "content": "Be brief."},
    {"id": "m-2", "role": "user", "content": None, "content_parts": [{"type": "text", "text": "2 + 2?"}], "name": None},
]


def completion(number: int, **fields: Any) -> dict[str, Any]:
    told = {"id": f"chatcmpl-{number}", "created": NOON_S + number, "temperature": 0.5, "metadata": {"env": "prod"}}
    return factories.chat_response(**told | fields)


class Stored:
    """The store of completions, three a page."""

    def __init__(self, n: int) -> None:
        self.rows = [completion(number) for number in range(n)]
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        if asked.path.endswith("/messages"):
            after = asked.query.get("after")
            return 200, {"data": MESSAGES[1:] if after else MESSAGES[:1], "has_more": not after}
        ids = [row["id"] for row in self.rows]
        start = ids.index(asked.query["after"]) + 1 if "after" in asked.query else 0
        return 200, {"data": self.rows[start : start + 3], "has_more": start + 3 < len(ids)}


@pytest.fixture
def stored() -> Stored:
    return Stored(7)


@pytest.fixture
def row(project: Project, stored: Stored) -> Iterator[Source]:
    with vendors.answering(stored) as base_url:
        yield vendors.source(project, "openai", base_url, account="proj_1")


def test_completions_come_with_the_messages_they_answered(row: Source) -> None:
    vendors.synced(row)
    found = vendors.events_of(row.project)
    assert len(found) == 7
    assert found[0]["request"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}]},
    ]
    assert (found[0]["request"]["temperature"], found[0]["served_model"]) == (0.5, "gpt-4o-mini-2024-07-18")
    assert (found[0]["requested_model"], found[0]["is_replayable"]) == (None, True)


def test_the_next_sync_asks_for_what_comes_after(row: Source, stored: Stored) -> None:
    vendors.synced(row)
    row.refresh_from_db()
    stored.rows.append(completion(8))
    stored.asked.clear()
    assert vendors.synced(row).taking.n_taken == 1
    assert stored.asked[0].query["after"] == "chatcmpl-6"


def test_the_project_is_named_to_openai(row: Source, stored: Stored) -> None:
    vendors.synced(row)
    assert stored.asked[0].headers["openai-project"] == "proj_1"


def test_completions_of_before_the_history_are_passed_over(row: Source, stored: Stored) -> None:
    stored.rows[0]["created"] = 1_600_000_000
    sync = vendors.synced(row)
    assert (sync.n_received, sync.taking.n_taken) == (6, 6)


def test_messages_that_are_gone_leave_a_completion_without_a_request(row: Source, stored: Stored) -> None:
    plain = stored.__call__
    vendors_answer = lambda asked: (404, {}) if asked.path.endswith("chatcmpl-2/messages") else plain(asked)  # noqa: E731
    with vendors.answering(vendors_answer) as base_url:
        Source.objects.update(base_url=base_url)
        row.refresh_from_db()
        vendors.synced(row)
    assert sum(event["request"] is None for event in vendors.events_of(row.project)) == 1


# Batches.


def file_lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class Batches:
    """Two batches that are over and one still at work."""

    def __init__(self) -> None:
        self.batches = [
            {"id": "b-3", "created_at": NOON_S + 30, "status": "in_progress", "input_file_id": "in-3"},
            self.batch("2", NOON_S + 20),
            self.batch("1", NOON_S + 10),
        ]
        self.files: list[str] = []

    @staticmethod
    def batch(name: str, at: int) -> dict[str, Any]:
        files = {"input_file_id": f"in-{name}", "output_file_id": f"out-{name}", "error_file_id": None}
        return {"id": f"b-{name}", "created_at": at, "status": "completed", "request_counts": {"total": 2}, **files}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path.endswith("/batches"):
            return 200, {"data": self.batches, "has_more": False}
        side, name = asked.path.split("/")[-2].split("-")
        self.files.append(f"{side}-{name}")
        return 200, file_lines(*(self.line(side, f"{name}-{number}") for number in range(2)))

    @staticmethod
    def line(side: str, name: str) -> dict[str, Any]:
        if side == "in":
            body = factories.chat_request(f"Question {name}?")
            return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
        reply = {"status_code": 200, "body": factories.chat_response(id=f"chatcmpl-{name}")}
        return {"id": f"batch_req_{name}", "custom_id": name, "response": reply, "error": None}


@pytest.fixture
def batches() -> Batches:
    return Batches()


@pytest.fixture
def batch_row(project: Project, batches: Batches) -> Iterator[Source]:
    with vendors.answering(batches) as base_url:
        yield vendors.source(project, "openai_batch", base_url)


def test_a_batch_comes_as_calls_with_request_and_answer(batch_row: Source) -> None:
    sync = vendors.synced(batch_row)
    found = vendors.events_of(batch_row.project)
    assert (len(found), sync.taking.n_merged, sync.is_reconciled) == (4, 4, True)
    assert all(event["request"] and event["response"] and "batch" in event["flags"] for event in found)


def test_batches_that_were_read_are_not_fetched_again(batch_row: Source, batches: Batches) -> None:
    vendors.synced(batch_row)
    batch_row.refresh_from_db()
    batches.files.clear()
    batches.batches[0] = Batches.batch("3", NOON_S + 30)
    sync = vendors.synced(batch_row)
    assert (batches.files, sync.taking.n_taken + sync.taking.n_merged) == (["in-3", "out-3"], 4)


def test_a_batch_that_lacks_answers_does_not_agree(batch_row: Source, batches: Batches) -> None:
    batches.batches[1]["request_counts"] = {"total": 3}
    sync = vendors.synced(batch_row)
    assert (sync.is_reconciled, sync.n_expected, sync.n_checked) == (False, 5, 4)
    assert "counts 5 records; 4 came" in sync.taking.sentence
