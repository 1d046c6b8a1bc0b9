"""A project's sources: what may be entered, and how it is kept so that no secret can be read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from netra.addresses import check_base_url
from netra.errors import Conflict, Invalid, NotFound
from projects.models import Import, Project, Source, SourceSync
from projects.sources import vendors

MAX_SECRET_CHARS = 4_096
MAX_HISTORY_DAYS = 3_650
SHORTEST_INTERVAL_MIN, LONGEST_INTERVAL_MIN = 5, 43_200
PLAIN_FIELDS = ("history_days", "every_minutes", "is_enabled")
ADDING = "add"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


def create(project: Project, *, kind: str, name: str, given: Mapping[str, Any]) -> Source:
    """Add a source. Raises Invalid for a bad value, Conflict when the name is taken."""
    vendor = vendors.named(kind)
    if not _NAME.fullmatch(name):
        raise Invalid("A source's name is lower-case letters, digits, dashes and underscores.", field="name")
    if name == ADDING:
        raise Invalid(f"{ADDING} cannot be a name: it is the address of the page that adds one.", field="name")
    row = Source(project=project, kind=kind, name=name)
    _fill(row, {"account": "", **given, "base_url": given.get("base_url") or vendor.BASE_URL})
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Conflict(f"There is a source named {name} already.", code="name_taken") from None
    return row


def change(row: Source, given: Mapping[str, Any]) -> Source:
    """Change what is given; a secret that is not given stays. Raises Invalid."""
    # Else whoever may edit the address, but was never told the secret, could have it sent to a server of theirs.
    is_moved = "base_url" in given and given["base_url"].strip().rstrip("/") != row.base_url
    if is_moved and row.sealed_secret and not given.get("secret"):
        raise Invalid(f"When the base URL changes, the {_secret_name(row)} must be entered again.", field="secret")
    is_other_log = is_moved or ("account" in given and given["account"].strip() != row.account)
    _fill(row, given)
    if is_other_log:
        row.cursor = {}  # how far another log was read says nothing of this one
        cancel_open(row)
    row.n_failures = 0
    row.save()
    return row


def find(project: Project, name: str) -> Source:
    """A project's source. Raises NotFound."""
    found = Source.objects.select_related("project").filter(project=project, name=name).first()
    if found is None:
        raise NotFound(f"This project has no source named {name[:60]!r}.")
    return found


def with_latest(project: Project) -> list[Source]:
    """A project's sources, each with its newest sync as `latest`: three queries, however many there are."""
    mine = Source.objects.filter(project=project)
    newest = dict(mine.annotate(newest=Max("syncs")).values_list("pk", "newest"))
    found = SourceSync.objects.select_related("taking").in_bulk([pk for pk in newest.values() if pk])
    rows = list(mine.select_related("project"))
    for row in rows:
        row.latest = found.get(newest[row.pk] or 0)
        if row.latest is not None:
            row.latest.taking.project = project
    return rows


def shown(row: Source) -> dict[str, Any]:
    """What may be shown of a source in order to change it: never the secret."""
    return {"base_url": row.base_url, "account": row.account, **{name: getattr(row, name) for name in PLAIN_FIELDS}}


def checked_kind(kind: str) -> str:
    """The kind, if it is one. Raises NotFound."""
    if kind not in vendors.VENDORS:
        raise NotFound(f"There is no kind of source {kind[:40]!r}.")
    return kind


def remove(row: Source) -> None:
    """The source and its credentials go; the events and ledgers it brought stay. What is under way ends."""
    cancel_open(row)
    row.delete()


def cancel_open(row: Source) -> None:
    """What is under way stops after the page at hand; what was taken stays."""
    open_ones = row.syncs.unfinished().values_list("taking", flat=True)
    Import.objects.filter(pk__in=open_ones).update(state=Import.State.CANCELLED, finished_at=timezone.now())


def _fill(row: Source, given: Mapping[str, Any]) -> None:
    if "base_url" in given:
        row.base_url = _base_url(given["base_url"])
    if "account" in given:
        row.account = _text(given["account"], "account", most=200)
    for name in PLAIN_FIELDS:
        if name in given:
            setattr(row, name, given[name])
    if given.get("secret") is not None:
        row.set_secret(_text(given["secret"], "secret", most=MAX_SECRET_CHARS))
    # Only the command line sets this: a name chosen by a project's owner could be any secret of ours.
    if "secret_env" in given:
        row.secret_env = given["secret_env"]
    _check(row)


def _check(row: Source) -> None:
    if not row.sealed_secret and not row.secret_env:
        raise Invalid(f"Give the {_secret_name(row)}.", field="secret")
    if row.kind == Source.Kind.LANGFUSE and not row.account:
        raise Invalid("Give the public key as well.", field="account")
    if not 1 <= row.history_days <= MAX_HISTORY_DAYS:
        raise Invalid(f"The first sync reads between 1 and {MAX_HISTORY_DAYS:,} days.", field="history_days")
    every = row.every_minutes
    if every is not None and not SHORTEST_INTERVAL_MIN <= every <= LONGEST_INTERVAL_MIN:
        raise Invalid("The interval lies between 5 minutes and 30 days (43,200 minutes).", field="every_minutes")


def _secret_name(row: Source) -> str:
    """In the vendor's words, as they stand within a sentence: "secret key", but "API key"."""
    title = vendors.named(row.kind).SECRET
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _base_url(text: str) -> str:
    if not text.strip():
        raise Invalid("Give the base URL of the server, such as https://litellm.example.com.", field="base_url")
    if len(text) > 300:
        raise Invalid("The base URL is longer than 300 characters.", field="base_url")
    return check_base_url(text)


def _text(text: str, field: str, *, most: int) -> str:
    """Fit for a header. Raises Invalid, which does not repeat it."""
    text = text.strip()
    if len(text) > most or not text.isprintable() or not text.isascii():
        raise Invalid(f"This is printable ASCII text of at most {most:,} characters.", field=field)
    return text
