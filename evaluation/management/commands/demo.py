"""Make the demo project: thirty simulated days of calls, and three evaluations whose true answers are known."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from evaluation import demonstration
from evaluation.models import EvaluationRun
from evaluation.tasks import run_evaluation


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--prepare", action="store_true", help="only the project and its traffic, in seconds")
        how.add_argument("--queue", action="store_true", help="only hand the evaluations to the running worker")
        how.add_argument("--no-evaluate", action="store_true", help="like --prepare")
        how.add_argument("--new-password", action="store_true", help="only give the demo's owner a new password")
        parser.add_argument("--calls", type=int, default=demonstration.N_CALLS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_password"]:
            self._say_login(demonstration.new_password())
            return
        if not options["queue"]:
            call_command("sync_catalog", "--first-time", verbosity=0)
        project, password = demonstration.prepare(n_calls=options["calls"])
        if not options["queue"]:
            self._say_login(password)
        if options["prepare"] or options["no_evaluate"]:
            return
        for run in demonstration.evaluations(project):
            self._evaluate(run, is_queued=options["queue"])

    def _evaluate(self, run: EvaluationRun, *, is_queued: bool) -> None:
        if run.is_over:
            return
        if is_queued:
            run_evaluation.delay(run.pk)
            return
        self.stdout.write(f"{run.name}: evaluating …")
        run_evaluation(run.pk)
        run.refresh_from_db()
        found = run.recommendations.first()
        self.stdout.write(f"{run.name}: {found.sentence if found else run.sentence}")

    def _say_login(self, password: str | None) -> None:
        self.stdout.write(f"Demo login: {demonstration.OWNER}")
        if password is None:
            self.stdout.write("Its password was shown when it was made; `manage.py demo --new-password` makes another.")
        else:
            self.stdout.write(f"Password:   {password}")
