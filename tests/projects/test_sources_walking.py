"""Windows over time, and what is particular to one vendor: exports in parts, withheld fields, users told of traces."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.errors import SourceFailed
from projects.models import Project
from projects.sources import portkey
from projects.sources.walking import NARROWEST, Cursor, Piece, Window, resting, walk
from tests.projects import vendors
from tests.projects.vendors import Asked, Exports, observation

START = datetime(2026, 11, 1, tzinfo=UTC)
BEGIN: Cursor = {"since": START.isoformat()}


def walked(read: Any, days: float = 10.0, cursor: Cursor = BEGIN) -> list[Any]:
    return list(walk(read, cursor, START + timedelta(days=days), longest=timedelta(days=4)))


def one_piece(_window: Window, _at: Cursor) -> Iterator[Piece]:
    yield Piece()


def test_windows_join_without_gap_or_overlap_and_widen_where_little_is() -> None:
    windows = [page.window for page in walked(one_piece)]
    assert [(each.until - each.since).days for each in windows] == [1, 2, 4, 3]
    assert all(left.until == right.since for left, right in itertools.pairwise(windows))


@settings(deadline=None)
@given(st.integers(61, 90_000), st.floats(0.01, 2))
def test_every_moment_is_read_once_however_much_the_vendor_copes_with(copes_s: int, days: float) -> None:
    def read(window: Window, _at: Cursor) -> Iterator[Piece]:
        if (window.until - window.since).total_seconds() > copes_s:
            raise SourceFailed("too much", is_too_wide=True)
        yield Piece()

    windows = [page.window for page in walked(read, days)]
    assert windows[0].since == START and windows[-1].until == START + timedelta(days=days)
    assert all(left.until == right.since for left, right in itertools.pairwise(windows))


def test_a_narrow_window_that_fails_is_the_end() -> None:
    narrowest: list[timedelta] = []

    def read(window: Window, _at: Cursor) -> Iterator[Piece]:
        narrowest.append(window.until - window.since)
        raise SourceFailed("too much", is_too_wide=True)
        yield

    with pytest.raises(SourceFailed):
        walked(read)
    assert narrowest[-1] == NARROWEST


def test_reading_goes_on_in_the_middle_of_a_window() -> None:
    def read(window: Window, at: Cursor) -> Iterator[Piece]:
        if not at:
            yield Piece(at={"page": 2})
        yield Piece()

    pages = walked(read, days=5)
    for number, page in enumerate(pages):
        again = walked(read, days=5, cursor=json.loads(json.dumps(page.cursor)))
        assert [each.window for each in again] == [each.window for each in pages[number + 1 :]]


def test_the_next_sync_reads_a_begun_window_from_its_start() -> None:
    begun = {"since": "2026-11-01", "until": "2026-11-02", "at": {"page": 2}, "span_s": 60.0}
    assert resting(begun) == {"since": "2026-11-01"}


# Portkey.


@pytest.fixture
def exports() -> Exports:
    return Exports(25)


@pytest.fixture
def from_portkey(project: Project, exports: Exports, events: None) -> Iterator[Any]:
    with vendors.answering(exports) as base_url:
        yield vendors.source(project, "portkey", base_url, history_days=1, account="ws-1")


def test_more_rows_than_an_export_holds_come_in_several(
    from_portkey: Any, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portkey, "MOST_ROWS", 10)
    sync = vendors.synced(from_portkey)
    assert [order["filters"]["current_page"] for order in exports.orders] == [0, 1, 2]
    assert (sync.taking.n_taken, sync.n_expected, sync.is_reconciled) == (25, 25, True)
    assert exports.orders[0]["workspace_id"] == "ws-1"


def test_rows_that_do_not_come_are_missed(from_portkey: Any, exports: Exports) -> None:
    exports.__class__ = type("Lossy", (Exports,), {"__call__": lossy})
    sync = vendors.synced(from_portkey)
    assert (sync.is_reconciled, sync.taking.sentence) == (False, "Portkey counts 25 records; 24 came.")


def lossy(exports: Exports, asked: Asked) -> tuple[int, Any]:
    status, told = Exports.__call__(exports, asked)
    return status, told[: told.rindex(b"\n", 0, -1) + 1] if isinstance(told, bytes) else told


def test_withheld_fields_are_not_asked_for_and_told(from_portkey: Any, exports: Exports) -> None:
    exports.restricted = ["request", "response", "unheard_of"]
    sync = vendors.synced(from_portkey)
    assert sync.remarks == ["Portkey withholds request, response from this key."]
    assert "request" not in exports.orders[0]["requested_data"]


def test_an_export_that_fails_is_ordered_again_later(from_portkey: Any, exports: Exports) -> None:
    exports.failing = 2  # its start, and the first look at it
    sync = vendors.synced(from_portkey)
    assert (sync.taking.state, "gave up" in sync.taking.sentence) == ("queued", True)


def test_a_download_that_is_cut_goes_on_at_its_line(
    from_portkey: Any, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portkey, "LINES_A_PIECE", 10)
    from projects import syncing
    from projects.models import SourceSync

    sync = syncing.start(from_portkey, cause=SourceSync.Cause.BUTTON)
    with monkeypatch.context() as patch:
        patch.setattr(syncing, "_mark", interrupting(syncing._mark, at="20"))
        with pytest.raises(MemoryError):
            syncing.run(sync)
    sync = syncing.run(SourceSync.objects.select_related("source", "taking").get())
    assert len(exports.orders) == 1
    assert (sync.taking.n_taken, sync.taking.n_duplicate, sync.is_reconciled) == (25, 0, True)


def interrupting(mark: Any, *, at: str) -> Any:
    def marked(sync: Any, page: Any) -> None:
        mark(sync, page)
        if str(page.cursor.get("at", {}).get("line")) == at:
            raise MemoryError

    return marked


# Langfuse's first API.


def test_users_and_sessions_of_older_langfuse_are_told_of_traces(project: Project, events: None) -> None:
    rows = [observation(number, at=datetime.now(UTC) - timedelta(hours=2)) for number in range(3)]
    rows[1]["traceId"] = rows[0]["traceId"]
    asked_for: list[str] = []

    def answer(asked: Asked) -> tuple[int, Any]:
        if "/v2/" in asked.path:
            return 404, {}
        if "/traces/" in asked.path:
            asked_for.append(asked.path)
            return 200, {"userId": "u-7", "sessionId": "s-7", "tags": ["gold"]}
        data = rows if asked.query["type"] == "GENERATION" else []
        return 200, {"data": data, "meta": {"totalItems": len(data), "totalPages": 1}}

    with vendors.answering(answer) as base_url:
        sync = vendors.synced(vendors.source(project, "langfuse", base_url, history_days=1))
    assert (len(asked_for), sync.is_reconciled) == (2, True)
    assert {(each["user_id"], each["session_id"]) for each in vendors.events_of(project)} == {("u-7", "s-7")}
