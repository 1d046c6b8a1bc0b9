"""What the page of the prompt cache can be asked; a wrong value says so at its field and the usual one holds."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms

from projects import cache_sample
from projects.cache_report import Question
from projects.cache_reuse import kv
from projects.cache_reuse.findings import MAX_BLOCK_TOKENS, MAX_SERVERS, Asked


def _number(label: str, usual: int, most: int) -> forms.IntegerField:
    """Left empty, the usual number holds; it shows in the field."""
    shown = forms.NumberInput(attrs={"placeholder": str(usual)})
    return forms.IntegerField(label=label, required=False, min_value=1, max_value=most, widget=shown)


class CacheForm(forms.Form):
    days = _number("Days", cache_sample.DAYS, cache_sample.MAX_DAYS)
    session = forms.CharField(
        label="Session", required=False, max_length=200, widget=forms.TextInput(attrs={"placeholder": "all"})
    )
    block_tokens = _number("Tokens a block", Asked().block_tokens, MAX_BLOCK_TOKENS)
    servers = _number("Servers", Asked().n_servers, MAX_SERVERS)
    shape = forms.ChoiceField(
        label="Memory as on",
        required=False,
        choices=[("", "the model in use"), *((name, name) for name in kv.SHAPES)],
    )

    def question(self) -> Question:
        """What was asked, with the usual value wherever nothing or nonsense was."""
        self.is_valid()
        told = self.cleaned_data
        asked = Asked(
            block_tokens=told.get("block_tokens") or Asked().block_tokens,
            n_servers=told.get("servers") or Asked().n_servers,
            shape=told.get("shape") or None,
        )
        days, session = told.get("days") or cache_sample.DAYS, told.get("session") or None
        return Question(days=days, session_id=session, asked=asked)

    def as_query(self) -> str:
        """The valid part of what was asked, for the charts of the same page."""
        return urlencode({name: value for name, value in self.cleaned_data.items() if value})
