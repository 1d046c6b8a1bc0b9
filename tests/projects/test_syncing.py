"""A sync keeps its place: narrow windows, faults, waits, cancelling, changed records, privacy, schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from netra import celery, clickhouse
from netra.errors import Unavailable
from projects import ledger, sourcing, syncing
from projects.models import Import, Project, Source, SourceSync
from projects.tasks import run_import, run_sync, sync_sources
from tests.projects import vendors
from tests.projects.vendors import Asked, Observations, observation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def langfuse(now: datetime) -> Observations:
    """Thirty calls, an hour apart, the newest two hours ago."""
    return Observations(*(observation(n, at=now - timedelta(hours=32 - n)) for n in range(30)))


@pytest.fixture
def row(project: Project, langfuse: Observations) -> Iterator[Source]:
    with vendors.answering(langfuse) as base_url:
        yield vendors.source(project, "langfuse", base_url.removesuffix("/langfuse"), history_days=3)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoffs of the door are tested there."""
    monkeypatch.setattr("netra.fetching.FIRST_WAIT_S", 0.0)


def count(project: Project) -> int:
    return len(vendors.events_of(project))


# Place kept.


def test_pages_follow_the_vendors_cursor(row: Source, langfuse: Observations) -> None:
    langfuse.limit = 7
    assert (vendors.synced(row).n_received, count(row.project)) == (30, 30)


def test_what_is_late_is_found_by_the_next_sync(row: Source, langfuse: Observations, now: datetime) -> None:
    vendors.synced(row)
    langfuse.rows.append(observation(99, at=now - timedelta(minutes=10)))
    row.refresh_from_db()
    again = vendors.synced(row)
    assert (again.taking.n_taken, again.n_received) == (1, 1)


def test_a_changed_record_is_a_new_version(row: Source, langfuse: Observations, now: datetime) -> None:
    langfuse.rows.append(observation(99, at=now - timedelta(minutes=5)))
    vendors.synced(row)
    langfuse.rows[-1]["usageDetails"] = {"input": 12, "output": 4, "total": 16}
    row.refresh_from_db()
    again = vendors.synced(row)
    assert (again.taking.n_taken, again.taking.n_versioned) == (0, 1)
    assert sorted(event["version"] for event in vendors.events_of(row.project))[-1] == 2


def test_everything_again_from_a_date_adds_nothing(row: Source, now: datetime) -> None:
    vendors.synced(row)
    again = vendors.synced(row, since=now - timedelta(days=2))
    assert (again.taking.n_taken, again.taking.n_duplicate) == (0, 30)


def test_wide_windows_are_halved_until_the_vendor_copes(row: Source, langfuse: Observations) -> None:
    langfuse.fault = lambda asked: (524, {}) if span_of(asked) > timedelta(hours=7) else None
    assert (vendors.synced(row).taking.state, count(row.project)) == ("done", 30)


def span_of(asked: Asked) -> timedelta:
    if "fromStartTime" not in asked.query:
        return timedelta()
    ends = (datetime.fromisoformat(asked.query[name]) for name in ("toStartTime", "fromStartTime"))
    return next(ends) - next(ends)


def test_what_cannot_be_read_is_told_line_by_line(row: Source, langfuse: Observations) -> None:
    langfuse.rows[3]["usageDetails"] = {"input": -1}
    langfuse.rows[4]["input"] = "\ud800 lone \x00"
    sync = vendors.synced(row)
    assert (sync.taking.n_taken, sync.taking.reject_counts) == (29, {"negative_token_count": 1})
    assert sync.taking.flag_counts["text_repaired"] == 1


# Faults.


def failing(langfuse: Observations, *, after: int, status: int = 503) -> None:
    langfuse.limit = 10
    langfuse.fault = lambda asked: (status, {"message": "no"}) if int(asked.query.get("cursor", 0)) >= after else None


