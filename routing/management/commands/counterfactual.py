"""Say what a policy would have cost and scored on the decisions that were logged."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import NetraError
from projects import access
from routing import policies
from routing.counterfactual.estimators import Estimate
from routing.counterfactual.measures import COST, ERRORS, LATENCY, QUALITY
from routing.counterfactual.report import DAYS, Question, Report, report
from routing.counterfactual_schemas import CounterfactualOut

_WRITTEN = {COST: "{:.6f} USD", LATENCY: "{:.0f} ms", ERRORS: "{:.2%}", QUALITY: "{:+.4f}"}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's short name")
        parser.add_argument("policy", help="the name of a saved policy")
        parser.add_argument("--traffic", default="", help="only decisions of this policy; usual: of all policies")
        parser.add_argument("--days", type=int, default=DAYS, help="days up to now")
        parser.add_argument("--json", action="store_true", help="print the whole report")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            policy = policies.as_policy(policies.named(project, options["policy"]))
            told = report(project, Question(policy, options["traffic"], options["days"]))
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(CounterfactualOut.from_orm(told).model_dump_json())
            return
        self.stdout.write("\n".join(lines(told)))


def lines(told: Report) -> Iterator[str]:
    yield f"{told.policy.name} v{told.policy.version} on {told.n_read:,} of {told.n_logged:,} logged decisions"
    if told.n_unreadable:
        yield f"{told.n_unreadable:,} more do not say enough to be decided again"
    if told.overlap is None or told.replay is None:
        yield "Nothing to decide again: send requests to a policy first, or look at more days."
        return
    yield told.overlap.sentence
    yield f"{told.replay.moved:.1%} of the calls would go to another option"
    for each in told.measures:
        yield f"  {each.measure:<12}{_told(each.logged, each.measure)}  →  {_told(each.other, each.measure)}"


def _told(found: Estimate, measure: str) -> str:
    if found.value is None:
        return f"unknown (n {found.n:,})"
    value, low, high = (_WRITTEN[measure].format(each) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}] (n {found.n:,}, worth {found.effective_n:,.0f})"
