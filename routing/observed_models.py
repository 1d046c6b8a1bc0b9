"""What live traffic taught of a project's options: beliefs from judged answers, certificates, token estimates."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.models import Project


class LiveBelief(models.Model):
    """What judged live answers say of an option relative to a default: the difference in quality, in [-1, 1]."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    option = models.CharField(max_length=200)
    default_option = models.CharField(max_length=200)
    mean = models.FloatField()
    low = models.FloatField(help_text="Lower bound of an interval that holds at any look.")
    high = models.FloatField()
    n = models.PositiveIntegerField(help_text="Pairs it rests on.")
    since = models.DateTimeField(help_text="The oldest answer it rests on; older ones are forgotten.")
    has_changed = models.BooleanField(default=False, help_text="The option differs from what it was before `since`.")
    changed_at = models.DateTimeField(null=True, blank=True, help_text="Its last change seen; outlasts the window.")
    learnt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("option",)
        constraints = (
            models.UniqueConstraint(fields=("project", "option", "default_option"), name="one_live_belief_a_pair"),
        )

    def __str__(self) -> str:
        return f"{self.option} against {self.default_option}, live: {self.mean:+.3f}"


class CertificationRule(models.Model):
    """What an option must show to be certified. Shares are fractions; an empty limit is not looked at."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+")
    is_on = models.BooleanField(default=False)
    margin = models.FloatField(default=0.05, help_text="How much worse than the default may be, of 1.")
    min_pairs = models.PositiveIntegerField(default=50)
    max_error_share = models.FloatField(null=True, blank=True, default=0.05)
    max_refusal_share = models.FloatField(null=True, blank=True)
    max_p95_ms = models.FloatField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"rule of {self.project}"


class CertificateQuerySet(models.QuerySet["Certificate"]):
    def current(self) -> Self:
        """What holds now; the others are history."""
        return self.filter(is_current=True)


class Certificate(models.Model):
    """That a rule held an option to be fit, or unfit, to replace a default: when, on what evidence, and why."""

    class Standing(models.TextChoices):
        CERTIFIED = "certified", "Certified"
        WITHDRAWN = "withdrawn", "De-certified"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    option = models.CharField(max_length=200)
    default_option = models.CharField(max_length=200)
    standing = models.CharField(max_length=10, choices=Standing)
    reason = models.TextField()
    evidence = models.JSONField(default=dict, help_text="The figures it was decided on, and the rule.")
    is_current = models.BooleanField(default=True)
    decided_at = models.DateTimeField(default=timezone.now)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        ordering = ("-decided_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "option", "default_option"),
                condition=Q(is_current=True),
                name="one_current_certificate_a_pair",
            ),
        )

    def __str__(self) -> str:
        return f"{self.option} against {self.default_option}: {self.get_standing_display()}"


class TokenCalibration(models.Model):
    """How many characters a token has in a project, and how many tokens its answers; from the log."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+")
    chars_per_token = models.FloatField()
    output_tokens = models.JSONField(default=dict, help_text="Expected tokens of an answer by the limit asked for.")
    n = models.PositiveIntegerField(help_text="Calls it was learnt from.")
    report = models.JSONField(default=dict, help_text="Its error on calls it was not learnt from, and the constants'.")
    learnt_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.project}: {self.chars_per_token:.2f} characters a token"
