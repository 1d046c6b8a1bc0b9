"""The planner's form: what a run is to compare, how, and for how much at most."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from evaluation.models import ReplayCall
from evaluation.rubrics import DIMENSIONS
from evaluation.runs import MAX_CANDIDATES, MAX_CONCURRENCY, Wish
from netra.errors import Invalid
from projects.models import Project
from routing.supply import callable_options

FIELD_OF = {"thresholds": "margin_points", "judges": "judges", "candidates": "candidates", "incumbent": "incumbent"}


class CallFilterForm(forms.Form):
    """What the calls of a run may be narrowed by; a value that cannot be read asks nothing."""

    lane = forms.ChoiceField(required=False, choices=[("", "any"), *ReplayCall.LaneName.choices])
    state = forms.ChoiceField(required=False, choices=[("", "any"), *ReplayCall.State.choices])
    option = forms.CharField(required=False, max_length=200, label="Model")
    start = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)

    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


class PlanForm(forms.Form):
    name = forms.CharField(max_length=120, required=False, label="Name", help_text="So that you find it again.")
    incumbent = forms.ChoiceField(label="In use today")
    candidates = forms.MultipleChoiceField(
        label="Candidates", help_text=f"Up to {MAX_CANDIDATES}; the error rate holds over all of them together."
    )
    judges = forms.MultipleChoiceField(label="Judges", help_text="Several judges show how far they agree.")
    dimensions = forms.MultipleChoiceField(
        label="Judged on",
        choices=[(name, name) for name in DIMENSIONS],
        widget=forms.CheckboxSelectMultiple,
        initial=["quality", "safety"],
    )
    budget_usd = forms.DecimalField(
        label="Budget in US dollars",
        min_value=Decimal("0.000001"),
        max_digits=12,
        decimal_places=6,
        initial=5,
        help_text="Never passed: each call reserves its worst case first.",
    )
    max_pairs = forms.IntegerField(label="Prompts at most", min_value=1, max_value=100_000, initial=400)
    margin_points = forms.DecimalField(
        label="Quality margin in points",
        min_value=0,
        max_value=50,
        max_digits=4,
        decimal_places=1,
        initial=2,
        help_text="How much worse a cheaper model may be, of 100.",
    )
    min_saving_percent = forms.DecimalField(
        label="Least saving worth a switch, in percent",
        min_value=0,
        max_value=99,
        max_digits=4,
        decimal_places=1,
        initial=10,
    )
    alpha_percent = forms.DecimalField(
        label="Error rate α in percent",
        min_value=Decimal("0.1"),
        max_value=50,
        max_digits=4,
        decimal_places=1,
        initial=5,
    )
    latency_slo_ms = forms.FloatField(
        label="Latency limit in ms", required=False, min_value=1, help_text="Empty: latency decides nothing."
    )
    concurrency = forms.IntegerField(label="Calls at once", min_value=1, max_value=MAX_CONCURRENCY, initial=8)
    seed = forms.IntegerField(label="Seed", min_value=0, max_value=2**31, initial=0, help_text="Of the prompts' order.")

    def __init__(self, *args: Any, project: Project, **options: Any) -> None:
        super().__init__(*args, **options)
        found = [option.name for option in callable_options(project)]
        choices = [(name, name) for name in found]
        self.has_options = bool(choices)
        self.fields["incumbent"].choices = choices  # type: ignore[attr-defined]
        for name in ("candidates", "judges"):
            self.fields[name].choices = choices  # type: ignore[attr-defined]
            self.fields[name].widget.attrs["size"] = min(12, max(4, len(choices)))
        if project.incumbent in found:
            self.fields["incumbent"].initial = project.incumbent

    def wish(self) -> Wish:
        """What was asked for; call after `is_valid`."""
        told = self.cleaned_data
        judges = list(told["judges"])
        return Wish(
            name=told["name"],
            incumbent=told["incumbent"],
            candidates=list(told["candidates"]),
            judges=dict.fromkeys(told["dimensions"], judges),
            budget_usd=told["budget_usd"],
            max_pairs=told["max_pairs"],
            seed=told["seed"],
            concurrency=told["concurrency"],
            thresholds={
                "alpha": float(told["alpha_percent"]) / 100,
                "margin_quality": float(told["margin_points"]) / 100,
                "margin_safety": float(told["margin_points"]) / 100,
                "min_saving": float(told["min_saving_percent"]) / 100,
                "latency_slo_ms": told["latency_slo_ms"],
            },
        )

    def refuse(self, problem: Exception) -> None:
        """Show why it cannot be done, at the field where that is."""
        field = FIELD_OF.get(problem.field or "", problem.field) if isinstance(problem, Invalid) else None
        self.add_error(field if field in self.fields else None, str(problem))
