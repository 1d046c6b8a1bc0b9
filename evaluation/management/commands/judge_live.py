from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from evaluation import live_judging
from netra.errors import NetraError
from projects.access import by_slug


class Command(BaseCommand):
    help = "Judge live answers of a project now, within today's budget, until nothing is left or the budget is spent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = by_slug(options["project"])
            sitting = live_judging.sit(project)
            if sitting is None:
                raise CommandError("Live judging is switched off here, or another process is at it.")
            while True:
                self._tell(sitting)
                is_over = not sitting.n_judged or bool(sitting.sentence)
                following = None if is_over else live_judging.sit(project)
                if following is None:
                    return
                sitting = following
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from None

    def _tell(self, sitting: live_judging.Sitting) -> None:
        run = sitting.run
        money = f"{run.charged_at_most_usd:.4f} of {run.budget_usd:.2f} USD today at most"
        pairs = f"{sitting.n_judged} pairs judged, {sitting.n_unscored} not scored today"
        self.stdout.write(f"{pairs}, {money}. {sitting.sentence}".strip())
