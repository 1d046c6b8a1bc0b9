"""Forms that narrow what a page shows: which calls, which sessions, which window of a ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from projects.ingest import formats
from projects.ingest.verdicts import FLAGS
from projects.ledger_reading import COST_REASONS
from projects.log_filter import EARLIEST, LATEST, EventFilter
from projects.replayability import REASONS
from projects.workloads import Outcome, Purpose

WINDOWS = {
    "hour": ("last hour", timedelta(hours=1)),
    "day": ("last 24 hours", timedelta(days=1)),
    "week": ("last 7 days", timedelta(days=7)),
    "month": ("last 30 days", timedelta(days=30)),
    "quarter": ("last 90 days", timedelta(days=90)),
    "year": ("last 365 days", timedelta(days=365)),
}
ANY = [("", "any")]


def _in_words(codes: Iterable[str]) -> list[tuple[str, str]]:
    return [*ANY, *((code, code.replace("_", " ")) for code in codes)]


YES_NO = [*ANY, ("yes", "yes"), ("no", "no")]
# What a list may be asked of cost: what is known of both figures, or why the recomputed one is not.
COSTS: dict[str, tuple[str, dict[str, bool]]] = {
    "both": ("recorded and recomputed", {"is_priced": True, "is_recorded": True}),
    "recorded": ("recorded only", {"is_priced": False, "is_recorded": True}),
    "computed": ("recomputed only", {"is_priced": True, "is_recorded": False}),
    "neither": ("not known", {"is_priced": False, "is_recorded": False}),
    "no_usage": ("no usage reported", {"is_priced": False, "is_counted": False}),
    "price_unknown": ("price not known", {"is_priced": False, "is_counted": True}),
}
assert set(COST_REASONS) <= set(COSTS)


class MomentInput(forms.DateTimeInput):
    """A field of the browser's own kind: it takes local times without a zone, and no others."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M:%S", attrs={"step": "any"})

    def format_value(self, value: Any) -> str | None:
        """Times in an address have a zone; they are shown in the reader's."""
        found = _read(value) if isinstance(value, str) else value
        if isinstance(found, datetime) and timezone.is_aware(found):
            found = timezone.localtime(found)
        shown = super().format_value(found)
        return shown.removesuffix(":00") if shown and shown.count(":") == 2 else shown


def _read(text: str) -> datetime | str:
    try:
        found = parse_datetime(text)
        return text if found is None else found.astimezone(UTC) if found.tzinfo else found
    except (ValueError, OverflowError):
        return text


class MomentField(forms.DateTimeField):
    """A time in the reader's zone, or with a zone of its own; UTC from here on."""

    widget = MomentInput

    def clean(self, value: Any) -> datetime | None:
        try:
            found: datetime | None = super().clean(value)
            found = None if found is None else found.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError("There is no such time.") from None
        if found is not None and not EARLIEST <= found <= LATEST:
            raise forms.ValidationError("Give a year between 1970 and 2200.")
        return found


class WindowForm(forms.Form):
    """A window in words, counted back from now, or by exact times; exact times win."""

    window = forms.ChoiceField(
        required=False, label="Time", choices=[*ANY, *((name, title) for name, (title, _) in WINDOWS.items())]
    )
    since = MomentField(required=False, label="From")
    until = MomentField(required=False, label="Before")
    source = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        source = self.fields["source"]
        assert isinstance(source, forms.ChoiceField)
        source.choices = [*ANY, *source_choices()]

    def clean(self) -> dict[str, Any]:
        told = dict(super().clean() or {})
        since, until = told.get("since"), told.get("until")
        if since and until and since >= until:
            self.add_error("until", "The end lies before the beginning.")
        return told

    def told(self) -> dict[str, Any]:
        """What was filled in; fields that cannot be read ask nothing, and their sentence stands beside them."""
        self.is_valid()
        told = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        window = told.pop("window", None)
        if window in WINDOWS and not {"since", "until"} & set(told):
            told["since"] = datetime.now(UTC) - WINDOWS[window][1]
        return told

    def wanted(self) -> EventFilter:
        return EventFilter(**self.told())


