"""How options did by the log: each attempt where it was made; and that a restarted process knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from projects import log
from projects.models import Project
from projects.workloads import Outcome
from routing import decisions, option_log
from routing.gateway import planning, recalling
from routing.health import Health
from tests import factories
from tests.routing import scripted
from tests.routing.gatewayed import Gateway

HOUR = timedelta(hours=1)


@pytest.fixture
def fresh(project: Project, events: None) -> Iterator[Project]:
    """A process that has seen nothing."""
    planning._health.clear()
    recalling.BEGUN.clear()
    yield project
    planning._health.clear()
    recalling.BEGUN.clear()


def attempt(option: str | None = "openai/new", *, error: str | None = None, took_ms: float = 100.0) -> dict[str, Any]:
    told = {"duration_ms": took_ms, "error": error}
    return told if option is None else {"option": option, **told}


def wrote(project: Project, *calls: dict[str, Any], purpose: str = "live") -> None:
    """One event for each `{"attempts": …, "minutes_ago": …, "is_refusal": …, "served": …}`."""
    known = log.count(project.pk, log.EventFilter())
    made = []
    for number, told in enumerate(calls):
        is_failed = bool(told["attempts"][-1]["error"])
        made.append(
            factories.event(
                f"r-{known + number}",
                started_at=timezone.now() - timedelta(minutes=told.get("minutes_ago", 10)),
                purpose=purpose,
                outcome=Outcome.PROVIDER_ERROR if is_failed else Outcome.OK,
                is_refusal=told.get("is_refusal", None if is_failed else False),
                metadata={"option": told.get("served", "openai/new"), "attempts": told["attempts"]},
            )
        )
    log.write(project.pk, made)


def test_a_failure_that_a_fallback_made_good_counts_where_it_happened(fresh: Project) -> None:
    tried = [attempt("openai/new", error="timeout"), attempt("openai/old")]
    wrote(fresh, {"attempts": tried, "served": "openai/old"})
    done = option_log.done(fresh.pk, within=HOUR)
    assert (done["openai/new"].n, done["openai/new"].n_failed, done["openai/new"].p95_ms) == (1, 1, None)
    assert (done["openai/old"].n, done["openai/old"].n_failed, done["openai/old"].p50_ms) == (1, 0, 100.0)


@pytest.mark.parametrize("error", option_log.NOT_ITS_FAULT)
def test_what_the_sender_did_says_nothing_of_an_option(fresh: Project, error: str) -> None:
    wrote(fresh, {"attempts": [attempt(error=error)]})
    assert option_log.done(fresh.pk, within=HOUR) == {}


def test_refusals_are_a_share_of_what_was_read(fresh: Project) -> None:
    wrote(fresh, *({"attempts": [attempt()], "is_refusal": number < 3} for number in range(12)))
    done = option_log.done(fresh.pk, within=HOUR)["openai/new"]
    assert (done.n_read, done.n_refused, done.refused_share) == (12, 3, 0.25)


def test_copies_and_evaluations_count_and_judges_do_not(fresh: Project) -> None:
    wrote(fresh, {"attempts": [attempt(None)]}, purpose="replay")
    wrote(fresh, {"attempts": [attempt(None)]}, purpose="judge")
    assert option_log.done(fresh.pk, within=HOUR)["openai/new"].n == 1


def test_older_calls_and_other_projects_are_left_out(fresh: Project) -> None:
    wrote(fresh, {"attempts": [attempt()], "minutes_ago": 70})
    assert option_log.done(fresh.pk, within=HOUR) == {}
    wrote(factories.project("other"), {"attempts": [attempt()]})
    assert option_log.done(fresh.pk, within=HOUR) == {}


def test_nothing_seen_is_unknown_and_not_zero() -> None:
    nothing = option_log.Done()
    assert (nothing.refused_share, nothing.failed_share, nothing.p95_ms) == (None, None, None)


def test_a_restarted_process_knows_the_pace_and_the_failures_of_the_last_hour(fresh: Project) -> None:
    wrote(fresh, *({"attempts": [attempt(took_ms=400.0)], "minutes_ago": 5} for _ in range(30)))
    wrote(fresh, *({"attempts": [attempt(error="server_error")], "minutes_ago": 5} for _ in range(10)))
    recalling.recall(fresh.pk)
    seen = planning.health(fresh.pk, "openai/new")
    assert 400.0 <= (seen.latency_ms() or 0) <= 440.0
    assert seen.failing_share == pytest.approx(0.25, rel=0.05)
    assert seen.breaker.state == "closed"  # failures of an hour ago open no breaker now


def test_it_is_read_once(fresh: Project) -> None:
    wrote(fresh, *({"attempts": [attempt()]} for _ in range(8)))
    for _ in range(3):
        recalling.recall(fresh.pk)
    assert planning.health(fresh.pk, "openai/new")._whole.n == pytest.approx(8, rel=0.01)


def test_a_store_that_is_away_leaves_the_process_without_a_past(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(option_log, "attempts", lambda *_args, **_kwargs: 1 / 0)
    recalling.recall(fresh.pk)
    assert planning.lately(fresh.pk) == {}


def test_newer_calls_of_the_past_weigh_more() -> None:
    seen = Health()
    for _ in range(20):
        seen.remember(1_000.0, 0.0)
    for _ in range(20):
        seen.remember(100.0, 3_000.0)
    assert (seen.latency_ms(0.5) or 0) < 120.0


def test_what_happened_since_counts_beside_what_is_remembered() -> None:
    """The past may come in while calls are served."""
    seen = Health()
    for number in range(10):
        seen.answered(200.0, 100.0 + number)
    seen.remember(None, 50.0)
    assert 0 < (seen.failing_share or 0) < 1 / 11 and seen.breaker.state == "closed"


def test_the_gateways_first_request_has_the_past_read_beside_it(gateway: Gateway) -> None:
    recalling.BEGUN.clear()
    with scripted.served(scripted.said()) as there:
        gateway.lead_to(there.base_url)
        wrote(gateway.project, *({"attempts": [attempt("proxy/foo", took_ms=300.0)]} for _ in range(20)))
        assert gateway.ask().status == 200  # the loop ends with its threads, so the past is read by then
    seen = planning.health(gateway.project.pk, "proxy/foo")
    assert (seen.latency_ms(0.5) or 0) >= 300.0


def test_the_page_shows_errors_refusals_and_how_many_calls_tell_of_them(fresh: Project, as_viewer: Client) -> None:
    wrote(fresh, *({"attempts": [attempt()], "is_refusal": number < 5} for number in range(20)))
    (row,) = decisions.health(fresh)
    assert (row["n"], row["refused_share"], row["failing_share"]) == (20, 0.25, 0.0)
    told = as_viewer.get("/projects/agent/routing/").content.decode()
    assert "Calls of the hour" in told and "25.0" in told
    assert as_viewer.get("/api/v1/routing/agent/health").json()["options"] == [row]
