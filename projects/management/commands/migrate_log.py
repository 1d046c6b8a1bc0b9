"""Make or change the tables of the event store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from projects import log


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        applied = log.migrate()
        if options["verbosity"]:
            self.stdout.write(f"Applied: {', '.join(applied)}." if applied else "The event store is up to date.")