def test_a_vendor_that_is_down_is_asked_again_later_from_the_same_place(row: Source, langfuse: Observations) -> None:
    failing(langfuse, after=10)
    sync = vendors.synced(row)
    assert (sync.taking.state, sync.n_received, sync.n_tries) == ("queued", 10, 1)
    assert sync.taking.sentence == "Langfuse answered HTTP 503: no" and sync.resume_at > timezone.now()
    langfuse.fault = lambda _: None
    sync = syncing.run(sync)
    assert (sync.taking.state, sync.taking.n_taken, sync.taking.n_duplicate) == ("done", 30, 0)


def test_after_some_tries_it_fails_and_the_next_sync_goes_on(row: Source, langfuse: Observations) -> None:
    failing(langfuse, after=10)
    sync = vendors.synced(row)
    while not sync.taking.is_over:
        sync = syncing.run(sync)
    row.refresh_from_db()
    assert (sync.taking.state, row.n_failures) == ("failed", 1)
    langfuse.fault = lambda _: None
    assert (vendors.synced(row).taking.state, count(row.project)) == ("done", 30)


def test_a_wrong_key_fails_at_once_in_the_vendors_words(row: Source, langfuse: Observations) -> None:
    langfuse.fault = lambda _: (401, {"message": "Invalid credentials for pk-lf-test:sk-lf-test"})
    sync = vendors.synced(row)
    assert (sync.taking.state, len(langfuse.asked)) == ("failed", 1)
    assert "Invalid credentials" in sync.taking.sentence and "sk-lf-test" not in sync.taking.sentence


def test_a_long_wait_that_the_vendor_asks_for_is_kept(row: Source, langfuse: Observations, now: datetime) -> None:
    langfuse.fault = lambda _: (429, {"message": "slow down"}, {"Retry-After": "3600"})
    sync = vendors.synced(row)
    assert (sync.taking.state, len(langfuse.asked)) == ("queued", 1)
    assert sync.resume_at >= now + timedelta(hours=1)


def test_an_error_within_a_good_answer_is_told(project: Project) -> None:
    with vendors.answering(lambda _: (200, {"data": None, "error": "busy"})) as base_url:
        sync = vendors.synced(vendors.source(project, "helicone", base_url))
    assert sync.taking.sentence == "Helicone answered: busy"


def test_known_records_are_counted_but_not_listed(row: Source, now: datetime) -> None:
    """Each sync reads the last half hour again; a list of that would grow with every sync."""
    vendors.synced(row)
    again = vendors.synced(row, since=now - timedelta(days=2))
    assert (again.taking.n_duplicate, again.taking.lines.count()) == (30, 0)


def test_a_page_of_another_kind_is_told(row: Source, langfuse: Observations) -> None:
    langfuse.fault = lambda _: (200, {"hello": "world"})
    assert "is the base URL right?" in vendors.synced(row).taking.sentence


