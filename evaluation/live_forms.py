"""The forms of the page of live quality; what is refused stands in `live_settings` and `certificates`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from evaluation.models import LiveJudging
from evaluation.rubrics import DIMENSIONS
from netra.errors import Invalid, NetraError
from projects.models import Project
from routing.models import CertificationRule
from routing.supply import callable_options


class _Telling(forms.Form):
    """Shows what a stage refused at the field it is about; `names` of the stage's fields that go by another here."""

    names: dict[str, str] = {}

    def refuse(self, problem: NetraError) -> None:
        told = problem.field if isinstance(problem, Invalid) else None
        field = self.names.get(told or "", told)
        self.add_error(field if field in self.fields else None, str(problem))


class JudgingForm(_Telling):
    names = {"sample_share": "sample_percent"}

    is_on = forms.BooleanField(required=False, label="Judge live answers")
    judges = forms.MultipleChoiceField(
        required=False, help_text="Each scores both answers without knowing whose they are; their mean counts."
    )
    dimension = forms.ChoiceField(choices=[(name, name) for name in DIMENSIONS], label="Judged on")
    daily_budget_usd = forms.DecimalField(
        min_value=Decimal("0.000001"),
        max_digits=12,
        decimal_places=6,
        label="Budget of a day in US dollars",
        help_text="Never passed: each call reserves its worst case first. A day is one in UTC.",
    )
    sample_percent = forms.FloatField(
        min_value=0.1, max_value=100, label="Judged of what can be, %", help_text="Drawn by the digest of each call."
    )

    def __init__(self, project: Project, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = [each.name for each in callable_options(project)]
        self.fields["judges"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    def given(self) -> dict[str, Any]:
        told = {name: value for name, value in self.cleaned_data.items() if name != "sample_percent"}
        return {**told, "sample_share": self.cleaned_data["sample_percent"] / 100}


def judging_shown(row: LiveJudging) -> dict[str, Any]:
    """Settings as the form fills itself in."""
    told = {name: getattr(row, name) for name in ("is_on", "judges", "dimension", "daily_budget_usd")}
    return {**told, "sample_percent": round(row.sample_share * 100, 6)}


class RuleForm(_Telling):
    names = {"margin": "margin_points", "max_error_share": "error_percent", "max_refusal_share": "refusal_percent"}

    is_on = forms.BooleanField(
        required=False, label="Certify by this rule", help_text="De-certified options are not chosen by any policy."
    )
    margin_points = forms.FloatField(
        min_value=0, max_value=50, label="Quality margin in points", help_text="The lower bound must be within it."
    )
    min_pairs = forms.IntegerField(min_value=1, max_value=100_000, label="Pairs at least")
    error_percent = forms.FloatField(required=False, min_value=0, max_value=100, label="Errors at most, %")
    refusal_percent = forms.FloatField(required=False, min_value=0, max_value=100, label="Refusals at most, %")
    max_p95_ms = forms.FloatField(required=False, min_value=1, max_value=3_600_000, label="Longest p95, in ms")

    def given(self) -> dict[str, Any]:
        told = self.cleaned_data
        shares = {f"max_{name}_share": told[f"{name}_percent"] for name in ("error", "refusal")}
        return {
            **{name: told[name] for name in ("is_on", "min_pairs", "max_p95_ms")},
            "margin": told["margin_points"] / 100,
            **{name: None if value is None else value / 100 for name, value in shares.items()},
        }


def rule_shown(row: CertificationRule) -> dict[str, Any]:
    """A rule as the form fills itself in."""
    shares = {"error_percent": row.max_error_share, "refusal_percent": row.max_refusal_share}
    return {
        **{name: getattr(row, name) for name in ("is_on", "min_pairs", "max_p95_ms")},
        "margin_points": round(row.margin * 100, 6),
        **{name: None if value is None else round(value * 100, 6) for name, value in shares.items()},
    }
