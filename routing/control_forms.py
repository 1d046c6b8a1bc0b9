"""Forms of response caches and guardrails; the rules stand in `controls` and `guardrails`."""

from __future__ import annotations

from typing import Any

from django import forms

from projects.privacy import MASKS
from routing import guardrails
from routing.forms import SettingsForm, TellingForm

HOUR_S = 3_600


class CacheForm(SettingsForm):
    scaled = (
        ("ttl_hours", "ttl_s", 1 / HOUR_S),
        ("check_percent", "check_share", 100),
        ("max_false_percent", "max_false_share", 100),
    )

    exact_cache = forms.BooleanField(required=False, label="Answer a repeated question from the cache")
    semantic_cache = forms.BooleanField(required=False, label="Also a question that means the same")
    ttl_hours = forms.FloatField(min_value=0.01, max_value=720, label="Keep answers for hours")
    max_entries = forms.IntegerField(min_value=1, max_value=100_000, label="Answers at most")
    similarity = forms.FloatField(
        min_value=0.8, max_value=1, label="Least similarity", help_text="Of two questions: 1 is the same, 0.97 is near."
    )
    check_percent = forms.FloatField(
        min_value=1, max_value=100, label="Checked, % of semantic hits", help_text="The model answers these anew."
    )
    max_false_percent = forms.FloatField(
        min_value=0.1,
        max_value=50,
        label="Wrong at most, % of semantic hits",
        help_text="Once checks show more, the semantic cache stops by itself.",
    )

    def given(self) -> dict[str, Any]:
        told = super().given()
        return {**told, "ttl_s": max(1, round(told["ttl_s"]))}


class RuleForm(TellingForm):
    name = forms.CharField(max_length=40, help_text="Refusals and counts name it.")
    kind = forms.ChoiceField(
        choices=[
            (guardrails.REGEX, "a pattern"),
            (guardrails.PII, "personal data"),
            (guardrails.MAX_TOKENS, "a limit of length"),
        ],
        label="Looks for",
    )
    on = forms.ChoiceField(choices=[(guardrails.INPUT, "requests"), (guardrails.OUTPUT, "answers")], label="In")
    action = forms.ChoiceField(
        choices=[(guardrails.BLOCK, "refuse it"), (guardrails.MASK, "mask what is found")],
        label="Then",
        help_text="A limit refuses requests and caps answers.",
    )
    pattern = forms.CharField(
        required=False, max_length=500, strip=False, help_text="RE2, for a pattern: such as (?i)project falcon."
    )
    kinds = forms.MultipleChoiceField(
        required=False,
        choices=[(name, mask.title) for name, mask in MASKS.items()],
        label="Personal data",
        help_text="None chosen means all, and the project's own terms.",
    )
    restore = forms.BooleanField(required=False, label="Put personal data back into the answer")
    longest = forms.IntegerField(
        min_value=16,
        max_value=4_000,
        initial=200,
        label="Longest find in a stream",
        help_text="In characters; so much of a stream is held back.",
    )
    limit = forms.IntegerField(required=False, min_value=1, max_value=10_000_000, help_text="For a limit of length.")
    unit = forms.ChoiceField(
        choices=[(guardrails.TOKENS, "tokens"), (guardrails.CHARACTERS, "characters, of requests")], label="Limit in"
    )

    def given(self) -> dict[str, Any]:
        return {**self.cleaned_data, "limit": self.cleaned_data["limit"] or 0}
