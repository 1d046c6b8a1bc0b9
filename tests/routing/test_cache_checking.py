"""Checked hits: answers compared off the request path, the share that was wrong, and the cache stopping by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from netra import embeddings
from projects.models import AuditEntry, Project
from routing import cache_checking, control_report, controls, tasks
from routing.gateway import controlled
from routing.gateway.caching import ANSWERS
from routing.gateway.foresight import FORESIGHT
from routing.models import CacheCheck, GatewayControls
from tests.routing.controlled import REGEX, chat, embedded, set_up, several
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import Step, said, served


@pytest.fixture
def alike(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(embeddings, "encode_soon", lambda text: embedded([text])[0])
    monkeypatch.setattr(controlled, "MEANING_WAIT_S", 60.0)
    monkeypatch.setattr(controlled.random, "random", lambda: 0.0)
    FORESIGHT.clear()
    ANSWERS.renew()
    set_up(gateway.project, exact_cache=True, semantic_cache=True, similarity=0.97)
    yield
    FORESIGHT.clear()
    ANSWERS.renew()


def asked_twice(gateway: Gateway, *answers: Step) -> None:
    with served(*answers) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat("Where is it"), chat("Where is it."))
    gateway.logged()  # ships them


@pytest.mark.parametrize(
    ("fresh", "agrees", "how"),
    [("There.", True, "same words"), ("Here 4", False, "other numbers"), ("Yes, there", False, "other choice")],
)
@pytest.mark.usefixtures("alike")
def test_a_checked_hit_is_compared_once(gateway: Gateway, fresh: str, agrees: bool, how: str) -> None:
    asked_twice(gateway, said("There."), said(fresh))
    tasks.check_caches()
    tasks.check_caches()
    (row,) = CacheCheck.objects.all()
    assert (row.agrees, row.how, row.project_id) == (agrees, how, gateway.project.pk)
    assert row.similarity == pytest.approx(0.996, abs=0.001)


@pytest.mark.usefixtures("alike")
def test_calls_of_tools_are_compared_by_what_they_call(gateway: Gateway) -> None:
    def called(call_id: str, arguments: str) -> Step:
        call = {"id": call_id, "type": "function", "function": {"name": "find", "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return said(choices=[{"index": 0, "finish_reason": "tool_calls", "message": message}])

    asked_twice(gateway, called("a", '{"n": 1}'), called("b", '{"n": 1}'))
    tasks.check_caches()
    assert CacheCheck.objects.get().agrees is True


@pytest.mark.usefixtures("alike")
def test_an_answer_that_is_gone_is_no_evidence(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_twice(gateway, said("There."))
    monkeypatch.setattr(cache_checking, "_answers", lambda *_: {})
    tasks.check_caches()
    assert not CacheCheck.objects.exists()  # it may still come
    monkeypatch.setattr(cache_checking, "ARRIVAL", timedelta(0))
    tasks.check_caches()
    assert CacheCheck.objects.get().agrees is None
    told = control_report.false_hits(controls.of(gateway.project))
    assert (told["n_checked"], told["n_gone"], told["share"]) == (0, 1, None)


def checked(project: Project, n: int, n_false: int, *, days_ago: int = 0) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    CacheCheck.objects.bulk_create(
        CacheCheck(
            project=project,
            event_id=f"{days_ago}-{number}",
            asked_at=at,
            similarity=0.98,
            agrees=number >= n_false,
            how="same words",
        )
        for number in range(n)
    )


@pytest.fixture
def semantic(project: Project, events: None) -> GatewayControls:
    return controls.write(project, {"exact_cache": True, "semantic_cache": True, "max_false_share": 0.05})


def test_a_cache_that_errs_for_sure_stops(semantic: GatewayControls, as_viewer: Client) -> None:
    checked(semantic.project, 60, 15)
    before = controls.stamp(semantic.project)
    tasks.check_caches()
    row = GatewayControls.objects.get()
    assert not row.semantic_cache and row.exact_cache and "15 of 60" in row.stopped_because
    assert controls.stamp(semantic.project) != before  # so that gateways see it
    assert AuditEntry.objects.filter(action="semantic_cache_stopped").count() == 1
    shown = as_viewer.get(f"/projects/{semantic.project.slug}/routing/controls/").content.decode()
    assert "The semantic cache was stopped" in shown and "25.0" in shown


@pytest.mark.parametrize(("n", "n_false"), [(19, 19), (60, 3), (60, 5)])
def test_doubt_stops_nothing(semantic: GatewayControls, n: int, n_false: int) -> None:
    checked(semantic.project, n, n_false)
    tasks.check_caches()
    assert GatewayControls.objects.get().semantic_cache


def test_evidence_belongs_to_the_setting_it_was_gathered_under(semantic: GatewayControls) -> None:
    checked(semantic.project, 60, 30)
    controls.write(semantic.project, {"similarity": 0.99})
    tasks.check_caches()
    row = GatewayControls.objects.get()
    assert row.semantic_cache and control_report.false_hits(row)["n_checked"] == 0


def test_switching_on_again_begins_anew(semantic: GatewayControls) -> None:
    checked(semantic.project, 60, 30)
    tasks.check_caches()
    row = controls.write(semantic.project, {"semantic_cache": True})
    assert row.stopped_at is None and row.stopped_because == "" and control_report.false_hits(row)["n_checked"] == 0


def test_the_share_comes_with_its_interval(semantic: GatewayControls) -> None:
    checked(semantic.project, 100, 4)
    told = control_report.false_hits(semantic)
    assert told["share"] == 0.04 and 0.0 < told["low"] < 0.04 < told["high"] < 0.2


@pytest.mark.usefixtures("alike")
def test_the_report_counts_hits_money_and_finds(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = REGEX | {"action": "mask"}
    set_up(gateway.project, guardrails=[mask])
    monkeypatch.setattr(controlled.random, "random", lambda: 0.5)
    with served(said("There.", prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat("Say X-1234"), chat("Say X-4321"), chat("Say X-1234."), chat("Other......"))
    gateway.logged()
    told = control_report.report(gateway.project)
    hits = told["hits"]
    assert (hits["n_calls"], hits["n_exact"], hits["n_semantic"], hits["n_priced"]) == (4, 1, 1, 2)
    assert hits["share"] == 0.5 and float(hits["saved_usd"]) == pytest.approx(0.012)
    expected = {"rule": "no codes", "on": "input", "action": "mask", "n_requests": 3, "n_finds": 3}
    assert told["guardrails"] == [expected]


def test_a_stranger_has_figures_of_their_own(semantic: GatewayControls, as_stranger: Client) -> None:
    checked(semantic.project, 60, 15)
    theirs = Project.objects.get(slug="elsewhere")
    told = as_stranger.get(f"/api/v1/routing/{theirs.slug}/controls/report").json()
    assert told["false_hits"]["n_checked"] == 0
