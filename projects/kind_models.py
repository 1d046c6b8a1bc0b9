"""Kinds of work found in a project's calls: each fit with what it knows, its kinds, and the calls it has seen."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.urls import reverse
from django.utils import timezone


class KindFitQuerySet(models.QuerySet["KindFit"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=(KindFit.State.QUEUED, KindFit.State.RUNNING))

    def done(self) -> Self:
        return self.filter(state=KindFit.State.DONE)


class KindFit(models.Model):
    """One version of a project's kinds of work; the newest that is done holds. `report`: what it knows beside them."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="kind_fits")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    sentence = models.TextField(blank=True, help_text="Why it failed.")
    step = models.CharField(max_length=80, blank=True, help_text="What it is doing.")
    n_done = models.PositiveIntegerField(default=0)
    n_total = models.PositiveIntegerField(default=0)
    seed = models.BigIntegerField(help_text="The same log and seed give the same kinds.")
    started_by = models.ForeignKey("projects.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    finished_at: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    heartbeat_at: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    since: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    until: models.DateTimeField[Any, datetime | None] = models.DateTimeField(null=True)
    assigned_until: models.DateTimeField[Any, datetime | None] = models.DateTimeField(
        null=True, help_text="Calls that came into the log up to then are in it."
    )
    embedding_model = models.CharField(max_length=200, blank=True)
    is_with_system = models.BooleanField(default=False, help_text="Instructions differ, so they count too.")
    cut = models.FloatField(null=True, help_text="Cosine distance up to which prompts are one kind.")
    agreement = models.FloatField(null=True, help_text="Of kinds found in halves of the sample, in [0, 1].")
    kept_share = models.FloatField(null=True, help_text="Of calls that stay in the kind of the fit before.")
    n_calls = models.BigIntegerField(default=0, help_text="Demand in the window.")
    n_private = models.BigIntegerField(default=0)
    n_without_prompt = models.BigIntegerField(default=0)
    n_sampled = models.PositiveIntegerField(default=0)
    n_embedded = models.PositiveIntegerField(default=0, help_text="Different texts.")
    seconds = models.FloatField(default=0.0, help_text="Spent on embedding.")
    report = models.JSONField(default=dict)

    objects = KindFitQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"kinds of work in {self.project}, {self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("projects:kinds", args=[self.project.slug])

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)

    @property
    def share_done(self) -> float | None:
        return min(1.0, self.n_done / self.n_total) if self.n_total else None


class WorkKind(models.Model):
    """A kind of work in one fit. `number` is the same in every fit of the project that finds it again."""

    class NamedBy(models.TextChoices):
        TERMS = "terms", "its own terms"
        MODEL = "model", "a model"
        PERSON = "person", "a person"

    LONGEST_NAME: ClassVar[int] = 80

    fit = models.ForeignKey(KindFit, on_delete=models.CASCADE, related_name="kinds")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=LONGEST_NAME)
    named_by = models.CharField(max_length=10, choices=NamedBy, default=NamedBy.TERMS)
    is_new = models.BooleanField(default=False, help_text="The fit before did not have it.")
    terms = models.JSONField(default=list)
    shapes = models.JSONField(default=list, help_text="Templates: (text, is a place) in order, and how many fit.")
    centre = models.BinaryField(help_text="Unit vector, 32-bit floats.")
    radius = models.FloatField(help_text="Least similarity to belong.")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("fit", "number"), name="one_kind_a_number"),)

    def __str__(self) -> str:
        return self.name


class KindMember(models.Model):
    """A call that a fit looked at, with its figures as they were then. `number` None is unlike any kind."""

    fit = models.ForeignKey(KindFit, on_delete=models.CASCADE, related_name="members")
    number = models.PositiveIntegerField(null=True)
    event_id = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    text_digest = models.CharField(max_length=24)
    similarity = models.FloatField()
    stands_for = models.FloatField(help_text="So many calls of its stratum.")
    is_arrival = models.BooleanField(default=False, help_text="Came after the fit.")
    cost_usd = models.DecimalField(max_digits=18, decimal_places=12, null=True)
    duration_ms = models.FloatField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("fit", "event_id"), name="one_look_a_call"),)
        indexes = (models.Index(fields=("fit", "text_digest")),)

    def __str__(self) -> str:
        return f"{self.event_id} in kind {self.number}"


class EmbeddingDay(models.Model):
    """What a project's embeddings cost on one day (UTC); their number is bounded by a setting."""

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    n_prompts = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0)

    class Meta:
        ordering = ("-day",)
        constraints = (models.UniqueConstraint(fields=("project", "day"), name="one_row_a_day"),)

    def __str__(self) -> str:
        return f"{self.n_prompts} prompts on {self.day}"
