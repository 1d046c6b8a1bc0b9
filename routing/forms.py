"""Forms of the supply side; the rules stand in `connections` and `supply`, their sentences come back to the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django import forms
from django.db.models import Model

from netra.errors import Invalid, NetraError
from netra.llm import OPENAI_COMPATIBLE
from routing.models import ABILITIES

MAX_TOKENS = 10**9  # as the API has it
Row = TypeVar("Row")


class CatalogForm(forms.Form):
    search = forms.CharField(required=False)
    provider = forms.CharField(required=False)
    ability = forms.ChoiceField(required=False, choices=[("", "any"), *((each, each) for each in ABILITIES)])
    certified = forms.ChoiceField(required=False, choices=[("", "any"), ("yes", "yes"), ("no", "no")])


class TellingForm(forms.Form):
    """A form that shows what a stage refused, at the field it is about."""

    # A stage's fields that go by another name here.
    names: ClassVar[Mapping[str, str]] = {}

    def refuse(self, problem: NetraError) -> None:
        told = problem.field if isinstance(problem, Invalid) else None
        field = self.names.get(told or "", told)
        self.add_error(field if field in self.fields else None, str(problem))

    def put(self, write: Callable[[dict[str, Any]], Row]) -> Row | None:
        """What a stage makes of the form; None where the form or the stage refuses it, and says so at the field."""
        if not self.is_valid():
            return None
        try:
            return write(self.given())
        except NetraError as problem:
            self.refuse(problem)
            return None

    def given(self) -> dict[str, Any]:
        """The form as its stage takes it."""
        return dict(self.cleaned_data)


class SettingsForm(TellingForm):
    """The settings of a row, some of them in units that people read."""

    # A field here, the row's own field, and how many of the one are one of the other.
    scaled: ClassVar[tuple[tuple[str, str, float], ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.names = {theirs: ours for ours, theirs, _ in cls.scaled}

    def given(self) -> dict[str, Any]:
        told = dict(self.cleaned_data)
        for ours, theirs, scale in self.scaled:
            value = told.pop(ours)
            told[theirs] = None if value is None else value / scale
        return told

    @classmethod
    def shown(cls, row: Model) -> dict[str, Any]:
        """A row as the form fills itself in."""
        told = {name: getattr(row, name) for name in cls.base_fields if name not in cls.names.values()}
        for ours, theirs, scale in cls.scaled:
            value = getattr(row, theirs)
            told[ours] = None if value is None else round(value * scale, 6)
        return told


class ConnectionForm(TellingForm):
    name = forms.CharField(max_length=60, help_text="Lower-case; models of your own server are named after it.")
    provider = forms.CharField(
        max_length=80, initial=OPENAI_COMPATIBLE, help_text=f"openai, anthropic, … or {OPENAI_COMPATIBLE}."
    )
    base_url = forms.CharField(max_length=300, required=False, label="Base URL", help_text="Such as https://host/v1.")
    key = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted, never shown again.",
    )
    max_concurrency = forms.IntegerField(initial=8, label="Calls at once")
    requests_per_minute = forms.IntegerField(required=False, label="Requests a minute")
    deadline_s = forms.FloatField(initial=60, label="Deadline in seconds")

    def given(self) -> dict[str, Any]:
        told = dict(self.cleaned_data)
        return {name: value for name, value in told.items() if name not in ("name", "provider")}


class ConnectionChangeForm(ConnectionForm):
    """A kept key is never filled in again: left empty it stays, unless the address changes."""

    is_active = forms.BooleanField(required=False, label="In use")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["name"], self.fields["provider"]
        self.fields["key"].help_text = "Empty: the kept one stays. A new address needs it again."

    def given(self) -> dict[str, Any]:
        told = dict(self.cleaned_data)
        return told if told["key"] else {name: value for name, value in told.items() if name != "key"}


class OwnModelForm(TellingForm):
    name = forms.CharField(max_length=200, help_text="connection/model, such as my-server/llama-3.")
    input = forms.DecimalField(label="Input, USD per million tokens", min_value=0, max_digits=14, decimal_places=6)
    output = forms.DecimalField(label="Output, USD per million tokens", min_value=0, max_digits=14, decimal_places=6)
    context_tokens = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_TOKENS, label="Context window in tokens"
    )
    max_output_tokens = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_TOKENS, label="Longest answer in tokens"
    )


class PriceForm(TellingForm):
    project = forms.CharField(widget=forms.HiddenInput)
    input = forms.DecimalField(label="Input, USD per million tokens", min_value=0, max_digits=14, decimal_places=6)
    output = forms.DecimalField(label="Output, USD per million tokens", min_value=0, max_digits=14, decimal_places=6)
    cache_read = forms.DecimalField(
        label="Cached input, USD per million", min_value=0, max_digits=14, decimal_places=6, required=False
    )
