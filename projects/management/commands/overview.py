"""Print a part of a project's overview, or all projects side by side."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404
from django.utils.html import strip_tags

from netra.templatetags.figures import change, in_unit
from netra.templatetags.pictures import beside
from projects import access
from projects.models import Project
from projects.overview import windows
from projects.overview.asking import newest_at
from projects.overview.fleet import Line, fleet
from projects.overview.parts import FIRST, PARTS, sections
from projects.overview.shapes import Row, Section, Table
from projects.overview_forms import OverviewForm


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", nargs="?", help="the project's slug; without it, all projects")
        parser.add_argument("--window", choices=list(windows.LENGTHS), help="up to the newest call")
        parser.add_argument("--from", dest="first_day", help="a day of UTC, as 2026-11-01")
        parser.add_argument("--to", dest="last_day", help="a day of UTC, included")
        parser.add_argument("--part", choices=list(PARTS), default=FIRST)
        parser.add_argument("--by", help="what the cost drivers are cut by")
        parser.add_argument("--over", help="what is compared: window or week")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = _of_project(options) if options["project"] else _of_all(options)
        self.stdout.write("\n".join(lines))


def _of_all(options: dict[str, Any]) -> Iterator[str]:
    found = fleet(Project.objects.all(), options["window"] or windows.FLEETS_USUAL, "UTC")
    yield f"{found.window.since:%Y-%m-%d %H:%M} to {found.window.until:%Y-%m-%d %H:%M} UTC"
    yield from (_line(line) for line in found.lines)


def _line(line: Line) -> str:
    told = (("usd", line.now.spent_usd), ("calls", line.now.n_calls), ("ms", line.now.p95_ms))
    words = "  ".join(f"{_word(value, unit):>12}" for unit, value in (*told, ("share", line.now.error_share)))
    return f"{line.project.slug:<24}{words}  spend {strip_tags(change(line.spend_change))}"


def _of_project(options: dict[str, Any]) -> Iterator[str]:
    try:
        project = access.by_slug(options["project"])
    except Http404 as problem:
        raise CommandError(str(problem)) from problem
    form = OverviewForm({name: value or "" for name, value in options.items()})
    for field, problems in form.errors.items():
        raise CommandError(f"{field}: {problems[0]}")
    for section in sections(form.asked(project.pk, newest_at(project.pk)), options["part"]):
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"\n{section.title}"
    if section.table is not None:
        yield from _table(section.table)
    yield from section.sentences


def _table(table: Table) -> Iterator[str]:
    yield "  ".join(f"{head.title:>16}" for head in table.heads)
    for row in (*table.rows, *([table.total] if table.total else [])):
        yield _row(row, table)


def _row(row: Row, table: Table) -> str:
    return "  ".join(f"{_word(value, unit):>16}" for _, value, unit in beside(row.cells, table.heads))


def _word(value: Any, unit: str) -> str:
    return "unknown" if value is None else strip_tags(str(in_unit(value, unit)))
