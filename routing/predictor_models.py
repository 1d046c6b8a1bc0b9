"""What the predictor learns from, and what it learnt."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from projects.models import Project


class JudgedPair(models.Model):
    """How much better an option answered a logged call than the default did, in [-1, 1]; the words stay in the log."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    option = models.CharField(max_length=200)
    default_option = models.CharField(max_length=200)
    event_id = models.CharField(max_length=32)
    difference = models.FloatField()
    default_quality = models.FloatField(
        null=True, blank=True, help_text="Of the default by itself, in [0, 1]; empty where only the two were compared."
    )
    source = models.CharField(max_length=120)
    learnt_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="Of a live answer; else empty.")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("project", "default_option", "option", "event_id"), name="one_judged_pair_a_call"
            ),
        )

    def __str__(self) -> str:
        return f"{self.option} against {self.default_option} on {self.event_id}: {self.difference:+.3f}"


class TrainedPredictorQuerySet(models.QuerySet["TrainedPredictor"]):
    def current(self) -> Self:
        """The newest version for each default."""
        return self.filter(is_current=True)


class TrainedPredictor(models.Model):
    """One training against one default. A new one is a new version; of the older ones only the reports stay."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    default_option = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    artefact = models.BinaryField(default=bytes, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Empty: there was too little to learn from.")
    n_pairs = models.PositiveIntegerField(help_text="Judged pairs there were, also those whose calls are gone.")
    report = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)
    trained_at = models.DateTimeField(default=timezone.now)

    objects = TrainedPredictorQuerySet.as_manager()

    class Meta:
        ordering = ("default_option", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "default_option", "version"), name="one_predictor_a_version"),
            models.UniqueConstraint(
                fields=("project", "default_option"), condition=models.Q(is_current=True), name="one_current_predictor"
            ),
        )

    def __str__(self) -> str:
        return f"against {self.default_option} v{self.version}"
