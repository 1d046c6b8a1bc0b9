"""Forms of live routing; the rules stand in `policies` and `granting`, their sentences come back to the field."""

from __future__ import annotations

from typing import Any

from django import forms

from projects.models import ApiKey, Project
from routing.forms import TellingForm
from routing.models import Allowance, RoutingPolicy
from routing.supply import callable_options


class PolicyForm(TellingForm):
    names = {"margin": "margin_points", "exploration": "exploration_percent", "hedge_quantile": "hedge_percentile"}

    name = forms.SlugField(
        max_length=60, help_text="Requests name it as their model: netra/NAME. auto is the usual one."
    )
    kind = forms.ChoiceField(choices=RoutingPolicy.Kind.choices, label="What it wants")
    default_option = forms.ChoiceField(
        label="Default", help_text="Answers wherever nothing else is shown to be as good."
    )
    candidates = forms.MultipleChoiceField(required=False, help_text="What may replace the default.")
    fallbacks = forms.MultipleChoiceField(required=False, help_text="Asked in turn when the chosen one fails.")
    margin_points = forms.FloatField(
        min_value=0,
        max_value=50,
        initial=2,
        label="Quality margin in points",
        help_text="How much worse may be, of 100.",
    )
    max_cost_usd = forms.FloatField(required=False, min_value=0, max_value=1_000, label="Most a call may cost, in USD")
    max_latency_ms = forms.FloatField(required=False, min_value=1, max_value=3_600_000, label="Longest p95, in ms")
    exploration_percent = forms.FloatField(
        min_value=0,
        max_value=50,
        initial=0,
        label="Tried to learn, % of calls",
        help_text="Never on sensitive requests.",
    )
    certified_only = forms.BooleanField(
        required=False, help_text="What is not certified under Quality of live answers never replaces the default."
    )
    stickiness = forms.BooleanField(
        required=False,
        initial=True,
        label="Keep conversations warm",
        help_text="Counts what a lost prompt cache costs.",
    )
    hedge_after_ms = forms.FloatField(
        required=False,
        min_value=10,
        max_value=600_000,
        label="Ask a second option after, in ms",
        help_text="The next in line is asked as well; the first answer counts. At most one call in twenty.",
    )
    hedge_percentile = forms.FloatField(
        required=False,
        min_value=50,
        max_value=99.9,
        label="Or after this percentile of its latency",
        help_text="95: after the time in which 95 of 100 calls were answered lately.",
    )
    quality_weight = forms.FloatField(required=False, min_value=0, label="Weight of a quality point")
    cost_weight = forms.FloatField(required=False, min_value=0, label="Weight of a USD")
    latency_weight = forms.FloatField(required=False, min_value=0, label="Weight of a second")
    shares = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For a split: one option a line with its weight, such as openai/gpt-4o 3.",
    )

    def __init__(self, project: Project, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = [(each.name, each.name) for each in callable_options(project)]
        for field in ("default_option", "candidates", "fallbacks"):
            self.fields[field].choices = names  # type: ignore[attr-defined]

    def clean_shares(self) -> dict[str, float]:
        shares: dict[str, float] = {}
        for line in self.cleaned_data["shares"].splitlines():
            name, _, weight = line.strip().rpartition(" ")
            if not line.strip():
                continue
            try:
                shares[name.strip()] = float(weight)
            except ValueError:
                raise forms.ValidationError(f"{line.strip()[:80]!r} is not an option with a number.") from None
        return shares

    def given(self) -> dict[str, Any]:
        told = {name: self.cleaned_data[name] for name in ("kind", "default_option")}
        return {**told, "rules": self.rules()}

    def rules(self) -> dict[str, Any]:
        told = self.cleaned_data
        weights = {name: told[f"{name}_weight"] for name in ("quality", "cost", "latency")}
        return {
            "candidates": told["candidates"],
            "fallbacks": told["fallbacks"],
            "margin": told["margin_points"] / 100,
            "max_cost_usd": told["max_cost_usd"],
            "max_latency_ms": told["max_latency_ms"],
            "exploration": told["exploration_percent"] / 100,
            "weights": {name: value for name, value in weights.items() if value is not None},
            "certified_only": told["certified_only"],
            "stickiness": told["stickiness"],
            "hedge_after_ms": told["hedge_after_ms"],
            "hedge_quantile": told["hedge_percentile"] and round(told["hedge_percentile"] / 100, 6),
            "shares": told["shares"],
        }


def shown(row: RoutingPolicy) -> dict[str, Any]:
    """A policy as the form fills itself in."""
    rules = row.rules
    weights = rules.get("weights", {})
    return {
        "name": row.name,
        "kind": row.kind,
        "default_option": row.default_option,
        "candidates": rules.get("candidates", []),
        "fallbacks": rules.get("fallbacks", []),
        "margin_points": round(rules.get("margin", 0.02) * 100, 6),
        "max_cost_usd": rules.get("max_cost_usd"),
        "max_latency_ms": rules.get("max_latency_ms"),
        "exploration_percent": round(rules.get("exploration", 0.0) * 100, 6),
        "certified_only": rules.get("certified_only", False),
        "stickiness": rules.get("stickiness", True),
        "hedge_after_ms": rules.get("hedge_after_ms"),
        "hedge_percentile": round(rules["hedge_quantile"] * 100, 6) if "hedge_quantile" in rules else None,
        **{f"{name}_weight": weights.get(name) for name in ("quality", "cost", "latency")},
        "shares": "\n".join(f"{name} {share:g}" for name, share in rules.get("shares", {}).items()),
    }


class AllowanceForm(TellingForm):
    key = forms.ChoiceField(required=False, label="Holds for")
    budget_usd = forms.DecimalField(
        required=False, min_value=0, max_digits=14, decimal_places=6, label="Budget in US dollars"
    )
    window = forms.ChoiceField(choices=Allowance.Window.choices, initial=Allowance.Window.DAY, label="For")
    requests_per_minute = forms.IntegerField(required=False, min_value=1, max_value=1_000_000)
    tokens_per_minute = forms.IntegerField(required=False, min_value=1, max_value=1_000_000_000)

    def __init__(self, project: Project, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = ApiKey.objects.live().filter(project=project).order_by("name").values_list("name", flat=True)
        whole = ("", "the whole project")
        self.fields["key"].choices = [whole, *((name, f"key {name}") for name in names)]  # type: ignore[attr-defined]


class TryForm(forms.Form):
    text = forms.CharField(
        max_length=20_000, widget=forms.Textarea(attrs={"rows": 3}), label="A request, as a user writes it"
    )
