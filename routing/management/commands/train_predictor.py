from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from netra.errors import NetraError
from projects.access import by_slug
from routing import predictor
from routing.models import TrainedPredictor


class Command(BaseCommand):
    help = "Train a project's predictor on its judged pairs now, and say what it knows and where it abstains."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name")
        parser.add_argument("--json", action="store_true", help="print the whole report")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            trained = predictor.train(by_slug(options["project"]))
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(json.dumps([{"default": each.default_option, **each.report} for each in trained]))
            return
        for each in trained:
            self._tell(each)
        if not trained:
            self.stdout.write("There are no judged pairs yet; an evaluation brings them.")

    def _tell(self, row: TrainedPredictor) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"{row}: {row.report['n_prompts']} prompts"))
        if row.report["n_outdated"]:
            self.stdout.write(f"  {row.report['n_outdated']} pairs are from before an option changed: left out")
        for each in row.report["options"]:
            self.stdout.write(
                f"  {each['option']}: {each['n']} pairs, as good on {each['as_good']:.0%}, "
                f"worse on {each['worse']:.0%}, no bound on {each['abstains']:.0%}"
            )
        for each in row.report["too_few"]:
            self.stdout.write(f"  {each['option']}: {each['n']} pairs are too few to learn from")
