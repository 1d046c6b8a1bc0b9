"""The catalog in Django's admin: certified by people, with history; prices are added, never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from netra.errors import Invalid
from netra.prices import rates_as_json, rates_from_json
from routing import connections
from routing.models import OptionPrice, ProviderConnection, SupplyOption

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
