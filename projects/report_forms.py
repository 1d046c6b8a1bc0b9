"""Forms of saved views and of the digest; the rules stand in their stages, whose sentences come back to the field."""

from __future__ import annotations

from django import forms

from netra.errors import Invalid, NetraError
from projects.models import Digest, SavedView


class RefusableForm(forms.Form):
    def refuse(self, problem: NetraError) -> None:
        """Show what the stage refused."""
        field = problem.field if isinstance(problem, Invalid) else None
        self.add_error(field if field in self.fields else None, str(problem))


class SaveViewForm(RefusableForm):
    """Stands on the page whose question it keeps, and again where it was refused."""

    name = forms.CharField(max_length=80, label="Name")
    page = forms.ChoiceField(choices=SavedView.Page)
    query = forms.CharField(required=False, label="Question", help_text="As it stands in the page's address.")
    is_shared = forms.BooleanField(required=False, label="Everyone in this project sees it")


class DigestForm(RefusableForm):
    cadence = forms.ChoiceField(
        choices=Digest.Cadence, help_text="Days are those of UTC; a week begins on Monday. Sent once it is over."
    )
    to_members = forms.BooleanField(required=False, label="E-mail to every member of this project")
    webhook_url = forms.CharField(
        required=False,
        max_length=300,
        label="Webhook",
        help_text="Gets the digest as signed JSON. A new address gets a new secret. Left empty, nothing is posted.",
    )
    is_renewed = forms.BooleanField(required=False, label="Make a new secret for the webhook")
