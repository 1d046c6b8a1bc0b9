"""What a project's people come back to: questions kept under a name, and the digest sent to them on a schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from netra import vault


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, user_id: int | None) -> Self:
        """Shared ones, and the person's own; None is an API key, whose own ones are always shared."""
        return self.filter(Q(is_shared=True) | Q(owner__isnull=False, owner_id=user_id))


class SavedView(models.Model):
    """A page of the project with its question. `query` is only ever put behind that page's own address."""

    class Page(models.TextChoices):
        ANALYTICS = "analytics", "Analytics"
        LOGS = "events", "Logs"
        OVERVIEW = "overview", "Overview"
        CACHE = "cache", "Prompt cache"

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=80)
    page = models.CharField(max_length=20, choices=Page)
    query = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=("project", "owner", "name"), name="one_view_a_name"),)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("projects:saved_view", args=[self.project.slug, self.pk])

    @property
    def target(self) -> str:
        """Where it leads: always a page of its own project."""
        url = reverse(f"projects:{self.Page(self.page).value}", args=[self.project.slug])
        return f"{url}?{self.query}" if self.query else url


class Digest(models.Model):
    """What a project's people are told each day or week. `…_until`: the end of the last period that reached them."""

    class Cadence(models.TextChoices):
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every Monday"

    project = models.OneToOneField("projects.Project", on_delete=models.CASCADE, related_name="digest")
    cadence = models.CharField(max_length=10, choices=Cadence, default=Cadence.WEEKLY)
    to_members = models.BooleanField(default=True)
    webhook_url = models.CharField(max_length=300, blank=True)
    sealed_secret = models.TextField(blank=True, editable=False)
    mailed_until: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True, editable=False)
    posted_until: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True, editable=False)
    tried_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    sentence = models.TextField(blank=True, editable=False, help_text="Why the last try came to nothing.")

    def __str__(self) -> str:
        return f"{self.get_cadence_display()} to {self.project}"

    @property
    def is_on(self) -> bool:
        return self.to_members or bool(self.webhook_url)

    def secret(self) -> str:
        """To sign with, never shown. Raises Unavailable when it cannot be decrypted."""
        return vault.unseal(self.sealed_secret)
