"""Pages of sources: added by owners, read by members, hidden from strangers; no secret ever comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from projects import sourcing, syncing
from projects.models import Import, Project, Source, SourceSync
from projects.tasks import run_sync
from tests.projects import vendors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

SECRET = "sk-lf-canary-0123456789"
GIVEN = {
    "name": "tracer",
    "base_url": "http://127.0.0.1:9",
    "account": "pk-lf-1",
    "secret": SECRET,
    "history_days": "30",
    "every_minutes": "",
}
HOME = "/projects/agent/sources/"


@pytest.fixture
def row(project: Project) -> Source:
    given = {**GIVEN, "history_days": 30, "every_minutes": None}
    return sourcing.create(project, kind="langfuse", name=given.pop("name"), given=given)


def failed(row: Source, sentence: str) -> SourceSync:
    sync = syncing.start(row, cause=SourceSync.Cause.SCHEDULE)
    Import.objects.filter(pk=sync.taking_id).update(state="failed", sentence=sentence)
    return sync


@pytest.mark.parametrize("path", ["", "tracer/"])
def test_members_see_it_and_strangers_do_not(
    as_member: Client, as_viewer: Client, as_stranger: Client, row: Source, path: str
) -> None:
    answers = [each.get(HOME + path).status_code for each in (as_member, as_viewer, as_stranger)]
    assert answers == [200, 200, 404]


@pytest.mark.parametrize("path", ["tracer/sync", "tracer/change", "tracer/remove", "add/langfuse"])
def test_strangers_can_do_nothing(as_stranger: Client, row: Source, path: str) -> None:
    assert as_stranger.post(HOME + path, GIVEN).status_code == 404


@pytest.mark.parametrize("path", ["tracer/change", "tracer/remove", "add/langfuse"])
def test_credentials_are_the_owners(as_member: Client, row: Source, path: str) -> None:
    assert as_member.post(HOME + path, GIVEN).status_code == 403
    assert Source.objects.count() == 1


@pytest.mark.parametrize("kind", Source.Kind.values)
def test_every_kind_has_a_form_in_its_vendors_words(as_owner: Client, project: Project, kind: str) -> None:
    assert sourcing.vendors.named(kind).SECRET in as_owner.get(f"{HOME}add/{kind}").content.decode()


def test_an_unknown_kind_is_not_there(as_owner: Client, project: Project) -> None:
    assert as_owner.get(f"{HOME}add/mystery").status_code == 404


def test_an_owner_adds_one(as_owner: Client, project: Project) -> None:
    answer = as_owner.post(f"{HOME}add/langfuse", GIVEN)
    made = Source.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, made.get_absolute_url())
    assert (made.secret(), made.every_minutes, made.account) == (SECRET, None, "pk-lf-1")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "Up Case", "lower-case letters"),
        ("name", "add", "cannot be a name"),
        ("base_url", "ftp://x", "http:// or https://"),
        ("base_url", "https://user:pw@host", "no credentials"),
        ("every_minutes", "1", "between 5 minutes"),
        ("history_days", "0", "between 1 and"),
        ("secret", "two\nlines", "printable"),
        ("account", "", "required"),
    ],
)
def test_a_wrong_value_gets_its_sentence(
    as_owner: Client, project: Project, field: str, value: str, sentence: str
) -> None:
    page = as_owner.post(f"{HOME}add/langfuse", {**GIVEN, field: value}).content.decode()
    assert sentence in page and SECRET not in page
    assert not Source.objects.exists()


def test_the_same_name_twice_is_told(as_owner: Client, row: Source) -> None:
    assert "already" in as_owner.post(f"{HOME}add/langfuse", GIVEN).content.decode()


@pytest.mark.parametrize("path", ["", "tracer/", "tracer/change"])
def test_no_page_shows_the_secret(as_owner: Client, row: Source, path: str) -> None:
    page = as_owner.get(HOME + path).content.decode()
    assert SECRET not in page and row.sealed_secret not in page


def test_a_kept_secret_stays_when_left_empty(as_owner: Client, row: Source) -> None:
    as_owner.post(f"{HOME}tracer/change", {**GIVEN, "secret": "", "history_days": "7"})
    row.refresh_from_db()
    assert (row.secret(), row.history_days, row.is_enabled) == (SECRET, 7, False)


def test_a_new_address_needs_the_secret_again(as_owner: Client, row: Source) -> None:
    page = as_owner.post(f"{HOME}tracer/change", {**GIVEN, "secret": "", "base_url": "https://evil.example"})
    row.refresh_from_db()
    assert "must be entered again" in page.content.decode() and row.base_url == GIVEN["base_url"]


def test_another_log_is_read_from_its_beginning(row: Source) -> None:
    Source.objects.update(cursor={"since": "2026-11-01T00:00:00+00:00"})
    row.refresh_from_db()
    assert sourcing.change(row, {"account": "pk-lf-2"}).cursor == {}


def test_sync_now_reads_it(as_member: Client, project: Project, shared_dir: Path) -> None:
    with vendors.serving(shared_dir, n=20) as base_url:
        vendors.source(project, "langfuse", base_url)
        assert as_member.post(f"{HOME}langfuse/sync").status_code == 302
        run_sync(SourceSync.objects.get().pk)
    page = as_member.get(f"{HOME}langfuse/").content.decode()
    assert Import.objects.get().n_taken == 20 and "Done" in page and "gives none" in page


def test_a_viewer_may_not_sync(as_viewer: Client, row: Source) -> None:
    assert as_viewer.post(f"{HOME}tracer/sync").status_code == 403


def test_a_start_in_the_future_is_told(as_member: Client, row: Source) -> None:
    page = as_member.post(f"{HOME}tracer/sync", {"since": "2999-01-01"}).content.decode()
    assert "lies in the future" in page and not SourceSync.objects.exists()


def test_progress_is_a_fragment_that_asks_again_until_it_is_over(as_member: Client, row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    running = as_member.get(f"{HOME}tracer/", headers={"HX-Request": "true"}).content.decode()
    syncing.cancel(sync)
    over = as_member.get(f"{HOME}tracer/", headers={"HX-Request": "true"}).content.decode()
    assert "every 1s" in running and "<html" not in running
    assert "every 1s" not in over and "Cancelled" in over


def test_a_failure_stands_there_in_the_vendors_words(as_member: Client, row: Source) -> None:
    failed(row, "Langfuse answered HTTP 401: <b>Invalid</b> credentials.")
    for path in ("", "tracer/"):
        assert "&lt;b&gt;Invalid&lt;/b&gt; credentials" in as_member.get(HOME + path).content.decode()


def test_the_ledger_leads_back_to_its_source(as_member: Client, row: Source) -> None:
    sync = failed(row, "x")
    page = as_member.get(f"/projects/agent/imports/{sync.taking_id}/").content.decode()
    assert row.get_absolute_url() in page


def test_the_list_asks_no_query_a_source(as_member: Client, row: Source, django_assert_max_num_queries: object) -> None:
    for number in range(5):
        made = sourcing.create(row.project, kind="helicone", name=f"h{number}", given={"secret": "k"})
        failed(made, "x")
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        as_member.get(HOME)


def test_removing_keeps_what_it_brought(as_owner: Client, row: Source) -> None:
    sync = syncing.start(row, cause=SourceSync.Cause.BUTTON)
    as_owner.post(f"{HOME}tracer/remove")
    assert not Source.objects.exists()
    assert Import.objects.get(pk=sync.taking_id).state == "cancelled"
