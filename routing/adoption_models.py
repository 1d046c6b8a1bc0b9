"""What was expected of a policy when it was put in use."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from projects.models import Project


class PolicyForecast(models.Model):
    """Estimates of a policy's version from the log before it: what comes of it is held against them."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    policy = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    default_option = models.CharField(max_length=200)
    made_at = models.DateTimeField(default=timezone.now)
    n_decisions = models.PositiveIntegerField(help_text="Logged decisions it was estimated from.")
    measures = models.JSONField(help_text="By measure: what was logged before, what was foreseen, the difference.")
    caveat = models.CharField(max_length=300, blank=True, help_text="Why nothing is foreseen; empty: something is.")

    class Meta:
        ordering = ("-made_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("project", "policy", "version"), name="one_forecast_a_policy_version"),
        )

    def __str__(self) -> str:
        return f"{self.policy} v{self.version}"
