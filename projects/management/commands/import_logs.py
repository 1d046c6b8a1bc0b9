"""Import log files into a project, and say what became of every line."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from projects import access, importing, ledger
from projects.ingest import formats
from projects.models import Import


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("files", nargs="+", type=Path)
        parser.add_argument("--format", choices=[name for name, _ in formats.choices()], default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
        except Http404 as problem:
            raise CommandError(f"{problem} Make it with `manage.py create_project`.") from problem
        failed = [path for path in options["files"] if not self._take(project, path, options["format"])]
        if failed:
            raise CommandError(f"Not taken: {', '.join(map(str, failed))}.")

    def _take(self, project: Any, path: Path, chosen: str) -> bool:
        if not path.is_file():
            self.stderr.write(f"There is no file {path}.")
            return False
        taking = Import.objects.create(
            project=project, file_name=path.name, file_path=str(path.resolve()), format=chosen, source="command line"
        )
        importing.run(taking)
        self.stdout.write("\n".join(ledger.summary(taking)))
        return taking.state == Import.State.DONE
