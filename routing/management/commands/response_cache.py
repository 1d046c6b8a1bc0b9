from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from netra.errors import NetraError
from projects.access import by_slug
from routing import control_report


class Command(BaseCommand):
    help = "Say what a project's response cache and guardrails did of late, and what the log says a cache would answer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name")
        parser.add_argument("--days", type=int, default=control_report.DAYS)
        parser.add_argument("--json", action="store_true", help="print all of it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = by_slug(options["project"])
            told = control_report.report(project, days=options["days"])
            told["expected"] = control_report.expected(project)
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(orjson.dumps(told, default=str).decode())
            return
        self._tell(told)

    def _tell(self, told: dict[str, Any]) -> None:
        hits, wrong = told["hits"], told["false_hits"]
        share = "" if hits["share"] is None else f" ({hits['share']:.1%})"
        self.stdout.write(f"{hits['n_hits']} of {hits['n_calls']} answers came from the cache{share}.")
        if hits["saved_usd"] is not None:
            self.stdout.write(f"They saved {hits['saved_usd']:.6f} USD ({hits['n_priced']} with a known cost).")
        if wrong["share"] is None:
            self.stdout.write(f"False hits: not known yet, {wrong['n_needed']} more checks are needed.")
        else:
            bounds = f"{wrong['low']:.1%} to {wrong['high']:.1%}"
            self.stdout.write(f"False hits: {wrong['share']:.1%} of {wrong['n_checked']} checked ({bounds}).")
        for each in told["guardrails"]:
            self.stdout.write(f"{each['rule']} ({each['on']}): {each['action']} in {each['n_requests']} requests")
