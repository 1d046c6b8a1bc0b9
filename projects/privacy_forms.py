"""Forms of the privacy page: what the door does, and whose events are to go."""

from __future__ import annotations

from typing import Any

from django import forms

from netra.errors import Invalid
from projects import privacy_settings
from projects.models import Project
from projects.privacy import MASKS


class PrivacyForm(forms.Form):
    """The project's own settings unless something else is given; what is wrong is said by `privacy_settings`."""

    is_private = forms.BooleanField(
        label="Privacy mode: keep only keyed hashes of prompts and answers",
        required=False,
        help_text="For calls from now on. Replay and judging then have nothing to work with.",
    )
    masks = forms.MultipleChoiceField(
        label="Masked at the door",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(name, mask.title) for name, mask in MASKS.items()],
        help_text="Each find is replaced by its kind in brackets, before anything is kept.",
    )
    masked_terms = forms.CharField(
        label="Own terms to mask",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One a line, upper or lower case alike: names of customers, of projects, of places.",
    )
    retention_days = forms.IntegerField(
        label="Days events are kept",
        required=False,
        help_text="Older ones are deleted within a day, and not taken in. Empty keeps them for good.",
    )
    sample = forms.CharField(
        label="Try it on a text",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Shows how it would come out with the settings above. Neither is saved.",
    )

    def __init__(self, *args: Any, project: Project, is_owner: bool, **options: Any) -> None:
        options["initial"] = {name: getattr(project, name) for name in privacy_settings.FIELDS}
        options["initial"]["masked_terms"] = "\n".join(project.masked_terms)
        super().__init__(*args, **options)
        for name in privacy_settings.FIELDS:
            self.fields[name].disabled = not is_owner

    def wanted(self) -> dict[str, Any]:
        """The settings as `privacy_settings` takes them."""
        told = {name: self.cleaned_data[name] for name in privacy_settings.FIELDS}
        return told | {"masked_terms": told["masked_terms"].splitlines()}

    def refuse(self, problem: Invalid) -> None:
        self.add_error(problem.field if problem.field in self.fields else None, str(problem))


class PersonForm(forms.Form):
    user_id = forms.CharField(
        label="User id",
        max_length=512,
        strip=False,
        help_text="As your logs have it, or as Netra shows it (person-…).",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ErasureForm(PersonForm):
    """The id once more, typed by hand."""

    user_id = forms.CharField(max_length=512, strip=False, widget=forms.HiddenInput)
    typed = forms.CharField(
        label="The user id once more",
        max_length=512,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if told.get("typed") != told.get("user_id"):
            self.add_error("typed", "Type the user id exactly as above to confirm.")
        return told
