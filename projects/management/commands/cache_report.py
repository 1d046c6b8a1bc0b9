"""Say what a prompt cache could answer of a project's calls, what it would save, and what to change for it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import Invalid
from projects import access, cache_report, cache_sample
from projects.cache_report import Question, Report
from projects.cache_reuse import kv
from projects.cache_reuse.advice import Advice
from projects.cache_reuse.findings import Asked


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--days", type=int, default=cache_sample.DAYS, help="up to the newest call")
        parser.add_argument("--calls", type=int, default=cache_sample.CALLS, help="the newest so many, at most")
        parser.add_argument("--session", default=None, help="only this session")
        parser.add_argument("--block-tokens", type=int, default=Asked().block_tokens)
        parser.add_argument("--servers", type=int, default=Asked().n_servers)
        parser.add_argument("--minimum-tokens", type=int, default=Asked().minimum_tokens, help="shortest cached prefix")
        parser.add_argument("--shape", default=None, help=f"for the memory: {', '.join(kv.SHAPES)}")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            asked = Asked(options["block_tokens"], options["servers"], options["minimum_tokens"], options["shape"])
            question = Question(
                days=options["days"], session_id=options["session"], max_calls=options["calls"], asked=asked
            )
            told = cache_report.report(project, question)
        except (Http404, Invalid) as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write("\n".join(lines(told)))


def lines(told: Report) -> Iterator[str]:
    if not told.found.n_calls:
        yield "No call with a logged prompt in this window; import a log that holds prompts."
        return
    yield from _head(told)
    yield from _rates(told)
    for each, in_window in told.advice():
        yield from _advised(each, in_window)


def _head(told: Report) -> Iterator[str]:
    found = told.found
    yield f"{told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M} UTC"
    yield f"The newest {found.n_calls:,} of {told.n_in_window:,} calls"
    yield f"{told.n_left_out:,} more have no logged prompt or were not answered by a model"
    yield f"{found.input_tokens:,} input tokens, {found.n_different_blocks:,} blocks of {told.asked.block_tokens} each"
    yield f"Prices known for {found.bill.n_known:,} calls."
    if found.is_scale_assumed:
        yield f"No call reports its tokens: {found.chars_a_token:g} characters a token are assumed."
    yield ""


def _rates(told: Report) -> Iterator[str]:
    found = told.found
    yield _row("without limit", found.unlimited, found.gb)
    yield _row("… within a session", found.within_session)
    yield _row("at the providers, cheapest way", found.at_provider)
    yield f"{_row('reported by the providers', found.reported)}  of {found.n_reported:,} calls"
    for row in found.by_size:
        yield _row(f"LRU of {row['n_blocks']:,} blocks", row["rate"], row["gb"])
    for row in found.by_lifetime:
        yield _row(f"kept for {row['name']}", row["rate"], row["gb"])
    yield ""


def _row(name: str, share: float | None, gb: float | None = None) -> str:
    told = "unknown" if share is None else f"{100 * share:.1f} %"
    return f"{name:<34}{told:>9}" + (f"{gb:>14,.2f} GB" if gb is not None else "")


def _advised(advice: Advice, in_window: Decimal | None) -> Iterator[str]:
    saved = "saving not known" if in_window is None else f"saves {in_window:,.2f} USD in the window"
    yield f"{advice.title}: {saved}; {advice.tokens or 0:,} more tokens read in the sample"
    yield f"    {advice.sentence}"
    for slot in advice.slots:
        near = f"…{_flat(slot.before)} ⟨{slot.kind}⟩ {_flat(slot.after)}…"
        yield f"    {slot.kind}, character {slot.at_char:,}, {slot.n_values:,} values: {near}"


def _flat(text: str) -> str:
    return " ".join(text.split())
