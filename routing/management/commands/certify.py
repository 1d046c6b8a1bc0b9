from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from netra.errors import NetraError
from projects.access import by_slug
from routing import certificates


class Command(BaseCommand):
    help = "Certify and de-certify a project's options by its rule now; with the rule off, say what it finds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name")
        parser.add_argument("--json", action="store_true", help="print every verdict as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = certificates.certify(by_slug(options["project"]))
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from None
        rows = [
            {
                "option": option,
                "default_option": default,
                "verdict": verdict.standing or "unchanged",
                "reason": verdict.reason,
                "is_new": made is not None,
            }
            for option, default, verdict, made in told
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            self.stdout.write(f"{row['option']} against {row['default_option']}: {row['verdict']}. {row['reason']}")
        if not rows:
            self.stdout.write("No policy names an option that may replace its default, and none was ever compared.")
