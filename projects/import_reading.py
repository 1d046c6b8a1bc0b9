"""Imports as they are shown: one with its lines, all together, and what can be done with what they brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, QuerySet, Sum

from projects import ledger_reading, log_reading, replayability
from projects.ingest import formats
from projects.ingest.verdicts import FLAGS, REJECTIONS, SKIPS
from projects.log_filter import EventFilter
from projects.models import Import, ImportLine, Project

LINES_A_PAGE = 100
FEW_CALLS = 200_000
COUNTS = ("n_lines", "n_taken", "n_duplicate", "n_versioned", "n_merged", "n_skipped", "n_flagged", "n_rejected")
# Reasons are added up over this many of the newest imports that rejected something.
IMPORTS_READ = 2_000
_LINE_CODES = {**REJECTIONS, **SKIPS, **FLAGS}


def of_import(taking: Import, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Counts explained, the lines asked for, and once it is over how its calls stand today."""
    return {
        **lines(taking.lines.all(), asked),
        "rejects": explained(taking.reject_counts, REJECTIONS),
        "flags": explained(taking.flag_counts, FLAGS),
        "blocked": explained(taking.not_replayable_counts, replayability.REASONS),
        "n_kept": taking.n_taken + taking.n_versioned + taking.n_merged,
        "format_title": _title(taking.format),
        **(_standing(taking) if taking.is_over and taking.n_lines else {}),
    }


def _standing(taking: Import) -> dict[str, Any]:
    wanted = EventFilter(import_id=taking.pk, is_demand=True)
    return {
        "standing": ledger_reading.standing(taking.project_id, wanted),
        "models": ledger_reading.by_model(taking.project_id, wanted),
        "base": urlencode({"import_id": taking.pk, "purpose": "demand"}),
    }


def of_project(project: Project, wanted: EventFilter) -> dict[str, Any]:
    """The whole project's ledger: one window of its log, and all of its imports."""
    demand = replace(wanted, is_demand=True)
    standing = ledger_reading.standing(project.pk, demand)
    return {
        "window": wanted,
        "standing": standing,
        "models": ledger_reading.by_model(project.pk, demand),
        "n_attempts": attempts(project.pk, wanted, standing.all.n_calls),
        "base": urlencode(_asked(wanted)),
        **together(project),
    }


def attempts(project_id: int, wanted: EventFilter, n_calls: int) -> int | None:
    """Failed tries among so many calls; None among too many, since they are found call by call."""
    return log_reading.n_attempts(project_id, wanted) if n_calls <= FEW_CALLS else None


def _asked(wanted: EventFilter) -> dict[str, str]:
    """The same window as the list of calls takes it in its address."""
    told = {"since": wanted.since, "until": wanted.until}
    times = {name: at.isoformat() for name, at in told.items() if at is not None}
    return {"purpose": "demand"} | times | ({"source": wanted.source} if wanted.source else {})


def together(project: Project, only: Import | None = None) -> dict[str, Any]:
    """Counts over all imports of a project, or of one, and why lines were rejected."""
    imports = project.imports.filter(pk=only.pk) if only else project.imports.all()
    found = imports.aggregate(n_imports=Count("id"), **{name: Sum(name) for name in COUNTS})
    why: Counter[str] = Counter()
    for counts in imports.filter(n_rejected__gt=0).values_list("reject_counts", flat=True)[:IMPORTS_READ]:
        why.update(counts)
    return {"imports_total": found, "rejects": explained(why, REJECTIONS)}


def of_lines(project: Project, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The lines of all imports of a project."""
    return lines(ImportLine.objects.filter(of_import__project=project).select_related("of_import"), asked)


def lines(found: QuerySet[ImportLine], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A page of lines, by `outcome` and `code`, from `from` on."""
    outcome, code = str(asked.get("outcome", ""))[:10], str(asked.get("code", ""))[:60].replace("\0", "")
    found = found.filter(outcome=outcome) if outcome in ImportLine.Outcome.values else found
    found = found.filter(code=code) if code else found
    total, told = found.count(), str(asked.get("from", ""))
    offset = int(told) if told.isascii() and told.isdigit() and len(told) < 16 else 0
    offset = offset if offset < total else 0
    until = offset + LINES_A_PAGE
    return {
        "lines": found[offset:until],
        "n_lines_shown": total,
        "first_shown": offset + 1,
        "last_shown": min(until, total),
        "previous_from": max(0, offset - LINES_A_PAGE) if offset else None,
        "next_from": until if until < total else None,
        "outcome": outcome,
        "outcomes": ImportLine.Outcome.choices,
        "code": code,
        "code_sentence": _LINE_CODES.get(code, ""),
    }


def explained(counts: Mapping[str, int], sentences: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Code, count and sentence, the most frequent first."""
    return [(code, n, sentences.get(code, "")) for code, n in sorted(counts.items(), key=lambda item: -item[1])]


def _title(name: str) -> str:
    return dict(formats.choices()).get(name, name)
