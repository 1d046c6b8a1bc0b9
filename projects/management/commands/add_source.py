from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import NetraError
from projects import access, audit, sourcing
from projects.sources import vendors


class Command(BaseCommand):
    help = (
        "Add a source to a project. The secret comes from an environment variable that is named (--secret-env), which "
        "is read anew at each sync, or from standard input (--secret-stdin); never from the command line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("kind", choices=list(vendors.VENDORS))
        parser.add_argument("--name", help="what it is called (default: its kind)")
        parser.add_argument("--base-url", default="", help="default: the vendor's own cloud, where there is one")
        parser.add_argument("--account", default="", help="public key, workspace or project")
        parser.add_argument("--secret-env", default="")
        parser.add_argument("--secret-stdin", action="store_true")
        parser.add_argument("--history-days", type=int, default=30, help="how far back the first sync reads")
        parser.add_argument("--every-minutes", type=int, default=60, help="0: by hand only")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["secret_env"] and not os.environ.get(options["secret_env"]):
            raise CommandError(f"The environment variable {options['secret_env']} is not set.")
        given = {name: options[name] for name in ("base_url", "account", "secret_env", "history_days")}
        given["every_minutes"] = options["every_minutes"] or None
        if options["secret_stdin"]:
            given["secret"] = sys.stdin.readline().strip()
        try:
            project = access.by_slug(options["project"])
            name = options["name"] or options["kind"]
            row = sourcing.create(project, kind=options["kind"], name=name, given=given)
        except (NetraError, Http404) as problem:
            raise CommandError(str(problem)) from None
        audit.note(project, "source_added", f"Added the source {row.name} at {row.base_url}.")
        self.stdout.write(self.style.SUCCESS(f"{row.name} reads {row.base_url}; `manage.py sync_source` begins."))
