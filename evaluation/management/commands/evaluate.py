"""Evaluate candidates against the incumbent on a project's own traffic, here and now, and print the recommendation."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.http import Http404

from evaluation import runs
from evaluation.models import EvaluationRun
from evaluation.tasks import run_evaluation
from netra.errors import NetraError
from projects import access

PROGRESS_EVERY_S = 2.0


def money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--incumbent", default="", help="supply option in use today; default: the project's")
        parser.add_argument("--candidate", action="append", required=True, dest="candidates")
        parser.add_argument("--judge", action="append", required=True, dest="judges")
        parser.add_argument("--dimension", action="append", dest="dimensions", help="default: quality")
        parser.add_argument("--pairwise", default=None, help="a judge that compares the answers in both orders")
        parser.add_argument("--margin", type=float, default=0.02, help="of quality and safety, 0.02 = two points")
        parser.add_argument("--alpha", type=float, default=0.05)
        parser.add_argument("--min-saving", type=float, default=0.10)
        parser.add_argument("--budget", type=money, required=True, help="USD, never passed")
        parser.add_argument("--max-pairs", type=int, default=400)
        parser.add_argument("--concurrency", type=int, default=8)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            run = runs.create(project, _wish(options, project.incumbent))
        except (NetraError, Http404) as problem:
            raise CommandError(str(problem)) from problem
        over = threading.Event()
        teller = threading.Thread(target=self._tell, args=(run.pk, over), daemon=True)
        teller.start()
        try:
            run_evaluation(run.pk)
        finally:
            over.set()
            teller.join()
        self._report(run)

    def _tell(self, run_id: int, over: threading.Event) -> None:
        while not over.wait(PROGRESS_EVERY_S):
            run = EvaluationRun.objects.get(pk=run_id)
            self.stderr.write(
                f"{run.n_pairs} of {run.max_pairs or '…'} pairs, "
                f"{run.charged_at_most_usd:.4f} of {run.budget_usd:.2f} USD at most"
            )
        connections.close_all()

    def _report(self, run: EvaluationRun) -> None:
        run.refresh_from_db()
        found = run.recommendations.first()
        if found is None:
            raise CommandError(f"The run ended as {run.state}: {run.sentence}")
        self.stdout.write(f"{found.verdict}: {found.sentence}")
        for reason in found.reasons:
            self.stdout.write(f"  {reason['code']}: {reason['sentence']} {reason['remedy']}")
        self.stdout.write(f"{run.n_pairs} pairs, {run.charged_at_most_usd:.4f} USD at most, pack {found.pack_sha256}")


def _wish(options: dict[str, Any], incumbent: str) -> runs.Wish:
    thresholds = {name: options[name] for name in ("alpha", "min_saving")}
    return runs.Wish(
        name=options["name"],
        incumbent=options["incumbent"] or incumbent,
        candidates=options["candidates"],
        judges=dict.fromkeys(options["dimensions"] or ["quality"], options["judges"]),
        pairwise=options["pairwise"],
        budget_usd=options["budget"],
        max_pairs=options["max_pairs"],
        concurrency=options["concurrency"],
        seed=options["seed"],
        thresholds={**thresholds, "margin_quality": options["margin"], "margin_safety": options["margin"]},
    )
