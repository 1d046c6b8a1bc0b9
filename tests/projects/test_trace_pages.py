"""Pages and API of traces and sessions: the tree, its totals, pages of it, odd ids, and who may look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from projects import log, log_reading, tree_reading
from projects.models import Project
from tests import factories
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ODD_IDS = ["a/b", "..", "é\u202e", "<i>", "a b?c#d", "%00", "'; DROP TABLE x --", "x" * 3000]


def call(name: str, seconds: float = 0, **fields: Any) -> Any:
    return factories.event(name, started_at=NOON + timedelta(seconds=seconds), **{"trace_id": "t", **fields})


@pytest.fixture
def agent_run(project: Project) -> list[str]:
    """A call with a child, one under a step that is not logged, a failed try and its answer; one session."""
    inside: dict[str, Any] = {"session_id": "s"}
    again: dict[str, Any] = {"request": factories.chat_request("Again?"), **inside}
    given = [call("root", 0, span_id="1", **inside), call("child", 1, span_id="2", parent_span_id="1", **inside)]
    given += [call("lost", 2, span_id="3", parent_span_id="gone", **inside)]
    given += [call("fail", 3, outcome="provider_error", **again), call("answer", 4, **again)]
    return log.write(project.pk, given).ids


def test_a_trace_is_a_tree_with_missing_parents_and_tries(
    as_viewer: Client, project: Project, agent_run: list[str]
) -> None:
    page = as_viewer.get("/projects/agent/traces/t/").content.decode()
    assert "is not in the log" in page
    assert "tried again, not counted" in page
    assert "indent-1" in page
    assert all(f"/logs/{event_id}/" in page for event_id in agent_run)


def test_the_api_tells_the_same_tree(as_viewer: Client, project: Project, agent_run: list[str]) -> None:
    tree = as_viewer.get("/api/v1/logs/agent/traces/t").json()
    depths = [(node["event_id"], node["depth"]) for node in tree["nodes"]]
    assert depths[:2] == [(agent_run[0], 0), (agent_run[1], 1)]
    assert (None, 0) in depths
    totals = tree["totals"]
    assert (totals["n_calls"], totals["n_attempts"], totals["n_errors"], totals["cost_usd"]) == (4, 1, 0, None)


def test_a_session_groups_its_traces(as_viewer: Client, project: Project, agent_run: list[str]) -> None:
    log.write(
        project.pk, [call("other", 9, trace_id="u", session_id="s"), call("bare", 10, trace_id=None, session_id="s")]
    )
    page = as_viewer.get("/projects/agent/sessions/s/").content.decode()
    assert "/traces/t/" in page
    assert "/traces/u/" in page
    assert "Without a trace" in page
    assert as_viewer.get("/api/v1/logs/agent/sessions/s").json()["n_traces"] == 2


def test_sessions_are_listed(as_viewer: Client, project: Project, agent_run: list[str]) -> None:
    assert "/sessions/s/" in as_viewer.get("/projects/agent/sessions/").content.decode()
    (row,) = as_viewer.get("/api/v1/logs/agent/sessions").json()["sessions"]
    assert (row["session_id"], row["n_calls"]) == ("s", 5)


@pytest.mark.parametrize("odd", ODD_IDS)
def test_any_id_leads_to_its_trace_and_session(as_viewer: Client, project: Project, odd: str) -> None:
    log.write(project.pk, [call("r", trace_id=odd, session_id=odd)])
    for kind in ("traces", "sessions"):
        answer = as_viewer.get(f"/projects/agent/{kind}/?id={quote(odd, safe='')}")
        assert answer.status_code == 200
        assert not {"\u202e", "\0"} & set(answer.content.decode())


@pytest.mark.parametrize(
    "path", ["traces/none/", "sessions/none/", "traces/?id=%00", "sessions/?id=%00", "traces/?id="]
)
def test_what_the_log_does_not_hold_is_404(as_viewer: Client, project: Project, path: str) -> None:
    assert as_viewer.get(f"/projects/agent/{path}").status_code == 404


@pytest.mark.parametrize("query", ["?from=x", "?from=-1", "?from=99999999", "?from=٣"])
def test_spoilt_places_begin_at_the_beginning(
    as_viewer: Client, project: Project, agent_run: list[str], query: str
) -> None:
    assert "Trace" in as_viewer.get(f"/projects/agent/traces/t/{query}").content.decode()


@pytest.mark.parametrize("path", ["traces/t/?after=broken", "sessions/?before=broken"])
def test_a_broken_continuation_is_refused(as_viewer: Client, project: Project, agent_run: list[str], path: str) -> None:
    assert as_viewer.get(f"/projects/agent/{path}").status_code == 400


def test_a_long_trace_is_shown_a_page_at_a_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_reading, "LINES_A_PAGE", 4)
    log.write(project.pk, [call(str(n), n, request=factories.chat_request(str(n))) for n in range(10)])
    seen, offset = [], 0
    while offset is not None:
        shown = tree_reading.of_trace(project.pk, "t", offset=offset)
        seen += [line.row["event_id"] for group in shown.groups for line in group.lines if line.row]
        offset = shown.next_offset  # type: ignore[assignment]
    assert len(seen) == len(set(seen)) == 10


def test_a_trace_of_more_calls_than_are_read_says_so(as_viewer: Client, project: Project) -> None:
    many = [call(str(n), n, request=factories.chat_request(str(n))) for n in range(5_050)]
    log.write(project.pk, many)
    page = as_viewer.get("/projects/agent/traces/t/").content.decode()
    assert f"first {log_reading.TREE_ROWS:,} calls" in page
    assert len(page) < 1_000_000


PAGES = ["traces/t/", "sessions/s/", "sessions/", "ledger/", "ledger/lines", "traces/?id=t", "sessions/?id=s"]


@pytest.mark.parametrize("path", PAGES)
def test_strangers_see_none_of_it(
    as_stranger: Client, client: Client, project: Project, agent_run: list[str], path: str
) -> None:
    assert as_stranger.get(f"/projects/agent/{path}").status_code == 404
    assert client.get(f"/projects/agent/{path}").status_code == 302


def test_another_project_does_not_hold_these_calls(as_stranger: Client, agent_run: list[str], project: Project) -> None:
    assert as_stranger.get("/projects/elsewhere/traces/t/").status_code == 404
    assert as_stranger.get("/api/v1/logs/elsewhere/traces/t").status_code == 404


@pytest.mark.parametrize("path", ["traces/t", "sessions/s", "sessions", "ledger", "stats"])
def test_the_api_is_closed_to_strangers(as_stranger: Client, client: Client, agent_run: list[str], path: str) -> None:
    assert as_stranger.get(f"/api/v1/logs/agent/{path}").status_code == 404
    assert client.get(f"/api/v1/logs/agent/{path}").status_code == 401
