"""What the page of the counterfactuals asks: which decisions, and which policy is tried on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone

from netra.errors import NetraError
from projects.models import Project
from routing import policies
from routing.controller import Policy
from routing.counterfactual.report import DAYS, MAX_DAYS, Question
from routing.live_forms import PolicyForm, shown
from routing.models import RoutingPolicy

# A draft shares the address with the question; this field of a policy's form says that there is one.
_MARK = "kind"


class AskForm(forms.Form):
    policy = forms.ChoiceField(required=False, help_text="As it is saved, or changed below.")
    traffic = forms.ChoiceField(required=False, label="Decisions of")
    days = forms.IntegerField(required=False, min_value=1, max_value=MAX_DAYS, label="Days")
    last_day = forms.DateField(
        required=False, label="Last day", widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: until now."
    )

    def __init__(self, rows: list[RoutingPolicy], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = [(row.name, f"netra/{row.name}") for row in rows]
        self.fields["policy"].choices = names  # type: ignore[attr-defined]
        self.fields["traffic"].choices = [("", "all policies"), *names]  # type: ignore[attr-defined]
        self.fields["days"].widget.attrs["placeholder"] = str(DAYS)

    def until(self) -> datetime | None:
        """The end of the last day, where one was named."""
        day = self.cleaned_data.get("last_day")
        if day is None:
            return None
        return timezone.make_aware(datetime.combine(day, datetime.min.time())) + timedelta(days=1)


class Asked:
    """The two forms of the page as one question; a wrong value says so at its field, and nothing is reckoned."""

    def __init__(self, project: Project, query: QueryDict) -> None:
        self._project = project
        self._rows = policies.current(project)
        self.form = AskForm(self._rows, query or None)
        self.is_asked = bool(self._rows) and (not self.form.is_bound or self.form.is_valid())
        self.is_draft = _MARK in query
        self.draft = PolicyForm(project, query if self.is_draft else None, initial=self._initial())
        del self.draft.fields["name"]

    @property
    def row(self) -> RoutingPolicy | None:
        """The saved policy that is tried, or that the draft started from."""
        named = self.form.cleaned_data.get("policy") if self.form.is_bound and self.form.is_valid() else ""
        return next((row for row in self._rows if row.name == named), self._rows[0] if self._rows else None)

    def question(self) -> Question | None:
        policy = self._policy() if self.is_asked else None
        if policy is None:
            return None
        told = self.form.cleaned_data if self.form.is_bound else {}
        until = self.form.until() if self.form.is_bound else None
        return Question(policy, told.get("traffic") or "", told.get("days") or DAYS, until)

    def _initial(self) -> dict[str, Any]:
        return shown(self.row) if self.row else {}

    def _policy(self) -> Policy | None:
        row = self.row
        if row is None or not self.is_draft:
            return policies.as_policy(row) if row else None
        if not self.draft.is_valid():
            return None
        told = self.draft.cleaned_data
        try:
            return policies.draft(
                self._project,
                row.name,
                kind=told["kind"],
                default_option=told["default_option"],
                rules=self.draft.rules(),
            )
        except NetraError as problem:
            self.draft.refuse(problem)
            return None
