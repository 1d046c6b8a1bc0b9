"""Saved views, digests and exports given what nobody sends by accident: an answer or a sentence, never a failure."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest
from django.core import mail
from django.test import Client

from netra.tokens import Tokens
from projects import digest_sending, digests, log, saved_views
from projects.analytics import exports
from projects.analytics.answers import Answer, Column
from projects.models import Membership, Project, SavedView, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

NOW = datetime(2026, 11, 4, 9, 30, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 3, 12, tzinfo=UTC)
HOSTILE = {
    "null": "a\0b",
    "half a character": "a\ud800b",
    "long": "x" * 10_000,
    "long and wide": "💥" * 10_000,
    "markup": "\"'><script>alert(1)</script>{{ 7|add:7 }}",
    "lines": "a\r\nBcc: x@evil.example\r\n\r\nb",
    "a formula": '=HYPERLINK("//evil","a")',
    "turned": "\u202eabc\u2066",
    "a statement": "') OR 1=1 --",
    "a pattern": "%_\\*?[a-z",
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
VIEWS, API = "/projects/agent/views/", "/api/v1/projects/agent/views"
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠A"]


def sent(client: Client, path: str, given: dict[str, str]) -> Any:
    """A form as a browser would not send it: half characters and all."""
    body = urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in given.items()})
    return client.post(path, body, content_type="application/x-www-form-urlencoded")


@hostile
def test_any_name_of_a_view_is_kept_as_text_or_refused(as_member: Client, project: Project, text: str) -> None:
    given = {"name": text, "page": "events", "query": "model=a", "is_shared": "on"}
    assert sent(as_member, f"{VIEWS}save", given).status_code in (302, 400)
    shown = as_member.get(VIEWS)
    assert shown.status_code == 200 and "<script>alert" not in shown.content.decode()
    assert as_member.get("/projects/agent/settings/").status_code == 200  # with its line of the audit


@hostile
@pytest.mark.parametrize("field", ["name", "page", "query"])
def test_the_api_keeps_or_refuses_any_text(as_member: Client, project: Project, field: str, text: str) -> None:
    body = json.dumps({"name": "a", "page": "events", "query": "", field: text})
    assert as_member.post(API, body, content_type="application/json").status_code in (201, 400, 409, 422)
    assert as_member.get(API).status_code == 200


@hostile
@pytest.mark.parametrize(
    ("page", "field"),
    [("events", "model"), ("events", "search"), ("analytics", "dimensions"), ("overview", "by"), ("cache", "days")],
)
def test_a_view_of_any_question_opens(as_member: Client, project: Project, page: str, field: str, text: str) -> None:
    log.write(project.pk, [factories.event()])
    query = urlencode({field: text.encode("utf-8", "surrogatepass")})
    as_member.post(f"{VIEWS}save", {"name": "a", "page": page, "query": query})
    for row in SavedView.objects.all():
        opened = as_member.get(row.get_absolute_url(), follow=True)
        assert opened.status_code in (200, 400, 422) and "<script>alert" not in opened.content.decode()


def test_the_number_of_anothers_view_opens_nothing(as_stranger: Client, project: Project, owner: User) -> None:
    """Neither in the project it is of, nor by the address of one's own."""
    shared = saved_views.save(project, by=owner, name="Ours", page="events", is_shared=True)
    other = factories.project("other")
    Membership.objects.create(project=other, user=User.objects.get(email="stranger@example.com"), role="owner")
    for slug in ("agent", "other"):
        assert as_stranger.get(f"/projects/{slug}/views/{shared.pk}/").status_code == 404
        assert as_stranger.post(f"/projects/{slug}/views/{shared.pk}/remove").status_code == 404
        assert as_stranger.delete(f"/api/v1/projects/{slug}/views/{shared.pk}").status_code == 404
    for number in ("0", "-1", "9" * 30, "1%00", "a"):
        assert as_stranger.get(f"/projects/other/views/{number}/").status_code == 404
    assert SavedView.objects.get() == shared


def mailed(project: Project, settings: Any) -> list[Any]:
    """The messages as a mail program reads them."""
    settings.HAS_MAIL, settings.PUBLIC_URL = True, "https://netra.example"
    row = digest_sending.of(project)
    given = {"cadence": "daily", "to_members": True, "webhook_url": ""}
    digest_sending.change(row, **given, now=NOW - timedelta(days=1))
    assert digest_sending.send(row, NOW) == ""
    return [message_from_bytes(each.message().as_bytes(), policy=policy.default) for each in mail.outbox]


def part(message: Any, kind: str) -> str:
    (found,) = (each for each in message.walk() if each.get_content_type() == kind)
    return str(found.get_content())


