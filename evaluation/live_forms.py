"""The forms of the page of live quality; what is refused stands in `live_settings` and `certificates`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from evaluation.rubrics import DIMENSIONS
from projects.models import Project
from routing.forms import SettingsForm
from routing.supply import callable_options


class JudgingForm(SettingsForm):
    scaled = (("sample_percent", "sample_share", 100),)

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


class RuleForm(SettingsForm):
    scaled = (
        ("margin_points", "margin", 100),
        ("error_percent", "max_error_share", 100),
        ("refusal_percent", "max_refusal_share", 100),
    )

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
