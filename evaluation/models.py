"""Evidence as rows: runs, their sample, the calls made for them, what judges said, and what was recommended."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from evaluation.live_models import LiveDay as LiveDay
from evaluation.live_models import LiveJudging as LiveJudging
from evaluation.live_models import LivePair as LivePair
from evaluation.verdict_models import Recommendation as Recommendation
from projects.models import Project

LEASE = timedelta(seconds=30)
ZERO = Decimal(0)


def usd(**options: Any) -> models.DecimalField[Any, Any]:
    """A column of money: twelve decimals, because one token can cost 0.00000005 USD."""
    return models.DecimalField(max_digits=20, decimal_places=12, **options)


class EvaluationRunQuerySet(models.QuerySet["EvaluationRun"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=EvaluationRun.UNFINISHED)

    def asked_for(self) -> Self:
        """Runs that somebody planned; not the days of live judging, which have no candidates and decide nothing."""
        return self.filter(live_day=None)

    def unattended(self, at: datetime) -> Self:
        """Unfinished runs that no living worker holds."""
        return self.unfinished().asked_for().filter(Q(lease_until=None) | Q(lease_until__lt=at))


class EvaluationRun(models.Model):
    """Sample × options × judges under a budget. What a verdict depends on is written here before the first call."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DECIDING = "deciding", "Deciding"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    UNFINISHED = (State.QUEUED, State.RUNNING, State.DECIDING)

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    sentence = models.TextField(blank=True, help_text="Why it ended, or what it is doing.")
    incumbent = models.CharField(max_length=200, help_text="Name of the supply option in use today.")
    seed = models.PositiveBigIntegerField(default=0, help_text="Order of the sample.")
    thresholds = models.JSONField(default=dict, help_text="Margins and limits asked for; fields of the plan.")
    plan = models.JSONField(null=True, blank=True, help_text="The analysis plan, frozen before the first call.")
    judging = models.JSONField(default=dict, help_text="Judges by dimension, and the pairwise judge.")
    sampling = models.JSONField(default=dict, help_text="Which events may be drawn.")
    policy = models.JSONField(default=dict, help_text="What replay changes in a request: temperature, seed.")
    prices = models.JSONField(default=dict, help_text="Rates by option, with source and date, as the run began.")
    budget_usd = usd()
    spent_usd = usd(default=ZERO, help_text="Known cost of finished calls.")
    charged_at_most_usd = usd(default=ZERO, help_text="Known cost, and the worst case where it cannot be known.")
    reserved_usd = usd(default=ZERO, help_text="Worst case of calls now in flight.")
    concurrency = models.PositiveSmallIntegerField(default=8)
    n_pairs = models.PositiveIntegerField(default=0, help_text="Prompts answered and judged in unbroken order.")
    decision = models.JSONField(null=True, blank=True, help_text="The decision at the last look.")
    is_cancel_asked = models.BooleanField(default=False)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = EvaluationRunQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("evaluation:run", args=[self.project.slug, self.pk])

    @property
    def is_over(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def max_pairs(self) -> int | None:
        """Pairs the plan allows; None before the sample is drawn."""
        return None if self.plan is None else int(self.plan["max_pairs"])

    @property
    def share_spent(self) -> float | None:
        """Of the budget, counting the worst case; None without a budget."""
        return float(self.charged_at_most_usd / self.budget_usd) if self.budget_usd else None

    def claim(self, owner: str) -> bool:
        """Take or renew the lease: True for at most one living worker at a time. One conditional UPDATE."""
        now = timezone.now()
        free = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_owner=owner)
        mine = EvaluationRun.objects.unfinished().filter(free, pk=self.pk)
        return bool(mine.update(lease_owner=owner, lease_until=now + LEASE, heartbeat_at=now))

    def release(self, owner: str) -> None:
        EvaluationRun.objects.filter(pk=self.pk, lease_owner=owner).update(lease_owner="", lease_until=None)


class RunCandidate(models.Model):
    """One option that might replace the incumbent."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="candidates")
    option = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField()
    dropped_at_pair = models.PositiveIntegerField(null=True, blank=True, help_text="No more money is spent on it.")
    dropped_because = models.TextField(blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("run", "option"), name="one_candidate_a_run"),)

    def __str__(self) -> str:
        return self.option


class SampledPrompt(models.Model):
    """One logged request in its place in the seeded order; its content stays in the log."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="prompts")
    position = models.PositiveIntegerField()
    event_id = models.CharField(max_length=32)
    stratum = models.CharField(max_length=200)
    prompt_hash = models.CharField(max_length=64)
    content_hash = models.CharField(max_length=64, blank=True, help_text="Of the request as sent; set when replayed.")
    covariates = models.JSONField(default=list)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("run", "position"), name="one_prompt_a_position"),)

    def __str__(self) -> str:
        return f"{self.position}: {self.event_id}"