@pytest.mark.parametrize("text", [text for name, text in HOSTILE.items() if name not in ("null", "half a character")])
def test_a_projects_name_is_one_line_of_a_mail_and_no_markup(project: Project, settings: Any, text: str) -> None:
    Project.objects.filter(pk=project.pk).update(name=text[:100])
    project.refresh_from_db()
    messages = mailed(project, settings)
    assert len(messages) == len(mail.outbox) == 3
    for message in messages:
        assert set(message.keys()) == {"Subject", "From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"}
        assert len(str(message["Subject"]).splitlines()) == 1 and message["Bcc"] is None
        assert "<script" not in part(message, "text/html")
        assert "\u202e" not in part(message, "text/plain") + part(message, "text/html")
        assert "Bcc" not in [line[:3] for line in part(message, "text/plain").splitlines()]


def test_names_out_of_a_log_are_one_line_of_a_mail_and_no_markup(project: Project, settings: Any) -> None:
    factories.supply_option("openai/gpt-4o-mini")
    spent = Tokens(input_fresh=200_000, output_visible=12_500)
    for at, text in enumerate(HOSTILE.values()):
        name = text.replace("\0", "").encode("utf-8", "ignore").decode()
        each = {"started_at": TUESDAY, "tokens": spent, "requested_model": name, "cost_recorded_usd": Decimal(1 + at)}
        log.write(project.pk, [factories.event(f"r{at}", **each)])
    for message in mailed(project, settings):
        assert "<script" not in part(message, "text/html")
        reasons = [line for line in part(message, "text/plain").splitlines() if line.startswith("- ")]
        assert len(reasons) == 1 + digests.MOST_DRIVERS
        assert max(map(len, part(message, "text/plain").splitlines())) < 400


@hostile
@pytest.mark.parametrize("field", ["cadence", "webhook_url"])
def test_a_digest_is_not_set_up_with_odd_texts(as_owner: Client, project: Project, field: str, text: str) -> None:
    given = {"cadence": "daily", "to_members": "on", "webhook_url": "", field: text}
    assert sent(as_owner, "/projects/agent/settings/digest", given).status_code == 200
    body = json.dumps({**given, "to_members": True})
    told = as_owner.put("/api/v1/projects/agent/digest", body, content_type="application/json")
    assert told.status_code in (400, 422)
    assert not digest_sending.of(project).is_on


@hostile
@pytest.mark.parametrize("field", ["model", "kind", "search", "since", "format", "purpose"])
def test_an_export_of_any_filter_is_a_whole_file_or_refused(
    as_member: Client, project: Project, field: str, text: str
) -> None:
    log.write(project.pk, [factories.event()])
    query = urlencode({field: text.encode("utf-8", "surrogatepass")})
    for path in ("/projects/agent/export", "/api/v1/projects/agent/export"):
        answer = as_member.get(f"{path}?{query}")
        assert answer.status_code in (200, 400, 404, 422)
        if getattr(answer, "streaming", False):
            body = b"".join(answer.streaming_content)  # type: ignore[arg-type]
            assert all(isinstance(json.loads(line), dict) for line in body.splitlines())


@pytest.mark.parametrize("path", ["/projects/agent/export", "/projects/agent/analytics/?analysis=aggregate"])
@pytest.mark.parametrize("format_", ["csv", "parquet", "jsonl"])
def test_a_stranger_gets_no_file(as_stranger: Client, project: Project, path: str, format_: str) -> None:
    log.write(project.pk, [factories.event()])
    mark = "&" if "?" in path else "?"
    assert as_stranger.get(f"{path}{mark}format={format_}").status_code == 404
    assert Client().get(f"{path}{mark}format={format_}").status_code == 302


def answer_of(*texts: str) -> Answer:
    columns = (Column("kind", "Kind", "text", "dimension"), Column("calls", "Calls", "calls", "figure"))
    return Answer("aggregate", TUESDAY, NOW, columns=columns, rows=tuple((text, -1) for text in texts))


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))[1:]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    ((first, number),) = cells(exports.as_csv(answer_of(text)))
    assert first == f"'{text}" and number == "-1"  # figures are Netra's own


@hostile
def test_any_text_is_one_cell(text: str) -> None:
    ((first, _),) = cells(exports.as_csv(answer_of(text)))
    readable = text.encode("utf-8", "replace").decode()
    assert first in (readable, f"'{readable}")
    found = pq.read_table(io.BytesIO(exports.as_parquet(answer_of(text))))
    assert found.column("kind").to_pylist() == [readable]


def test_a_model_that_looks_like_a_formula_is_text_in_the_pages_file(as_viewer: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r", requested_model='=cmd|"/c calc"!A1')])
    asked = {"analysis": "aggregate", "dimensions": "model", "figures": "calls", "format": "csv"}
    told = as_viewer.get("/projects/agent/analytics/", asked)
    assert told.status_code == 200 and cells(told.content) == [['\'=cmd|"/c calc"!A1', "1"]]
