"""What a prompt cache could do for a project: looks at a bounded sample of the log, and keeps what it finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from django.core.cache import cache

from netra import plots, prices
from netra.errors import NotFound
from projects import cache_sample
from projects.cache_reuse import findings
from projects.cache_reuse.advice import Advice
from projects.cache_reuse.findings import Asked, Findings
from projects.cache_reuse.slots import Slot
from projects.models import Project
from projects.privacy import MASKS

KEPT_S = 24 * 3_600
REVISION = 1  # of what is found: a new one forgets what was kept
SHOWN = ("size", "lifetime")
NEAR = 0.1  # shares closer than this are one line's height apart in a chart


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a project's log; out-of-range values raise Invalid when it is answered."""

    days: int = cache_sample.DAYS
    until: datetime | None = None
    session_id: str | None = None
    max_calls: int = cache_sample.CALLS
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Report:
    """Findings with what they were found in. `n_in_window` calls could have been looked at, `n_left_out` could not."""

    since: datetime
    until: datetime
    sampled_from: datetime | None
    n_in_window: int
    n_left_out: int
    is_whole: bool
    has_private: bool
    asked: Asked
    found: Findings

    def in_window(self, usd: Decimal | None) -> Decimal | None:
        """Money of the sample, carried over to all calls of the window that could have been looked at."""
        return None if usd is None or not self.found.n_calls else usd * self.n_in_window / self.found.n_calls

    def advice(self) -> list[tuple[Advice, Decimal | None]]:
        """Each piece with what it saves in the whole window."""
        return [(each, self.in_window(each.saved_usd)) for each in self.found.advice]


def report(project: Project, question: Question) -> Report:
    """The answer, kept for a day: the same calls at the same prices are not reckoned twice."""
    sample = cache_sample.choose(
        project.pk,
        days=question.days,
        until=question.until,
        session_id=question.session_id,
        max_calls=question.max_calls,
    )
    key = _key(project, sample, question.asked)
    found = cache.get(key)
    if found is None:
        found = _safe(findings.find(cache_sample.calls(project.pk, sample), question.asked))
        cache.set(key, found, KEPT_S)
    return Report(
        since=sample.since,
        until=sample.until,
        sampled_from=sample.first_at,
        n_in_window=sample.n_in_window,
        n_left_out=sample.n_left_out,
        is_whole=found.n_calls == sample.n_in_window,
        has_private=sample.has_private,
        asked=question.asked,
        found=found,
    )


def shown(told: Report) -> dict[str, Any]:
    """What a page shows of a report."""
    bill = told.found.bill
    money = {"saved": told.in_window(bill.saved_usd), "paid": told.in_window(bill.paid_usd)}
    return {"told": told, "found": told.found, "advice": told.advice(), "bill_in_window": money}


def chart(told: Report, name: str, scheme: str) -> dict[str, Any]:
    """One of the two charts, for Bokeh's script. Raises NotFound."""
    if name not in SHOWN:
        raise NotFound(f"There is no chart {name[:40]!r}.")
    colours, levels = plots.palette(scheme), _levels(told.found)
    if name == "size":
        sizes = [(row["n_blocks"], row["rate"]) for row in told.found.by_size if row["rate"] is not None]
        return plots.rates_by_size(sizes, "blocks in the cache", levels, colours)
    rows = [(row["name"], row["rate"]) for row in told.found.by_lifetime if row["rate"] is not None]
    return plots.rates_by_name(rows, "kept after the last use", levels, colours)


def _levels(found: Findings) -> list[tuple[str, float]]:
    """Two lines whose names would lie on each other are one, at the first."""
    told = [("without limit", found.unlimited), ("reported", found.reported)]
    known = [(f"{name} {100 * rate:.1f} %", rate) for name, rate in told if rate is not None]
    if len(known) == 2 and abs(known[0][1] - known[1][1]) < NEAR:
        return [(f"{known[0][0]}, {known[1][0]}", known[0][1])]
    return known


def _key(project: Project, sample: cache_sample.Sample, asked: Asked) -> str:
    """Of everything the findings follow from: the calls, their prices, and what was asked."""
    book = prices.book(project.pk)
    held = [cache_sample.priced(row, book) for row in sample.rows]
    which = {(each.option, each.effective_from, each.is_negotiated): each.rates for each in held if each is not None}
    told = [
        (REVISION, project.pk, sample.content, repr(asked)),
        [None if each is None else (each.option, each.effective_from, each.is_negotiated) for each in held],
        [(name, prices.rates_as_json(rates)) for name, rates in which.items()],
    ]
    return f"cache-reuse-{hashlib.blake2b(orjson.dumps(told), digest_size=16).hexdigest()}"


def _safe(found: Findings) -> Findings:
    """What is shown of prompts without personal data, keys and control characters."""
    tree = [{**row, "snippet": _shown(row["snippet"])} for row in found.tree]
    advice = [replace(each, slots=tuple(map(_safe_slot, each.slots))) for each in found.advice]
    return replace(found, tree=tree, advice=advice)


def _safe_slot(slot: Slot) -> Slot:
    example = "" if slot.is_personal else _shown(slot.example)
    return replace(slot, before=_shown(slot.before), after=_shown(slot.after), example=example)


def _shown(text: str) -> str:
    for name, mask in MASKS.items():
        text = mask.over(text, f"[{name}]")
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)
