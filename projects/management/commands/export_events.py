"""Write a project's events as Netra JSON lines, which import_logs reads back, or as Parquet."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import NetraError
from projects import access, exporting, log
from projects.log import EventFilter


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--out", type=Path, help="a file; standard output unless given")
        parser.add_argument("--format", choices=sorted(exporting.FORMATS), default="jsonl")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            pieces, _, _ = exporting.FORMATS[options["format"]]
            with options["out"].open("wb") if options["out"] else nullcontext(sys.stdout.buffer) as out:
                for piece in pieces(project.pk, EventFilter()):
                    out.write(piece)
            self.stderr.write(f"{log.count(project.pk, EventFilter()):,} events.")
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from problem
        except OSError as problem:
            raise CommandError(f"The file cannot be written: {problem.strerror}.") from problem
