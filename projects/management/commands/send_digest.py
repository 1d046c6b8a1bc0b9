"""Send a project's digest now, or print it without sending."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404
from django.utils import timezone

from netra.errors import NetraError
from projects import access, digest_sending, digests
from projects.models import Digest


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--cadence", choices=Digest.Cadence.values, help="print this one; only with --dry-run")
        parser.add_argument("--dry-run", action="store_true", help="print it, and send nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cadence"] and not options["dry_run"]:
            raise CommandError("--cadence goes with --dry-run; what is sent has the cadence of the settings.")
        try:
            row = digest_sending.of(access.by_slug(options["project"]))
            if options["dry_run"]:
                self.stdout.write(
                    digests.as_text(digests.build(row.project, options["cadence"] or row.cadence, timezone.now()))
                )
                return
            problem = digest_sending.send(row, timezone.now(), again=True)
        except (NetraError, Http404) as refused:
            raise CommandError(str(refused)) from None
        if problem:
            raise CommandError(problem)
        self.stdout.write("Sent.")
