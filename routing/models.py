"""The supply side's nouns: options at dated prices, and the connections through which they are called."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from simple_history.models import HistoricalRecords

from netra import vault
from netra.prices import Rates, rates_from_json
from projects.models import Project
from routing.adoption_models import PolicyForecast as PolicyForecast
from routing.control_models import CacheCheck as CacheCheck
from routing.control_models import GatewayControls as GatewayControls
from routing.observed_models import Certificate as Certificate
from routing.observed_models import CertificationRule as CertificationRule
from routing.observed_models import LiveBelief as LiveBelief
from routing.observed_models import TokenCalibration as TokenCalibration
from routing.policy_models import Allowance as Allowance
from routing.policy_models import RoutingPolicy as RoutingPolicy
from routing.policy_models import Spending as Spending
from routing.predictor_models import JudgedPair as JudgedPair
from routing.predictor_models import TrainedPredictor as TrainedPredictor

if TYPE_CHECKING:
    from datetime import date

# An option's first known price is taken to have held since this day, so that logs of the past can be priced;
# every price dated so is marked as assumed.
ALWAYS_KNOWN_FROM = datetime(2020, 1, 1, tzinfo=UTC)

ABILITIES = ("audio", "images_out", "json_schema", "pdf", "prompt_cache", "reasoning", "tools", "vision", "web_search")


class SupplyOptionQuerySet(models.QuerySet["SupplyOption"]):
    def visible_to(self, project: Project | int | None) -> Self:
        """Options of the shared catalog, and the project's own."""
        owner = project.pk if isinstance(project, Project) else project
        return self.filter(Q(project=None) | Q(project_id=owner)) if owner else self.filter(project=None)

    def named(self, name: str, project: Project | int | None = None) -> SupplyOption | None:
        """One option by its name; a project's own goes before the shared one of that name."""
        return self.visible_to(project).filter(name=name).order_by(models.F("project").asc(nulls_last=True)).first()

    def current(self) -> Self:
        return self.filter(is_gone=False)


class SupplyOption(models.Model):
    """A provider's model, for instance openai/gpt-4o; its prices are dated rows beside it."""

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: in every project."
    )
    name = models.CharField(max_length=200, help_text="provider/model; unique among the options a project sees.")
    provider = models.CharField(max_length=80, db_index=True)
    model = models.CharField(max_length=200, help_text="What the provider calls it.")
    mode = models.CharField(max_length=30, default="chat")
    aliases = models.JSONField(default=list, blank=True, help_text="Other names it has in logs.")
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    abilities = models.JSONField(default=list, blank=True)
    deprecates_on: models.DateField[Any, date | None] = models.DateField(null=True, blank=True)
    is_certified = models.BooleanField(default=False, help_text="A person has checked it for use here.")
    is_simulated = models.BooleanField(default=False)
    is_gone = models.BooleanField(default=False, help_text="No longer in the price file it came from.")
    source = models.CharField(max_length=60, default="custom")
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    # Set by supply.with_prices: what holds now for the project that asks.
    current_price: OptionPrice | None

    history = HistoricalRecords()
    objects = SupplyOptionQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=Q(project=None), name="one_shared_option_a_name"),
            models.UniqueConstraint(fields=("project", "name"), name="one_own_option_a_name"),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:option", args=[self.name])

    def can(self, ability: str) -> bool:
        return ability in self.abilities

    def is_deprecated(self, on: date) -> bool:
        return self.deprecates_on is not None and self.deprecates_on <= on


class OptionPrice(models.Model):
    """What an option costs from a date on. Rows are never edited: a change, or a correction, is a new row."""

    option = models.ForeignKey(SupplyOption, on_delete=models.CASCADE, related_name="prices")
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Set: negotiated price."
    )
    effective_from = models.DateTimeField()
    rates = models.JSONField(help_text="USD per token as decimal text, by kind of token.")
    is_assumed = models.BooleanField(default=False, help_text="Held to be valid before anyone looked.")
    source = models.CharField(max_length=120)
    note = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-effective_from", "-id")
        indexes = (models.Index(fields=("option", "project", "effective_from")),)

    def __str__(self) -> str:
        return f"{self.option} from {self.effective_from:%Y-%m-%d}"

    @property
    def as_rates(self) -> Rates:
        return rates_from_json(self.rates)

    def usd_per_million(self, rate: str) -> Decimal | None:
        """For people: prices per token have too many zeros to read."""
        found = self.as_rates.of(rate)
        return None if found is None else found * 1_000_000


class ProviderConnectionQuerySet(models.QuerySet["ProviderConnection"]):
    def usable_by(self, project: Project | int | None, *, with_inactive: bool = False) -> Self:
        """The project's own connections and those made for all projects."""
        owner = project.pk if isinstance(project, Project) else project
        found = self.filter(Q(project=None) | Q(project_id=owner)) if owner else self.filter(project=None)
        return found if with_inactive else found.filter(is_active=True)


class ProviderConnection(models.Model):
    """How a provider is reached: address, key, limits. The key is sealed, or the name of an environment variable."""

    class UnsupportedParameters(models.TextChoices):
        SEND = "send", "Send the request as it is"
        DROP = "drop", "Leave out what the provider does not know, and say so"

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: all projects."
    )
    name = models.SlugField(max_length=60)
    provider = models.CharField(max_length=80, help_text="A provider of the catalog, or openai_compatible.")
    base_url = models.CharField(max_length=300, blank=True)
    sealed_key = models.TextField(blank=True, editable=False)
    key_hint = models.CharField(max_length=8, blank=True, editable=False)
    key_env = models.CharField(max_length=100, blank=True)
    sealed_headers = models.TextField(blank=True, editable=False)
    max_concurrency = models.PositiveIntegerField(default=8)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    deadline_s = models.FloatField(default=60.0)
    unsupported_parameters = models.CharField(
        max_length=10, choices=UnsupportedParameters, default=UnsupportedParameters.SEND
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderConnectionQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=Q(project=None), name="one_shared_connection_a_name"),
            models.UniqueConstraint(fields=("project", "name"), name="one_own_connection_a_name"),
        )

    def __str__(self) -> str:
        return self.name

    def set_key(self, key: str) -> None:
        """Seal the key; what can be shown of it afterwards is its last four characters, and only if it is long."""
        self.sealed_key = vault.seal(key) if key else ""
        self.key_hint = f"…{key[-4:]}" if len(key) >= 16 else ""

    @property
    def key_shown(self) -> str:
        """What a person may see of the key."""
        if self.key_env:
            return f"${self.key_env}"
        return (self.key_hint or "set") if self.sealed_key else "none"


class OptionBelief(models.Model):
    """What judged pairs said of an option relative to a default: the difference in quality, in [-1, 1]."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    option = models.CharField(max_length=200)
    default_option = models.CharField(max_length=200)
    mean = models.FloatField()
    low = models.FloatField(help_text="Lower bound of an interval that holds at any stopping time.")
    high = models.FloatField()
    n = models.PositiveIntegerField()
    source = models.CharField(max_length=120)
    learnt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("option",)
        constraints = (
            models.UniqueConstraint(fields=("project", "option", "default_option"), name="one_belief_a_pair"),
        )

    def __str__(self) -> str:
        return f"{self.option} against {self.default_option}: {self.mean:+.3f}"
