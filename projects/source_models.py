"""Where logs are fetched from, and each attempt at fetching. Projects and imports are named, not imported."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.urls import reverse
from django.utils import timezone

from netra import vault


class SourceQuerySet(models.QuerySet["Source"]):
    def scheduled(self) -> Self:
        return self.filter(is_enabled=True).exclude(every_minutes=None)


class Source(models.Model):
    """A vendor's log of this project: address, credentials, how far it was read, and how often it is asked."""

    class Kind(models.TextChoices):
        PORTKEY = "portkey", "Portkey"
        LANGFUSE = "langfuse", "Langfuse"
        LITELLM = "litellm", "LiteLLM proxy"
        HELICONE = "helicone", "Helicone"
        OPENAI = "openai", "OpenAI stored completions"
        OPENAI_BATCH = "openai_batch", "OpenAI batches"

    # A vendor that keeps failing is asked less and less often, down to once in this many times the interval.
    LONGEST_BACKOFF: ClassVar[int] = 16

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="sources")
    name = models.SlugField(max_length=60)
    kind = models.CharField(max_length=20, choices=Kind)
    base_url = models.CharField(max_length=300)
    account = models.CharField(max_length=200, blank=True, help_text="Public key, workspace or organisation.")
    sealed_secret = models.TextField(blank=True, editable=False)
    secret_hint = models.CharField(max_length=8, blank=True, editable=False)
    secret_env = models.CharField(max_length=100, blank=True, help_text="Named instead of kept; by command line only.")
    history_days = models.PositiveIntegerField(default=30, help_text="How far back the first sync reads.")
    every_minutes = models.PositiveIntegerField(null=True, blank=True, default=60, help_text="Empty: by hand only.")
    is_enabled = models.BooleanField(default=True)
    cursor = models.JSONField(default=dict, editable=False, help_text="Up to where everything was read.")
    n_failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    synced_at = models.DateTimeField(null=True, editable=False, help_text="When a sync last came to its end.")
    created_at = models.DateTimeField(default=timezone.now)

    # Set by sourcing.with_latest: its newest sync.
    latest: SourceSync | None

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("project", "name"), name="one_source_a_name"),)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("projects:source", args=[self.project.slug, self.name])

    def set_secret(self, secret: str) -> None:
        """Seal it; of a long one the last four characters can be shown afterwards, of a short one nothing."""
        self.sealed_secret = vault.seal(secret) if secret else ""
        self.secret_hint = f"…{secret[-4:]}" if len(secret) >= 16 else ""

    def secret(self) -> str:
        """To be sent, never shown. Raises Unavailable when it cannot be decrypted."""
        if self.secret_env:
            return os.environ.get(self.secret_env, "")
        return vault.unseal(self.sealed_secret) if self.sealed_secret else ""

    @property
    def secret_shown(self) -> str:
        """What a person may see of it."""
        if self.secret_env:
            return f"${self.secret_env}"
        return (self.secret_hint or "set") if self.sealed_secret else "none"

    @property
    def interval(self) -> timedelta | None:
        """How long to wait after a sync; longer after failures."""
        if self.every_minutes is None:
            return None
        return timedelta(minutes=self.every_minutes * min(1 << self.n_failures, self.LONGEST_BACKOFF))


class SourceSyncQuerySet(models.QuerySet["SourceSync"]):
    def unfinished(self) -> Self:
        return self.filter(taking__state__in=("queued", "running"))


class SourceSync(models.Model):
    """One attempt at reading a source up to now. Its state and counts are those of its import, the ledger."""

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        BUTTON = "button", "By hand"
        API = "api", "API"
        COMMAND = "command", "Command line"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="syncs")
    taking = models.OneToOneField("projects.Import", on_delete=models.CASCADE, related_name="sync")
    cause = models.CharField(max_length=10, choices=Cause)
    cursor = models.JSONField(default=dict, help_text="Where to go on after an interruption.")
    since: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    until = models.DateTimeField(default=timezone.now)
    window_since: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    window_until: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    n_received = models.BigIntegerField(default=0, help_text="Records that came.")
    n_checked = models.BigIntegerField(default=0, help_text="Records of windows for which the vendor gave a total.")
    n_expected = models.BigIntegerField(null=True, help_text="The vendor's own total of those windows.")
    n_tries = models.PositiveIntegerField(default=0, help_text="Failed in a row, without a record in between.")
    resume_at = models.DateTimeField(null=True, help_text="The vendor asked to wait until then.")
    remarks = models.JSONField(default=list, help_text="What the vendor withholds, in sentences.")

    objects = SourceSyncQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.source} up to {self.until:%Y-%m-%d %H:%M}"

    @property
    def is_reconciled(self) -> bool | None:
        """Whether as many records came as the vendor counts; None where it gives no total."""
        return None if self.n_expected is None else self.n_expected == self.n_checked

    @property
    def share_done(self) -> float | None:
        """Of the time to be read, in [0, 1]; None where the vendor is not read by time."""
        if self.since is None or self.window_since is None or self.until <= self.since:
            return None
        return min(1.0, max(0.0, (self.window_since - self.since) / (self.until - self.since)))
