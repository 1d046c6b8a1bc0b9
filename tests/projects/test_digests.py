"""The digest: what it tells, when it is due, that each way gets it once, and what its page and API let whom do."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from netra.errors import Conflict, Invalid
from netra.tokens import Tokens
from projects import digest_sending, digests, log
from projects.models import AuditEntry, Digest, Project
from projects.tasks import send_digests
from tests import factories
from tests.projects import vendors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]

NOW = datetime(2026, 11, 4, 9, 30, tzinfo=UTC)  # a Wednesday
PAGE, API = "/projects/agent/settings/digest", "/api/v1/projects/agent/digest"
GIVEN = {"cadence": "daily", "to_members": True, "webhook_url": ""}


@pytest.fixture(autouse=True)
def mail_server(settings: Any) -> None:
    settings.HAS_MAIL, settings.PUBLIC_URL = True, "https://netra.example"


@pytest.fixture
def calls(project: Project) -> None:
    """Two calls on Tuesday, one of them failed, and one a week before; at 2 USD in and 8 USD out a million."""
    factories.supply_option("openai/gpt-4o-mini")
    tuesday = datetime(2026, 11, 3, 12, tzinfo=UTC)
    answered = factories.event("a", started_at=tuesday, tokens=Tokens(input_fresh=200_000, output_visible=12_500))
    failed = factories.event(
        "b", started_at=tuesday, outcome="provider_error", duration_ms=None, tokens=Tokens(), response=None
    )
    earlier = tuesday - timedelta(days=7)
    before = factories.event("c", started_at=earlier, tokens=Tokens(input_fresh=100_000, output_visible=6_250))
    log.write(project.pk, [answered, failed, before])


def made(project: Project, **given: Any) -> Digest:
    row = digest_sending.of(project)
    digest_sending.change(row, **{**GIVEN, **given}, now=NOW - timedelta(days=1))
    return row


@pytest.mark.parametrize(("cadence", "since", "until"), [("daily", "11-03", "11-04"), ("weekly", "10-26", "11-02")])
def test_periods_are_whole_days_and_weeks(cadence: str, since: str, until: str) -> None:
    assert [f"{at:%m-%d}" for at in digests.period(cadence, NOW)] == [since, until]


def test_figures_stand_beside_those_of_the_week_before(project: Project, calls: None) -> None:
    told = digests.build(project, "daily", NOW)
    assert (told.now["n_calls"], told.now["n_errors"], told.before["n_calls"]) == (2, 1, 1)
    assert (told.now["spent_usd"], told.before["spent_usd"]) == (Decimal("0.5"), Decimal("0.25"))


def test_what_changed_adds_up(project: Project, calls: None) -> None:
    told = digests.build(project, "daily", NOW)
    parts = [told.change[name] for name in ("price", "volume", "length", "mix")]
    assert sum(parts) == told.change["change"] == Decimal("0.25") and "Spend changed by +$0.25" in digests.as_text(told)


def test_an_empty_log_is_unknown_and_not_nought(project: Project) -> None:
    text = digests.as_text(digests.build(project, "weekly", NOW))
    assert "Spend: unknown (a week before unknown)" in text and "Calls: 0" in text


def test_everyone_here_is_mailed_alone_and_strangers_not(project: Project, stranger: Any, calls: None) -> None:
    assert digest_sending.send(made(project), NOW) == ""
    assert sorted(each.to[0] for each in mail.outbox) == [f"{who}@example.com" for who in ("member", "owner", "viewer")]
    assert "https://netra.example/projects/agent/" in str(mail.outbox[0].body)


def test_a_hostile_name_is_only_text(project: Project, calls: None) -> None:
    project.name = "a\r\nBcc: x@evil.example<script>alert(1)</script>"
    project.save()
    digest_sending.send(made(project), NOW)
    html = str(mail.outbox[0].alternatives[0][0])
    assert "\n" not in mail.outbox[0].subject and "<script" not in html and "Bcc" not in mail.outbox[0].message()


def test_each_period_is_sent_once(project: Project) -> None:
    row = made(project)
    assert [each.pk for each in digest_sending.due(NOW)] == [row.pk]
    assert digest_sending.send_due(row, NOW) and len(mail.outbox) == 3
    assert digest_sending.due(NOW) == [] and digest_sending.due(NOW + timedelta(hours=3)) == []
    assert digest_sending.due(NOW + timedelta(days=1)) == [row]


def test_two_workers_do_not_send_the_same(project: Project) -> None:
    made(project)
    first, second = Digest.objects.get(), Digest.objects.get()
    assert [digest_sending.send_due(each, NOW) for each in (first, second)] == [True, False]
    assert len(mail.outbox) == 3


def test_what_is_switched_on_waits_for_the_next_period(project: Project) -> None:
    digest_sending.change(digest_sending.of(project), **GIVEN, now=NOW)
    assert digest_sending.due(NOW) == [] and len(digest_sending.due(NOW + timedelta(days=1))) == 1


def test_beat_sends_what_is_due(project: Project) -> None:
    made(project)
    send_digests()
    assert len(mail.outbox) == 3 and Digest.objects.get().sent_at is not None


def test_without_a_mail_server_it_says_so(project: Project, settings: Any) -> None:
    settings.HAS_MAIL = False
    digest_sending.send_due(made(project), NOW)
    assert "EMAIL_URL is not set" in Digest.objects.get().sentence and not mail.outbox
    assert digest_sending.due(NOW) == [] and digest_sending.due(NOW + timedelta(hours=1))


def test_a_webhook_gets_signed_json(project: Project, calls: None) -> None:
    heard: list[vendors.Asked] = []
    with vendors.answering(lambda asked: (heard.append(asked), (200, {}))[1]) as base:
        row = digest_sending.of(project)
        secret = digest_sending.change(row, cadence="daily", to_members=False, webhook_url=f"{base}/in", now=NOW)
        assert digest_sending.send(row, NOW, again=True) == ""
    told, signed = heard[0].body, dict(each.split("=") for each in heard[0].headers["netra-signature"].split(","))
    assert (told["project"], told["figures"]["spent_usd"]) == ("agent", "0.5")
    text = f"{signed['t']}.{json.dumps(told, separators=(',', ':'), ensure_ascii=False)}"
    assert signed["v1"] == hmac.new(str(secret).encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("status", "sentence"), [(500, "HTTP 500"), (302, "redirect")])
def test_a_refused_webhook_does_not_mail_again(project: Project, status: int, sentence: str) -> None:
    with vendors.answering(lambda _: (status, {}, {"Location": "http://127.0.0.1:9/"})) as base:
        row = made(project, webhook_url=base)
        assert sentence in digest_sending.send(row, NOW) and len(mail.outbox) == 3
        assert sentence in digest_sending.send(row, NOW) and len(mail.outbox) == 3
    assert Digest.objects.get().posted_until == digests.period("daily", NOW - timedelta(days=1))[1]


@pytest.mark.parametrize("url", ["http://10.0.0.1/in", "http://127.0.0.1:9"])
def test_an_address_out_of_bounds_is_not_called(project: Project, settings: Any, url: str) -> None:
    row = made(project, to_members=False, webhook_url=url)
    settings.PRIVATE_PROVIDERS = False
    assert "private address" in digest_sending.send(row, NOW)


@pytest.mark.parametrize("url", ["ftp://x", "https://user:pw@host", "javascript:alert(1)", "https://x/?token=1"])
def test_what_is_no_address_is_refused(project: Project, url: str) -> None:
    with pytest.raises(Invalid, match="webhook's address"):
        made(project, webhook_url=url)
    assert not Digest.objects.exists()


def test_the_metadata_of_a_cloud_machine_is_no_webhook(project: Project) -> None:
    with pytest.raises(Invalid, match="private addresses") as caught:
        made(project, webhook_url="http://169.254.169.254/latest")
    assert caught.value.field == "webhook_url"


def test_an_unknown_cadence_is_refused(project: Project) -> None:
    with pytest.raises(Invalid, match="one of daily, weekly"):
        made(project, cadence="hourly")


def test_the_secret_is_shown_once_and_renewed_on_request(as_owner: Client, project: Project) -> None:
    given = {"cadence": "weekly", "webhook_url": "http://127.0.0.1:9/in"}
    secret = re.search(r"netra_hook_[\w-]+", as_owner.post(PAGE, given).content.decode())
    assert secret and secret[0] == Digest.objects.get().secret() and secret[0] not in Digest.objects.get().sealed_secret
    assert "netra_hook_" not in as_owner.get(PAGE).content.decode() and as_owner.post(PAGE, given).status_code == 302
    assert secret[0] not in as_owner.post(PAGE, {**given, "is_renewed": "on"}).content.decode()


def test_a_wrong_address_stays_in_the_form(as_owner: Client, project: Project) -> None:
    page = as_owner.post(PAGE, {"cadence": "daily", "webhook_url": "ftp://x/in"}).content.decode()
    assert "must start with http" in page and "ftp://x/in" in page and not Digest.objects.exists()


def test_it_is_the_owners(as_member: Client, as_stranger: Client, project: Project) -> None:
    asked = [(who, path) for who in (as_member, as_stranger) for path in (PAGE, API)]
    assert [who.get(path).status_code for who, path in asked] == [403, 403, 404, 404]
    assert [who.post(f"{PAGE}/send").status_code for who in (as_member, as_stranger)] == [403, 404]
    assert factories.api_client(project).put(API, GIVEN, content_type="application/json").status_code == 403


def test_an_owner_sends_it_by_hand(as_owner: Client, project: Project) -> None:
    as_owner.post(PAGE, {"cadence": "daily", "to_members": "on"})
    assert "Send it now" in as_owner.get(PAGE).content.decode()
    assert as_owner.post(f"{PAGE}/send").status_code == 302 and len(mail.outbox) == 3
    assert AuditEntry.objects.filter(action="digest_sent").exists()


def test_the_api_sets_it_up_and_previews_it(as_owner: Client, as_stranger: Client, project: Project) -> None:
    told = as_owner.put(API, {**GIVEN, "webhook_url": "http://127.0.0.1:9"}, content_type="application/json").json()
    assert told["new_secret"] and as_owner.get(API).json()["new_secret"] is None
    assert as_owner.get(f"{API}/preview").json()["kind"] == "netra.digest"
    assert as_stranger.get(f"{API}/preview").status_code == 404


def told_by_command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("send_digest", *arguments, stdout=out)
    return out.getvalue()


def test_a_dry_run_prints_and_sends_nothing(project: Project) -> None:
    made(project)
    assert "Calls: 0" in told_by_command("agent", "--dry-run", "--cadence", "weekly") and not mail.outbox


def test_the_command_sends(project: Project) -> None:
    made(project)
    assert told_by_command("agent") == "Sent.\n" and len(mail.outbox) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["nowhere"], "no project"), (["agent"], "goes to nobody"), (["agent", "--cadence", "daily"], "with --dry-run")],
)
def test_what_cannot_be_sent_is_told(project: Project, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        told_by_command(*arguments)


def test_a_digest_that_is_off_is_not_sent(project: Project) -> None:
    with pytest.raises(Conflict, match="goes to nobody"):
        digest_sending.send(made(project, to_members=False), NOW)
