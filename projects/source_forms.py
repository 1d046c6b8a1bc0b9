"""Forms of a project's sources; the rules stand in `sourcing`, their sentences come back to the field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from netra.errors import Invalid, NetraError
from projects.models import Source
from projects.sources import vendors


class SourceForm(forms.Form):
    """A source of one kind: its vendor's words stand at the fields."""

    name = forms.CharField(max_length=60, help_text="Lower-case letters, digits, dashes: it stands in addresses.")
    base_url = forms.CharField(max_length=300, label="Base URL")
    account = forms.CharField(max_length=200, required=False)
    secret = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "off"}))
    history_days = forms.IntegerField(
        initial=30, label="Days of history", help_text="How far back the first sync reads."
    )
    every_minutes = forms.IntegerField(
        initial=60, required=False, label="Minutes between syncs", help_text="Left empty, it is read by hand only."
    )

    def __init__(self, *args: Any, kind: str, **options: Any) -> None:
        super().__init__(*args, **options)
        vendor = vendors.named(kind)
        self.fields["name"].initial = kind.replace("_", "-")
        self.fields["base_url"].initial = vendor.BASE_URL
        self.fields["base_url"].help_text = "Where its API is; another region or your own server has another."
        for field, label, help_text in (
            ("account", vendor.ACCOUNT, vendor.ACCOUNT_HELP),
            ("secret", vendor.SECRET, f"{vendor.SECRET_HELP} Kept encrypted, never shown again."),
        ):
            self.fields[field].label, self.fields[field].help_text = label, help_text
        self.fields["account"].required = kind == Source.Kind.LANGFUSE
        if not vendor.ACCOUNT:
            del self.fields["account"]

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "name"}

    def refuse(self, problem: NetraError) -> None:
        """Show what the stage refused."""
        field = problem.field if isinstance(problem, Invalid) else None
        self.add_error(field if field in self.fields else None, str(problem))


class SourceChangeForm(SourceForm):
    """A kept secret is never filled in again: left empty it stays, unless the address changes."""

    is_enabled = forms.BooleanField(required=False, label="Read on its schedule")

    def __init__(self, *args: Any, row: Source, **options: Any) -> None:
        super().__init__(*args, kind=row.kind, **options)
        del self.fields["name"]
        self.fields["secret"].required = False
        self.fields["secret"].help_text = "Left empty, the kept one stays. A new address needs it again."

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in super().given().items() if name != "secret" or value}


class SyncForm(forms.Form):
    since = forms.DateField(
        required=False,
        label="Everything again since",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Left empty, only what is new.",
    )

    def moment(self) -> datetime | None:
        """The start of that day where the reader is."""
        day = self.cleaned_data.get("since")
        return timezone.make_aware(datetime.combine(day, datetime.min.time())) if day else None
