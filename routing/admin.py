"""Routing in Django's admin: the catalog, certified by people and with history; prices are added, never edited; and
what projects set or live traffic taught, to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from netra.errors import Invalid
from netra.prices import rates_as_json, rates_from_json
from routing import connections
from routing.models import (
    Allowance,
    CacheCheck,
    Certificate,
    CertificationRule,
    GatewayControls,
    JudgedPair,
    LiveBelief,
    OptionBelief,
    OptionPrice,
    PolicyForecast,
    ProviderConnection,
    RoutingPolicy,
    Spending,
    SupplyOption,
    TokenCalibration,
    TrainedPredictor,
)

if TYPE_CHECKING:  # Django's classes take their model in brackets only for the type checker
    PriceModelForm = forms.ModelForm[OptionPrice]
    ConnectionModelForm = forms.ModelForm[ProviderConnection]
    PriceModelAdmin = admin.ModelAdmin[OptionPrice]
    ConnectionModelAdmin = admin.ModelAdmin[ProviderConnection]
    PriceInline = admin.TabularInline[OptionPrice, SupplyOption]
else:
    PriceModelForm = ConnectionModelForm = forms.ModelForm
    PriceModelAdmin = ConnectionModelAdmin = admin.ModelAdmin
    PriceInline = admin.TabularInline


class PriceForm(PriceModelForm):
    class Meta:
        model = OptionPrice
        fields = ("option", "project", "effective_from", "rates", "source", "note")

    def clean_rates(self) -> dict[str, Any]:
        told = self.cleaned_data["rates"]
        if not isinstance(told, dict):
            raise ValidationError('Rates are an object such as {"input": "0.0000025", "output": "0.00001"}.')
        try:
            return rates_as_json(rates_from_json(told))
        except Invalid as problem:
            raise ValidationError(str(problem)) from None


class AppendOnly(PriceModelAdmin):
    """Rows may be added and read; changing one would change what past events cost."""

    def has_change_permission(self, request: HttpRequest, obj: OptionPrice | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OptionPrice | None = None) -> bool:
        return False


@admin.register(OptionPrice)
class OptionPriceAdmin(AppendOnly):
    form = PriceForm
    list_display = ("option", "project", "effective_from", "source", "is_assumed", "created_by")
    list_filter = ("is_assumed",)
    search_fields = ("option__name",)
    autocomplete_fields = ("option",)
    raw_id_fields = ("project",)
    date_hierarchy = "effective_from"
    list_select_related = ("option", "project", "created_by")

    def save_model(self, request: HttpRequest, obj: OptionPrice, form: Any, change: bool) -> None:
        obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)


class PriceLines(PriceInline):
    """The option's price history, to read."""

    model = OptionPrice
    fields = ("effective_from", "project", "rates", "is_assumed", "source", "created_by")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SupplyOption)
class SupplyOptionAdmin(SimpleHistoryAdmin):
    list_display = ("name", "provider", "mode", "is_certified", "deprecates_on", "is_gone", "source", "project")
    list_editable = ("is_certified",)
    list_filter = ("is_certified", "is_gone", "is_simulated", "mode", "provider")
    search_fields = ("name", "aliases")
    raw_id_fields = ("project",)
    history_list_display = ("is_certified", "deprecates_on", "is_gone", "source")
    list_per_page = 50
    actions = ("certify", "withdraw")
    inlines = (PriceLines,)
    list_select_related = ("project",)

    @admin.action(description="Certify the chosen options")
    def certify(self, request: HttpRequest, chosen: Any) -> None:
        self._set(request, chosen, certified=True)

    @admin.action(description="Withdraw the certification")
    def withdraw(self, request: HttpRequest, chosen: Any) -> None:
        self._set(request, chosen, certified=False)

    def _set(self, request: HttpRequest, chosen: Any, *, certified: bool) -> None:
        # One by one, so that each change stands in its option's history.
        for option in chosen:
            option.is_certified = certified
            option.save()
        self.message_user(request, f"{chosen.count()} options changed.")


