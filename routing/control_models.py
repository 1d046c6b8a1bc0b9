"""What a project asks of the gateway beside routing, and what checking its cache found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from projects.models import Project

DAY_S = 86_400


class GatewayControls(models.Model):
    """One project's response caches and guardrails. Without a row nothing of it happens."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+")
    exact_cache = models.BooleanField(default=False)
    semantic_cache = models.BooleanField(default=False)
    ttl_s = models.PositiveIntegerField(default=DAY_S)
    max_entries = models.PositiveIntegerField(default=10_000)
    similarity = models.FloatField(default=0.97, help_text="Least cosine of two questions that are taken for one.")
    check_share = models.FloatField(default=0.05, help_text="Of semantic hits, those that the model answers anew.")
    max_false_share = models.FloatField(default=0.05, help_text="Of semantic hits; past it the semantic cache stops.")
    guardrails = models.JSONField(default=list, blank=True)
    counted_from = models.DateTimeField(default=timezone.now, help_text="Checks count from here: the setting changed.")
    cleared_at = models.DateTimeField(default=timezone.now, help_text="Answers kept before are not given any more.")
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="When checks stopped the semantic cache.")
    stopped_because = models.CharField(max_length=300, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"controls of {self.project}"


class CacheCheck(models.Model):
    """One semantic hit that the model answered all the same: whether the two answers agree. Words stay in the log."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    event_id = models.CharField(max_length=32)
    asked_at = models.DateTimeField()
    similarity = models.FloatField(help_text="Of the two questions.")
    agrees = models.BooleanField(null=True, help_text="Empty: one of the answers is gone or has no words.")
    how = models.CharField(max_length=20)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("project", "event_id"), name="one_cache_check_a_call"),)

    def __str__(self) -> str:
        return f"{self.event_id}: {self.how}"
