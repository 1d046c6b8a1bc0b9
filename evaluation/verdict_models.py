"""What the evidence says to do, and who took note of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from projects.models import Project


class Recommendation(models.Model):
    """What the evidence says to do. Nothing acts on it by itself: a person acknowledges it, and switches."""

    class Verdict(models.TextChoices):
        SWITCH = "SWITCH", "Switch"
        KEEP = "KEEP", "Keep"
        NO_RECOMMENDATION = "NO_RECOMMENDATION", "No recommendation"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    run = models.ForeignKey("evaluation.EvaluationRun", on_delete=models.CASCADE, related_name="recommendations")
    verdict = models.CharField(max_length=20, choices=Verdict)
    incumbent = models.CharField(max_length=200)
    candidate = models.CharField(max_length=200, blank=True, help_text="The option to switch to; empty otherwise.")
    sentence = models.TextField()
    reasons = models.JSONField(default=list)
    decision = models.JSONField()
    pack = models.TextField(help_text="The evidence pack, canonical JSON; the bytes its hash is of.")
    pack_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.verdict} for {self.project}"

    def get_absolute_url(self) -> str:
        return reverse("evaluation:recommendation", args=[self.project.slug, self.pk])

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
