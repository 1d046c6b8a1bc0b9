"""Sources from the command line: added with a named secret, read to their end, failures told."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from projects import syncing
from projects.models import Import, Project, Source, SourceSync
from tests.projects import vendors
from tests.projects.vendors import Observations, observation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


@pytest.fixture
def langfuse() -> Observations:
    return Observations(observation(1, at=timezone.now() - timedelta(hours=2)))


@pytest.fixture
def base_url(langfuse: Observations) -> Iterator[str]:
    with vendors.answering(langfuse) as base_url:
        yield base_url


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def add(base_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TEST_SECRET", "sk-lf-from-the-environment")
    options = ["--base-url", base_url, "--account", "pk-lf-1", "--secret-env", "TEST_SECRET", "--history-days", "2"]
    return told("add_source", "agent", "langfuse", *options)


def test_a_source_is_added_and_read(project: Project, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(base_url, monkeypatch)
    page = told("sync_source", "agent")
    assert "taken 1" in page and "1 records came; the vendor gives no total" in page
    assert (Source.objects.get().sealed_secret, Source.objects.get().secret_shown) == ("", "$TEST_SECRET")


def test_the_vendors_total_is_told(project: Project, shared_dir: Path) -> None:
    with vendors.serving(shared_dir, n=20) as base:
        vendors.source(project, "portkey", base)
        assert "20 records came of the 20 the vendor counts" in told("sync_source", "agent", "portkey")


def test_from_a_date_on_everything_is_read_again(
    project: Project, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(base_url, monkeypatch)
    told("sync_source", "agent")
    assert "taken 0 · duplicate 1" in told(
        "sync_source", "agent", "--since", f"{timezone.now() - timedelta(days=2):%Y-%m-%d}"
    )


def test_a_failure_is_told_in_the_vendors_words(
    project: Project, base_url: str, langfuse: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(base_url, monkeypatch)
    langfuse.fault = lambda _: (403, {"message": "Access denied"})
    with pytest.raises(CommandError, match="Not read to the end: langfuse"):
        told("sync_source", "agent")
    assert Import.objects.get().sentence == "Langfuse answered HTTP 403: Access denied"


def test_what_is_being_read_is_not_read_twice(project: Project, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(base_url, monkeypatch)
    syncing.start(Source.objects.get(), cause=SourceSync.Cause.SCHEDULE)
    Import.objects.update(heartbeat_at=timezone.now())
    with pytest.raises(CommandError, match="being read already"):
        told("sync_source", "agent")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sync_source", "nowhere"], "There is no project"),
        (["sync_source", "agent"], "no source in use"),
        (["sync_source", "agent", "mystery"], "no source named"),
        (["sync_source", "agent", "--since", "soon"], "is no time"),
        (["add_source", "agent", "langfuse", "--secret-env", "UNSET_FOR_SURE"], "is not set"),
        (["add_source", "agent", "mystery"], "invalid choice"),
        (["add_source", "agent", "helicone"], "Give the API key"),
    ],
)
def test_what_cannot_be_done_is_told(project: Project, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        told(*arguments)


def test_a_secret_may_come_by_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-helicone-secret\n"))
    page = told("add_source", "agent", "helicone", "--secret-stdin", "--every-minutes", "0")
    made = Source.objects.get()
    assert (made.secret(), made.every_minutes) == ("sk-helicone-secret", None) and "secret" not in page
