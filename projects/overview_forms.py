"""What the address of an overview asks: a window, a part of the page, and what the parts are cut by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from projects.overview import windows
from projects.overview.asking import Asked
from projects.overview.change import OVERS
from projects.overview.drivers import DRIVERS
from projects.overview.parts import FIRST, PARTS
from projects.overview.windows import FLEETS_USUAL, LENGTHS, USUAL, Window


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class _Form(forms.Form):
    """Everything optional; what cannot be read asks nothing, and its sentence stands on the page."""

    window = forms.ChoiceField(required=False, choices=[(name, title) for name, (title, _) in LENGTHS.items()])

    def told(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


class FleetForm(_Form):
    """What is asked of all projects together."""

    @property
    def name(self) -> str:
        return str(self.told().get("window", FLEETS_USUAL))


class OverviewForm(_Form):
    """What is asked of a project's overview."""

    first_day = _day("From")
    last_day = _day("to, included")
    part = forms.ChoiceField(required=False, choices=[(name, part.title) for name, part in PARTS.items()])
    by = forms.ChoiceField(required=False, choices=list(DRIVERS.items()))
    over = forms.ChoiceField(required=False, choices=list(OVERS.items()))

    def clean(self) -> dict[str, Any]:
        told = dict(super().clean() or {})
        first, last = told.get("first_day"), told.get("last_day")
        if first and last and first > last:
            self.add_error("last_day", "The last day lies before the first.")
        for name, day in (("first_day", first), ("last_day", last)):
            if day and not 1971 < day.year < 2100:
                self.add_error(name, "Give a year between 1972 and 2099.")
        return told

    def looked_at(self, newest_at: datetime | None) -> Window:
        """The window asked for; else thirty days up to the newest call."""
        told, zone = self.told(), timezone.get_current_timezone_name()
        if {"first_day", "last_day"} & set(told) and not self.errors:
            last: date = told.get("last_day") or timezone.localdate(newest_at or timezone.now())
            first: date = told.get("first_day") or last - timedelta(days=29)
            return windows.own(first, max(first, last), newest_at, zone)
        return windows.newest(told.get("window", USUAL), newest_at, zone)

    @property
    def own_days(self) -> list[forms.BoundField]:
        return [self["first_day"], self["last_day"]]

    @property
    def part_name(self) -> str:
        return str(self.told().get("part", FIRST))

    def asked(self, project_id: int, newest_at: datetime | None) -> Asked:
        told = self.told()
        cut = {name: told[name] for name in ("by", "over") if name in told}
        return Asked(project_id, self.looked_at(newest_at), **cut)
