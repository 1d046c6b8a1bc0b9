"""Delete a person's events by user id, with what was replayed of them, and refuse them from now on; safe to repeat."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from evaluation import forgetting
from netra.errors import NetraError
from projects import access, erasure


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("user_id", help="as the logs have it, or its hash as Netra shows it")
        parser.add_argument("--dry-run", action="store_true", help="say how many, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            if options["dry_run"]:
                self.stdout.write(f"{erasure.preview(project, options['user_id']).n_events:,} events would be deleted.")
                return
            row, n_events = erasure.erase(project, options["user_id"])
            n_answers = forgetting.forget_gone()
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"{n_events:,} events deleted, and {n_answers:,} answers replayed of them. From now on")
        self.stdout.write(f"events of {row.fingerprint} are refused at every way in.")