class ConnectionForm(ConnectionModelForm):
    new_key = forms.CharField(
        label="New key", required=False, widget=forms.PasswordInput, help_text="Kept sealed and never shown again."
    )

    class Meta:
        model = ProviderConnection
        fields = (
            "project", "name", "provider", "base_url", "key_env", "max_concurrency", "requests_per_minute",
            "deadline_s", "unsupported_parameters", "is_active",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        try:
            found["base_url"] = connections.check_base_url(
                found.get("base_url", ""), provider=found.get("provider", "")
            )
            found["new_key"] = connections.check_key(found.get("new_key", ""))
            limits = {name: found[name] for name in connections.PLAIN_FIELDS if name in found}
            connections.check_limits(ProviderConnection(**limits))
        except Invalid as problem:
            self.add_error("new_key" if problem.field == "key" else problem.field, str(problem))
        return found


@admin.register(ProviderConnection)
class ProviderConnectionAdmin(ConnectionModelAdmin):
    form = ConnectionForm
    list_display = ("name", "provider", "project", "base_url", "key_shown", "max_concurrency", "is_active")
    list_filter = ("provider", "is_active")
    raw_id_fields = ("project",)
    list_select_related = ("project",)

    def save_model(self, request: HttpRequest, obj: ProviderConnection, form: Any, change: bool) -> None:
        if form.cleaned_data.get("new_key"):
            obj.set_key(form.cleaned_data["new_key"])
        super().save_model(request, obj, form, change)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows may be seen, not written: each has its page or task, which checks what it takes and notes who did it."""

    def has_add_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False


class OfProject(ReadOnly):
    """One row a project."""

    search_fields: ClassVar[tuple[str, ...]] = ("project__slug", "project__name")
    list_select_related: ClassVar[tuple[str, ...]] = ("project",)


class OfPair(ReadOnly):
    """What is known of an option against a default."""

    search_fields: ClassVar[tuple[str, ...]] = ("option", "default_option", "project__slug")
    list_select_related = ("project",)


@admin.register(RoutingPolicy)
class RoutingPolicyAdmin(ReadOnly):
    list_display = ("name", "version", "project", "kind", "default_option", "is_current", "is_retired", "created_by")
    list_filter = ("is_current", "is_retired", "kind")
    search_fields = ("name", "default_option", "project__slug")
    date_hierarchy = "created_at"
    list_select_related = ("project", "created_by")


@admin.register(PolicyForecast)
class PolicyForecastAdmin(ReadOnly):
    list_display = ("policy", "version", "project", "n_decisions", "made_at", "caveat")
    list_filter = (("caveat", admin.EmptyFieldListFilter),)
    search_fields = ("policy", "default_option", "project__slug")
    date_hierarchy = "made_at"
    list_select_related = ("project",)


@admin.register(Allowance)
class AllowanceAdmin(OfProject):
    list_display = ("project", "api_key", "budget_usd", "window", "requests_per_minute", "tokens_per_minute")
    list_filter = ("window",)
    search_fields = (*OfProject.search_fields, "api_key__name")
    list_select_related = ("project", "api_key")


@admin.register(Spending)
class SpendingAdmin(ReadOnly):
    list_display = ("allowance", "starts_at", "taken_usd")
    search_fields = ("allowance__project__slug",)
    date_hierarchy = "starts_at"
    list_select_related = ("allowance__project", "allowance__api_key")


@admin.register(GatewayControls)
class GatewayControlsAdmin(OfProject):
    list_display = ("project", "exact_cache", "semantic_cache", "stopped_at", "updated_at")
    list_filter = ("exact_cache", "semantic_cache", ("stopped_at", admin.EmptyFieldListFilter))


@admin.register(CacheCheck)
class CacheCheckAdmin(ReadOnly):
    list_display = ("event_id", "project", "asked_at", "similarity", "agrees", "how")
    list_filter = ("agrees", "how")
    search_fields = ("event_id", "project__slug")
    date_hierarchy = "asked_at"
    list_select_related = ("project",)


@admin.register(OptionBelief)
class OptionBeliefAdmin(OfPair):
    list_display = ("option", "default_option", "project", "mean", "low", "high", "n", "source", "learnt_at")


@admin.register(LiveBelief)
class LiveBeliefAdmin(OfPair):
    list_display = ("option", "default_option", "project", "mean", "low", "high", "n", "since", "changed_at")
    list_filter = ("has_changed",)


@admin.register(CertificationRule)
class CertificationRuleAdmin(OfProject):
    list_display = ("project", "is_on", "margin", "min_pairs", "updated_at")
    list_filter = ("is_on",)


@admin.register(Certificate)
class CertificateAdmin(OfPair):
    list_display = ("option", "default_option", "project", "standing", "is_current", "decided_at")
    list_filter = ("standing", "is_current")
    date_hierarchy = "decided_at"


@admin.register(JudgedPair)
class JudgedPairAdmin(OfPair):
    list_display = ("option", "default_option", "project", "difference", "source", "learnt_at")
    search_fields = (*OfPair.search_fields, "event_id")
    date_hierarchy = "learnt_at"


@admin.register(TrainedPredictor)
class TrainedPredictorAdmin(ReadOnly):
    list_display = ("default_option", "version", "project", "n_pairs", "is_current", "trained_at")
    list_filter = ("is_current",)
    search_fields = ("default_option", "project__slug")
    date_hierarchy = "trained_at"
    list_select_related = ("project",)
    exclude = ("artefact",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("artefact")


@admin.register(TokenCalibration)
class TokenCalibrationAdmin(OfProject):
    list_display = ("project", "chars_per_token", "n", "learnt_at")