class PaidCall(models.Model):
    """A call that costs money. Marked in flight, with its worst case reserved, before anything is sent.

    A call found in flight after a crash becomes interrupted: whether it was paid cannot be known, so it is booked
    at its worst case and never asked again.
    """

    class State(models.TextChoices):
        IN_FLIGHT = "in_flight", "In flight"
        DONE = "done", "Answered"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"

    call_key = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.IN_FLIGHT)
    attempts = models.PositiveSmallIntegerField(default=0)
    reserved_usd = usd(default=ZERO)
    cost_usd = usd(null=True, blank=True)
    charged_at_most_usd = usd(default=ZERO)
    response = models.JSONField(null=True, blank=True, help_text="The completion as the provider sent it.")
    latency_ms = models.FloatField(null=True, blank=True)
    ttft_ms = models.FloatField(null=True, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    event_id = models.CharField(max_length=32, blank=True, help_text="Its event in the log, once written there.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.call_key} ({self.state})"


class ReplayCall(PaidCall):
    """One lane's answer to one prompt."""

    class LaneName(models.TextChoices):
        RECORDED = "recorded", "Recorded"
        INCUMBENT = "incumbent", "Incumbent, asked again"
        CANDIDATE = "candidate", "Candidate"

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="calls")
    prompt = models.ForeignKey(SampledPrompt, on_delete=models.CASCADE, related_name="calls")
    lane = models.CharField(max_length=10, choices=LaneName)
    option = models.CharField(max_length=200)
    text = models.TextField(blank=True, help_text="What judges read: the answer's text, or its tool calls as JSON.")
    finish_reason = models.CharField(max_length=40, blank=True)
    is_refusal = models.BooleanField(null=True)
    tokens = models.JSONField(default=dict)
    served_model = models.CharField(max_length=200, blank=True)
    same_answer_as = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Judged there, once."
    )

    class Meta:
        ordering = ("prompt__position", "id")
        indexes = (models.Index(fields=("run", "state")), models.Index(fields=("prompt", "option")))


class Judgement(PaidCall):
    """What one judge said of one answer on one dimension; unreadable = unscored, never 0."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="judgements")
    call = models.ForeignKey(ReplayCall, on_delete=models.CASCADE, related_name="judgements")
    dimension = models.CharField(max_length=20)
    judge = models.CharField(max_length=200)
    rubric = models.CharField(max_length=80, help_text="Version and hash of the rubric, quality/1/3f2a….")
    score = models.FloatField(null=True, blank=True, help_text="In [0, 1].")
    unscored_because = models.CharField(max_length=60, blank=True)
    rationale = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=("run", "dimension")),)


class PairwiseJudgement(PaidCall):
    """Which of two answers a judge preferred, in one of the two orders."""

    class Winner(models.TextChoices):
        INCUMBENT = "incumbent", "Incumbent"
        CANDIDATE = "candidate", "Candidate"
        TIE = "tie", "Tie"

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="pairwise")
    incumbent_call = models.ForeignKey(ReplayCall, on_delete=models.CASCADE, related_name="+")
    candidate_call = models.ForeignKey(ReplayCall, on_delete=models.CASCADE, related_name="+")
    judge = models.CharField(max_length=200)
    rubric = models.CharField(max_length=80)
    is_incumbent_first = models.BooleanField()
    winner = models.CharField(max_length=10, choices=Winner, blank=True)
    unscored_because = models.CharField(max_length=60, blank=True)
    rationale = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)


class HumanLabel(models.Model):
    """A person's score of an answer; corrects judges and measures them."""

    call = models.ForeignKey(ReplayCall, on_delete=models.CASCADE, related_name="labels")
    dimension = models.CharField(max_length=20)
    score = models.FloatField(help_text="In [0, 1].")
    note = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("call", "dimension", "by"), name="one_label_a_person"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=1), name="label_score_in_range"),
        )

    def __str__(self) -> str:
        return f"{self.dimension} {self.score} of call {self.call_id}"
