"""Delete events older than their projects keep them, and what was replayed of them; safe to repeat."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from evaluation import forgetting
from netra.errors import NetraError
from projects import access, retention
from projects.models import Project


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "project", nargs="?", help="the project's slug; every project with a retention unless given"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = [access.by_slug(options["project"])] if options["project"] else retention.with_retention()
            for project in chosen:
                self._apply(project)
            self.stdout.write(f"Answers forgotten with their calls: {forgetting.forget_gone():,}.")
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from problem

    def _apply(self, project: Project) -> None:
        made = retention.apply(project)
        if made is None:
            self.stdout.write(f"{project.slug}: keeps events for good.")
        else:
            self.stdout.write(
                f"{project.slug}: {made.n_events:,} events from before {made.cutoff_at:%Y-%m-%d} deleted."
            )
