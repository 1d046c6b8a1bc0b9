"""A question put together by form: one form an analysis, every field optional, every choice out of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self

from django import forms
from django.http import QueryDict
from django.utils import timezone

from projects.analytics.questions import Grain
from projects.analytics.vocabulary import DIMENSIONS, FIGURES, MEASURES

WINDOWS = {"1": "1 day", "7": "7 days", "30": "30 days", "90": "90 days", "365": "a year"}
_WORDS = {"yes": True, "true": True, "no": False, "false": False}
_COMPARED = [("", "nothing"), ("previous", "the window before"), ("week_before", "a week before")]
NO_FIGURES = ["calls", "cost_usd.sum", "errors.share"]


def _named(of: Mapping[str, Any], *, empty: str | None = None) -> list[tuple[str, str]]:
    found = sorted(((name, each.title) for name, each in of.items()), key=lambda each: each[1].lower())
    return found if empty is None else [("", empty), *found]


def _some(label: str, of: Mapping[str, Any], initial: Iterable[str] = ()) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(label=label, choices=_named(of), required=False, initial=list(initial))


def _one(label: str, choices: list[tuple[str, str]], initial: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, initial=initial or choices[0][0])


def _number(label: str, initial: int, low: int, high: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=low, max_value=high, required=False, initial=initial)


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class QuestionForm(forms.Form):
    """What all analyses share: a window that ends at the newest call unless told, and two filters."""

    days = _one("Window", list(WINDOWS.items()), "30")
    first_day = _day("or from")
    last_day = _day("to, included")
    only = _one("Only where", _named(DIMENSIONS, empty="all calls"))
    only_is = forms.CharField(label="is", required=False, max_length=500)
    also = _one("and where", _named(DIMENSIONS, empty="no more"))
    also_is = forms.CharField(label="is that", required=False, max_length=500)
    has_zone = False

    MORE = ("first_day", "last_day", "only", "only_is", "also", "also_is")

    @property
    def first(self) -> list[forms.BoundField]:
        """What the question is about; the rest narrows it."""
        return [field for field in self if field.name not in self.MORE]

    @property
    def rest(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MORE]

    @property
    def asks_more(self) -> bool:
        """Whether something narrows it, so that those fields must be open."""
        return any(field.data or field.errors for field in self.rest)

    @classmethod
    def of(cls, given: QueryDict) -> Self:
        """The form as the address tells it, with its first values wherever that says nothing."""
        data = given.copy()
        for name, field in cls.base_fields.items():
            if name not in data and field.initial not in (None, ""):
                data.setlist(name, field.initial if isinstance(field.initial, list) else [str(field.initial)])
        form = cls(data)
        own = [name for name in form.fields if name not in QuestionForm.base_fields]
        form.order_fields([*own, *QuestionForm.base_fields])
        return form

    def question(self, newest_at: datetime | None) -> dict[str, Any]:
        """Plain data for the engine, which checks it; fields that cannot be read count as left out."""
        self.is_valid()
        told = {name: self.cleaned_data.get(name) for name in self.fields}
        zone = {"time_zone": timezone.get_current_timezone_name()} if self.has_zone else {}
        asked = {name: value for name, value in self.asked(told).items() if value not in (None, "", [])}
        return {**self._window(told, newest_at), "filters": self._filters(told), **zone, **asked}

    def asked(self, told: dict[str, Any]) -> dict[str, Any]:
        """The part of the question that is the analysis's own: its fields, under their names."""
        return {name: told[name] for name in self.fields if name not in QuestionForm.base_fields}

    def _window(self, told: dict[str, Any], newest_at: datetime | None) -> dict[str, Any]:
        zone = timezone.get_current_timezone()
        until = _hour_after(newest_at or datetime.now(UTC))
        if told["last_day"]:
            until = datetime.combine(told["last_day"] + timedelta(days=1), time(), zone)
        since = until - timedelta(days=int(told["days"] or 30))
        if told["first_day"]:
            since = datetime.combine(told["first_day"], time(), zone)
        return {"since": since, "until": until}

    def _filters(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        pairs = ((told[name], told[f"{name}_is"] or "") for name in ("only", "also"))
        return [{"dimension": name, "is": [_value(name, text.strip())]} for name, text in pairs if name]


def _hour_after(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _value(name: str, text: str) -> Any:
    """Nothing stands for unknown; what is no number or no yes or no is left to the engine to refuse."""
    kind = DIMENSIONS[name].kind
    if not text:
        return None
    if kind == "Bool":
        return _WORDS.get(text.lower(), text)
    return int(text) if kind.startswith("UInt") and text.isdigit() else text


class AggregateForm(QuestionForm):
    figures = _some("Figures", FIGURES, NO_FIGURES)
    dimensions = _some("By", DIMENSIONS)
    grain = _one("Over time", [("", "in all"), *((each.value, f"by {each.value}") for each in Grain)])
    compare = _one("Beside", _COMPARED)
    limit = _number("Rows", 100, 1, 5_000)
    has_zone = True


class DistributionForm(QuestionForm):
    measure = _one("Of", _named(MEASURES), "duration_ms")
    scale = _one("Scale", [("log", "logarithmic"), ("linear", "linear")])
    bins = _number("Bins", 30, 1, 200)


class PercentilesForm(QuestionForm):
    measure = _one("Of", _named(MEASURES), "duration_ms")
    dimension = _one("By", _named(DIMENSIONS, empty="nothing"))
    has_zone = True


class CorrelationForm(QuestionForm):
    measures = _some("Measures", MEASURES, ["duration_ms", "tokens_input", "tokens_output", "cost_usd"])
    method = _one("Method", [("pearson", "Pearson"), ("spearman", "Spearman, by rank")])


class ClustersForm(QuestionForm):
    measures = _some("Alike in", MEASURES, ["duration_ms", "tokens_input", "tokens_output"])
    k = _number("Groups", 4, 2, 12)
    seed = _number("Seed", 0, 0, 2**31 - 1)


class SampleForm(QuestionForm):
    size = _number("Calls", 100, 1, 2_000)
    by = _one("So many of each", _named(DIMENSIONS, empty="in all"))
    seed = _number("Seed", 0, 0, 2**31 - 1)
    has_zone = True


class SpendChangeForm(QuestionForm):
    by = _some("By", DIMENSIONS, ["model", "kind"])
    compare = _one("Beside", _COMPARED[1:])


class ForecastForm(QuestionForm):
    figure = _one("Of", [("cost_usd.sum", "Cost"), ("calls", "Calls")])
    ahead = _number("Days ahead", 7, 1, 92)
    coverage = _one("Interval", [("0.8", "80 %"), ("0.5", "50 %"), ("0.9", "90 %"), ("0.95", "95 %")])
    has_zone = True

    def asked(self, told: dict[str, Any]) -> dict[str, Any]:
        return {"figure": told["figure"], "days": told["ahead"], "coverage": told["coverage"]}


FORMS: Mapping[str, tuple[str, type[QuestionForm]]] = {
    "aggregate": ("Figures", AggregateForm),
    "distribution": ("Distribution", DistributionForm),
    "percentiles": ("Percentiles", PercentilesForm),
    "correlation": ("Correlation", CorrelationForm),
    "clusters": ("Groups alike", ClustersForm),
    "sample": ("Sample", SampleForm),
    "spend_change": ("Change of spend", SpendChangeForm),
    "forecast": ("Forecast", ForecastForm),
}
