"""Find the kinds of work in a project's calls, and print them with what they cost."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import NetraError
from projects import access, kind_fitting, kind_report
from projects.kind_report import Report, Row
from projects.models import KindFit


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--seed", type=int, default=None, help="of the sample; the same one, the same kinds")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            fit = kind_fitting.run(kind_fitting.start(project, seed=options["seed"]))
            if fit.state != KindFit.State.DONE:
                raise CommandError(fit.sentence or "The fit was stopped; run the command again.")
            self.stdout.write("\n".join(lines(kind_report.report(project), fit)))
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from problem


def lines(told: Report, fit: KindFit) -> Iterator[str]:
    yield f"{len(told.rows)} kinds of work from {fit.n_sampled:,} of {fit.n_calls:,} calls"
    yield f"{fit.n_embedded:,} different texts embedded in {fit.seconds:.1f} s; seed {fit.seed}"
    if fit.kept_share is not None:
        yield f"{100 * fit.kept_share:.1f} % of calls stay in the kind of the fit before"
    yield ""
    for row in told.rows:
        yield _row(f"{row.kind.number:>3} {row.kind.name}" if row.kind else "", row)
    if told.strangers:
        yield _row("    unlike any kind", told.strangers)


def _row(name: str, row: Row) -> str:
    cost = row.figures.cost_usd
    told = "cost unknown" if cost is None else f"{cost:,.2f} USD"
    share = "" if row.share is None else f"{100 * row.share:.1f} %"
    return f"{name:<50}{row.figures.n_calls:>12,.0f}{share:>9}{told:>16}"
