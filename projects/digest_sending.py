"""Who gets the digest and when: its settings, what is due, and sending it by e-mail and webhook, each once a period."""

from __future__ import annotations

from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q

from netra import vault, webhooks
from netra.addresses import check_base_url
from netra.errors import Conflict, Invalid, NetraError, Unavailable
from netra.numbers import written_as
from projects import digests
from projects.digests import Told
from projects.models import Digest, Project, User

# A try that failed, or whose process was killed, is made again after this long.
RETRY_AFTER = timedelta(minutes=30)


def of(project: Project) -> Digest:
    """The project's digest; one that is off where nobody has set it up."""
    return Digest.objects.filter(project=project).first() or Digest(project=project, to_members=False)


def change(
    row: Digest, *, cadence: str, to_members: bool, webhook_url: str, is_renewed: bool = False, now: datetime
) -> str | None:
    """Returns the webhook's secret when a new one was made: it cannot be read again. Raises Invalid.

    What is switched on begins with the next period: nobody is sent the last one at once.
    """
    if cadence not in Digest.Cadence.values:
        raise Invalid(f"The cadence is one of {', '.join(Digest.Cadence.values)}.", field="cadence")
    url = _checked(webhook_url)
    _, until = digests.period(cadence, now)
    if to_members and not row.to_members:
        row.mailed_until = until
    secret = None
    if url and (is_renewed or url != row.webhook_url):
        secret = vault.new_key("netra_hook")
        row.sealed_secret, row.posted_until = vault.seal(secret), until
    row.cadence, row.to_members, row.webhook_url = cadence, to_members, url
    row.sentence, row.tried_at = "", None
    row.save()
    return secret


def _checked(url: str) -> str:
    try:
        return check_base_url(url) if url.strip() else ""
    except Invalid as problem:
        raise Invalid(str(problem).replace("base URL", "webhook's address"), field="webhook_url") from None


def due(now: datetime) -> list[Digest]:
    """Those whose period has ended and who were not told of it yet."""
    is_free = Q(tried_at=None) | Q(tried_at__lt=now - RETRY_AFTER)
    return [row for row in Digest.objects.select_related("project").filter(is_free) if _waits(row, now)]


def _waits(row: Digest, now: datetime) -> bool:
    _, until = digests.period(row.cadence, now)
    return (row.to_members and _is_before(row.mailed_until, until)) or (
        bool(row.webhook_url) and _is_before(row.posted_until, until)
    )


def _is_before(reached: datetime | None, until: datetime) -> bool:
    return reached is None or reached < until


def send_due(row: Digest, now: datetime) -> bool:
    """Claimed by its time of trying, so that two workers never send the same. A failure is noted, and tried again."""
    if not Digest.objects.filter(pk=row.pk, tried_at=row.tried_at).update(tried_at=now):
        return False
    row.refresh_from_db()
    try:
        if _waits(row, now):
            send(row, now)
    except NetraError as problem:
        Digest.objects.filter(pk=row.pk).update(sentence=str(problem))
    return True


def send(row: Digest, now: datetime, *, again: bool = False) -> str:
    """To everyone it was not sent to for this period, or `again` to all. Returns what went wrong, empty if nothing.

    Raises Conflict when it is off.
    """
    if not row.is_on:
        raise Conflict("This project's digest goes to nobody; set it up first.", code="digest_off")
    told = digests.build(row.project, row.cadence, now)
    problems = []
    if row.to_members and (again or _is_before(row.mailed_until, told.until)):
        problems += _tried(row, "mailed_until", told)
    if row.webhook_url and (again or _is_before(row.posted_until, told.until)):
        problems += _tried(row, "posted_until", told)
    row.sentence = " ".join(problems)
    row.sent_at = row.sent_at if problems else now
    row.save(update_fields=["sentence", "sent_at"])
    return row.sentence


def _tried(row: Digest, reached: str, told: Told) -> list[str]:
    """Each way is noted by itself: what went out is not sent again because the other failed."""
    try:
        if reached == "mailed_until":
            _mail(told)
        else:
            webhooks.post(row.webhook_url, digests.as_json(told), secret=row.secret())
    except NetraError as problem:
        return [str(problem)]
    setattr(row, reached, told.until)
    row.save(update_fields=[reached])
    return []


def _mail(told: Told) -> None:
    """One message a person, with numbers as they have them written. Raises Unavailable when nobody could be reached."""
    if not settings.HAS_MAIL:
        raise Unavailable("This installation has no mail server: EMAIL_URL is not set.")
    people = list(User.objects.filter(is_active=True, memberships__project=told.project))
    if people and not sum(_reached(person, told) for person in people):
        raise Unavailable("The mail server could not be reached, or took no message.")


def _reached(person: User, told: Told) -> bool:
    with written_as(person.number_format):
        message = EmailMultiAlternatives(told.title, digests.as_text(told), to=[person.email])
        message.attach_alternative(digests.as_html(told), "text/html")
    try:
        return bool(message.send())
    except (SMTPException, OSError):
        return False