def test_an_unset_variable_is_named(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    Source.objects.update(sealed_secret="", secret_env="NETRA_TEST_SECRET")
    row.refresh_from_db()
    assert "$NETRA_TEST_SECRET holds no secret" in vendors.synced(row).taking.sentence
    monkeypatch.setenv("NETRA_TEST_SECRET", "sk-lf-test")
    assert vendors.synced(row).taking.state == "done"


def test_a_store_that_is_down_leaves_it_to_go_on(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise Unavailable("The event store does not answer.")

    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    with monkeypatch.context() as patch:
        patch.setattr(clickhouse, "insert", down)
        run_sync(sync.pk)
    assert Import.objects.get().sentence == "The event store does not answer."
    run_sync(sync.pk)
    assert (Import.objects.get().state, count(row.project)) == ("done", 30)


def test_a_page_that_was_written_but_not_counted_is_counted_once(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill between the log and the ledger."""

    def cut(*_: Any) -> None:
        raise MemoryError

    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "tell", cut)
        with pytest.raises(MemoryError):
            syncing.run(sync)
    sync = syncing.run(SourceSync.objects.select_related("taking", "source").get())
    assert (sync.taking.n_taken, sync.taking.n_duplicate, count(row.project)) == (30, 0, 30)


# Ending early.


def after_a_page(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Somebody does something while the first page is being settled."""
    settle = syncing._settle

    def settled(*given: Any, **options: Any) -> None:
        settle(*given, **options)
        act()

    monkeypatch.setattr(syncing, "_settle", settled)


def test_cancelling_stops_before_the_next_page(
    row: Source, langfuse: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    langfuse.limit = 8
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    after_a_page(monkeypatch, lambda: count(row.project) and syncing.cancel(sync))
    sync = syncing.run(sync)
    assert (sync.taking.state, count(row.project)) == ("cancelled", 8)


def test_a_stopping_process_leaves_it_for_the_next(row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    celery.stopping.set()
    try:
        sync = syncing.run(sync)
    finally:
        celery.stopping.clear()
    assert (sync.taking.state, sync.taking.heartbeat_at, count(row.project)) == ("running", None, 0)
    run_sync(sync.pk)
    assert count(row.project) == 30


def test_a_removed_source_writes_nothing_more(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    after_a_page(monkeypatch, lambda: sourcing.remove(Source.objects.get()) if Source.objects.exists() else None)
    syncing.run(sync)
    assert (Import.objects.get().state, count(row.project)) == ("cancelled", 0)


def test_privacy_mode_holds_from_the_next_page_on(
    row: Source, langfuse: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    langfuse.limit = 8
    after_a_page(monkeypatch, lambda: count(row.project) and Project.objects.update(is_private=True))
    vendors.synced(row)
    told = ["Question" in str(event["request"]) for event in vendors.events_of(row.project)]
    assert sorted(told) == [False] * 22 + [True] * 8


# Schedules.


def test_two_asked_for_at_once_are_one(row: Source) -> None:
    first = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    assert syncing.start(row, cause=SourceSync.Cause.API) == first


def test_one_that_is_at_work_is_not_run_again(row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    Import.objects.update(heartbeat_at=timezone.now())
    run_sync(sync.pk)
    assert count(row.project) == 0


def test_one_that_waits_for_its_vendor_is_left_until_its_time(row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    SourceSync.objects.update(resume_at=timezone.now() + timedelta(minutes=5))
    run_sync(sync.pk)
    assert count(row.project) == 0


def test_the_ledger_of_a_sync_is_not_taken_for_a_file(row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    run_import(sync.taking_id)
    assert Import.objects.get().state == "queued" and not Import.objects.unfinished().exists()


@pytest.mark.parametrize(
    ("change", "is_due"),
    [
        ({}, True),
        ({"is_enabled": False}, False),
        ({"every_minutes": None}, False),
    ],
)
def test_a_source_in_use_is_due_at_first(row: Source, now: datetime, change: dict[str, Any], is_due: bool) -> None:
    Source.objects.update(**change)
    assert bool(syncing.due(now)) is is_due


@pytest.mark.parametrize(
    ("minutes", "n_failures", "is_due"), [(59, 0, False), (61, 0, True), (61, 1, False), (121, 1, True), (999, 9, True)]
)
def test_a_source_is_due_after_its_interval_and_later_after_failures(
    row: Source, now: datetime, minutes: int, n_failures: int, is_due: bool
) -> None:
    vendors.synced(row)
    Source.objects.update(n_failures=n_failures)
    assert bool(syncing.due(now + timedelta(minutes=minutes))) is is_due


def test_the_beat_begins_what_is_due_once(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(run_sync, "delay", sent.append)
    sync_sources()
    sync_sources()
    assert sent == [SourceSync.objects.get().pk] * 2


def test_syncs_that_brought_nothing_do_not_bury_the_others(row: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "IDLE_KEPT", 2)
    for _ in range(5):
        syncing.run(syncing.start(row, cause=SourceSync.Cause.SCHEDULE))
        row.refresh_from_db()
    assert sorted(each.n_taken for each in Import.objects.all()) == [0, 0, 30]
