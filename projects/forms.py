"""Forms of the demand side: wrong values get a sentence at their field."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms

from netra import numbers
from projects.ingest import formats
from projects.models import Membership, Project, User


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = ("name", "slug", "description", "incumbent")
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        labels = {"slug": "Short name", "incumbent": "Model in use today"}
        help_texts = {"slug": "Stands in addresses and commands: lower-case letters, digits, hyphens."}


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = ("name", "description", "incumbent")
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        labels = {"incumbent": "Model in use today"}


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text="JSON lines, a JSON array, CSV or Parquet; plain, gzip or zstd.",
        allow_empty_file=True,
    )
    format = forms.ChoiceField(
        label="Format", required=False, choices=[("", "Told from the content"), *formats.choices()]
    )


class FormatForm(forms.Form):
    format = forms.ChoiceField(label="Format", choices=formats.choices())


class KeyForm(forms.Form):
    name = forms.CharField(label="Name of the key", max_length=80, help_text="Where it will be used.")


class MemberForm(forms.Form):
    email = forms.EmailField(label="E-mail address")
    role = forms.ChoiceField(label="Role", choices=Membership.Role.choices, initial=Membership.Role.MEMBER)


class DeleteForm(forms.Form):
    slug = forms.CharField(label="Short name of the project", help_text="Type it to delete the project for good.")

    def __init__(self, *args: Any, project: Project, **options: Any) -> None:
        super().__init__(*args, **options)
        self.project = project

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug != self.project.slug:
            raise forms.ValidationError(f"Type {self.project.slug} to confirm.")
        return slug


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    time_zone = forms.ChoiceField(choices=[(name, name) for name in sorted(zoneinfo.available_timezones())])
    number_format = forms.ChoiceField(
        label="Amounts and numbers",
        choices=numbers.samples(),
        required=False,
        help_text="How they are written. Amounts are US dollars in every format; nothing is converted.",
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "time_zone", "number_format")
