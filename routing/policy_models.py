"""What a project wants of live routing, and what it may spend there."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.models import ApiKey, Project


class RoutingPolicyQuerySet(models.QuerySet["RoutingPolicy"]):
    def current(self) -> Self:
        """The newest version of each policy that is in use."""
        return self.filter(is_current=True, is_retired=False)


class RoutingPolicy(models.Model):
    """How requests of a project choose an option. Never edited: a change is a new version, the old one stays."""

    class Kind(models.TextChoices):
        FIXED = "fixed", "Always one option"
        CHEAPEST = "cheapest", "Cheapest within quality"
        FASTEST = "fastest", "Fastest within cost"
        BEST = "best", "Best within budget"
        WEIGHTED = "weighted", "Own weights of quality, cost and latency"
        SPLIT = "split", "Weighted split (A/B)"
        SHADOW = "shadow", "Answer from the default, copy to a candidate"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FIXED)
    default_option = models.CharField(max_length=200, help_text="Where a request goes when nothing speaks against it.")
    rules = models.JSONField(default=dict, blank=True)
    is_current = models.BooleanField(default=True)
    is_retired = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = RoutingPolicyQuerySet.as_manager()

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(fields=("project", "name", "version"), name="one_policy_a_version"),
            models.UniqueConstraint(
                fields=("project", "name"), condition=Q(is_current=True), name="one_current_version_a_policy"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Allowance(models.Model):
    """What a project, or one of its keys, may spend and ask for through the gateway. Empty = no limit."""

    class Window(models.TextChoices):
        HOUR = "hour", "an hour"
        DAY = "day", "a day"
        MONTH = "month", "a month"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey(
        ApiKey, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: the whole project."
    )
    budget_usd = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    window = models.CharField(max_length=10, choices=Window, default=Window.DAY)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    allowed_models = models.JSONField(default=list, blank=True, help_text="Options and policies; empty allows all.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("project",), condition=Q(api_key=None), name="one_allowance_a_project"),
            models.UniqueConstraint(fields=("project", "api_key"), name="one_allowance_a_key"),
        )

    def __str__(self) -> str:
        return f"{self.project}: {self.api_key or 'all keys'}"


class Spending(models.Model):
    """How much of an allowance is taken in one window: spent, or lent to a gateway process that may spend it."""

    allowance = models.ForeignKey(Allowance, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    taken_usd = models.DecimalField(max_digits=20, decimal_places=12, default=Decimal(0))

    class Meta:
        constraints = (models.UniqueConstraint(fields=("allowance", "starts_at"), name="one_spending_a_window"),)

    def __str__(self) -> str:
        return f"{self.allowance} from {self.starts_at:%Y-%m-%d %H:%M}"