class LedgerForm(WindowForm):
    """The window of a ledger; asked nothing, the last thirty days with traffic."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        window = self.fields["window"]
        assert isinstance(window, forms.ChoiceField)
        in_words = [(name, title) for name, (title, _) in WINDOWS.items()]
        window.choices = [("", "30 days with traffic"), *in_words, ("all", "everything")]

    def within(self, newest_at: datetime | None) -> EventFilter:
        """The window asked for; else thirty whole days, UTC, up to the newest call."""
        wanted, is_all = self.wanted(), self.data.get("window") == "all"
        if is_all or wanted.since or wanted.until or newest_at is None:
            return wanted
        until = newest_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return replace(wanted, since=until - timedelta(days=30), until=until)


def source_choices() -> list[tuple[str, str]]:
    return [*formats.choices(), ("netra", "Netra's own calls")]


class EventFilterForm(WindowForm):
    """What the list of calls may be narrowed by; everything optional."""

    model = forms.CharField(required=False, max_length=300)
    outcome = forms.ChoiceField(
        required=False, choices=[*ANY, ("error", "any error"), *((each, each.replace("_", " ")) for each in Outcome)]
    )
    replayable = forms.ChoiceField(required=False, choices=YES_NO)
    purpose = forms.ChoiceField(
        required=False, choices=[*ANY, ("demand", "demand: ingested or live"), *((each, each) for each in Purpose)]
    )
    blocked = forms.ChoiceField(
        required=False,
        label="Not replayable because",
        choices=_in_words(REASONS),
    )
    cost = forms.ChoiceField(required=False, choices=[*ANY, *((code, title) for code, (title, _) in COSTS.items())])
    flag = forms.ChoiceField(required=False, choices=_in_words(sorted(FLAGS)))
    kind = forms.CharField(required=False, max_length=200)
    error_type = forms.CharField(required=False, label="Error", max_length=300)
    finish_reason = forms.CharField(required=False, max_length=100)
    refused = forms.ChoiceField(required=False, choices=YES_NO)
    tag = forms.CharField(required=False, max_length=300, strip=False)
    prompt_template = forms.CharField(required=False, label="Prompt template", max_length=100)
    user_id = forms.CharField(required=False, label="User", max_length=1000, strip=False)
    session_id = forms.CharField(required=False, label="Session", max_length=1000, strip=False)
    trace_id = forms.CharField(required=False, label="Trace", max_length=1000, strip=False)
    import_id = forms.IntegerField(required=False, label="Import", min_value=1, max_value=2**63 - 1)
    record_id = forms.CharField(required=False, label="Id", max_length=1000, strip=False)

    FIRST = ("window", "model", "outcome", "source", "replayable", "purpose")
    field_order = (*FIRST, "since", "until", "blocked", "cost", "flag")

    def wanted(self) -> EventFilter:
        told = self.told()
        outcome, purpose, replayable = (told.pop(name, None) for name in ("outcome", "purpose", "replayable"))
        more: dict[str, Any] = dict(COSTS[told.pop("cost")][1]) if "cost" in told else {}
        more |= {"is_error": True} if outcome == "error" else {"outcome": outcome}
        more |= {"is_demand": True} if purpose == "demand" else {"purpose": purpose}
        refused = told.pop("refused", None)
        more["is_refusal"] = None if refused is None else refused == "yes"
        return EventFilter(**told, **more, is_replayable=None if replayable is None else replayable == "yes")

    @property
    def first(self) -> list[forms.BoundField]:
        """The fields most asked for."""
        return [self[name] for name in self.FIRST]

    @property
    def rest(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in self.FIRST]

    @property
    def asks_more(self) -> bool:
        """Whether one of the other fields is in use, so that they must be open."""
        return any(field.data or field.errors for field in self.rest)
