"""Judging live answers: what a project allows it, the days it was at work, and what each pair came to."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from projects.models import Project


class LiveJudging(models.Model):
    """What a project allows the judging of its live answers; off unless an owner switches it on."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+")
    is_on = models.BooleanField(default=False)
    daily_budget_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(1))
    sample_share = models.FloatField(default=0.1, help_text="Of the answers that can be judged, 0 to 1.")
    judges = models.JSONField(default=list, help_text="Options that judge, each on its own.")
    dimension = models.CharField(max_length=20, default="quality")
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"live judging of {self.project}"


class LiveDay(models.Model):
    """One day (UTC) of judging: a run of its own, whose budget is the day's, so that money is kept as in any run."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    run = models.OneToOneField("evaluation.EvaluationRun", on_delete=models.CASCADE, related_name="live_day")

    class Meta:
        ordering = ("-day",)
        constraints = (models.UniqueConstraint(fields=("project", "day"), name="one_live_run_a_day"),)

    def __str__(self) -> str:
        return f"{self.project} on {self.day}"


class LivePairQuerySet(models.QuerySet["LivePair"]):
    def open(self) -> Self:
        """Taken, and neither judged nor given up: under way, or left by a process that ended."""
        return self.filter(difference=None, unscored_because="")

    def judged(self) -> Self:
        return self.exclude(difference=None)


class LivePair(models.Model):
    """A live answer of an option beside the default's answer to the same request. No answer is taken twice."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    prompt = models.OneToOneField("evaluation.SampledPrompt", null=True, on_delete=models.SET_NULL, related_name="+")
    event_id = models.CharField(max_length=32, help_text="The live request.")
    copy_event_id = models.CharField(max_length=32, blank=True, help_text="The shadow's answer, where that is judged.")
    option = models.CharField(max_length=200)
    default_option = models.CharField(max_length=200)
    policy = models.CharField(max_length=80)
    probability = models.FloatField(help_text="With which the policy chose the option for this request.")
    answered_at = models.DateTimeField()
    difference = models.FloatField(null=True, blank=True, help_text="Option's score less the default's, in [-1, 1].")
    unscored_because = models.CharField(max_length=60, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    taught_at = models.DateTimeField(null=True, blank=True, help_text="When it was handed to the predictor.")
    taken_at = models.DateTimeField(default=timezone.now)

    objects = LivePairQuerySet.as_manager()

    class Meta:
        ordering = ("answered_at", "pk")
        constraints = (models.UniqueConstraint(fields=("project", "event_id", "option"), name="one_live_pair_a_call"),)
        indexes = (models.Index(fields=("project", "option", "default_option")),)

    def __str__(self) -> str:
        return f"{self.option} against {self.default_option} on {self.event_id}"
