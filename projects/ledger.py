"""The ledger of an import: what was taken, merged, versioned, flagged, left out, and why. Written with its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from projects import admission, log
from projects.ingest.verdicts import FLAGS, Rejected, Skipped
from projects.models import Import, ImportLine
from projects.workloads import WorkloadEvent

BATCH_LINES = 5_000
BATCH_BYTES = 32 << 20
# Enough examples to see what is wrong; the counts stay exact, and a hostile file cannot fill the database.
EXAMPLES_A_CODE = 1_000


@dataclass(slots=True)
class Batch:
    """Lines on their way into the log."""

    numbers: list[int] = field(default_factory=list)
    events: list[WorkloadEvent] = field(default_factory=list)
    left_out: list[tuple[int, Rejected | Skipped]] = field(default_factory=list)
    last_line: int = 0
    n_lines: int = 0
    n_bytes: int = 0
    bytes_done: int = 0

    @property
    def is_full(self) -> bool:
        return self.n_lines >= BATCH_LINES or self.n_bytes >= BATCH_BYTES


def settle(taking: Import, batch: Batch, *, is_resumed: bool, beside: Callable[[], object] = lambda: None) -> None:
    """Write the batch, then count it and move the mark in one transaction, with what `beside` writes."""
    told = _sifted(taking, batch)
    report = log.write(taking.project_id, batch.events, import_id=taking.pk, is_resumed=is_resumed)
    told += _count_left_out(taking, batch)
    told += _count_events(taking, batch, report)
    taking.n_lines += batch.n_lines
    taking.n_taken += report.taken
    taking.n_duplicate += report.duplicate
    taking.n_versioned += report.versioned
    taking.n_merged += report.merged
    taking.last_line, taking.bytes_done, taking.heartbeat_at = batch.last_line, batch.bytes_done, timezone.now()
    with transaction.atomic():
        tell(taking, told)
        taking.save(update_fields=_COUNTED)
        beside()


def _sifted(taking: Import, batch: Batch) -> list[ImportLine]:
    """Take out of the batch what the project does not let in."""
    told, kept = [], []
    verdicts = admission.verdicts(taking.project_id, batch.events)
    for number, event, verdict in zip(batch.numbers, batch.events, verdicts, strict=True):
        if verdict is None:
            kept.append((number, event))
        elif verdict == admission.KNOWN_COPY:
            told.append(ImportLine(of_import=taking, line_number=number, **_DUPLICATE))
            taking.n_duplicate += 1
        else:
            batch.left_out.append((number, Skipped(verdict)))
    batch.numbers, batch.events = [number for number, _ in kept], [event for _, event in kept]
    return told


_DUPLICATE = {"outcome": "duplicate", "code": "duplicate", "sentence": "The same record again."}
_COUNTED = [
    *("n_lines", "n_taken", "n_duplicate", "n_versioned", "n_merged", "n_flagged", "n_rejected", "n_skipped"),
    "n_replayable",
    *("last_line", "bytes_done", "heartbeat_at", "flag_counts", "not_replayable_counts", "reject_counts"),
]


def _count_left_out(taking: Import, batch: Batch) -> list[ImportLine]:
    told = []
    for number, reason in batch.left_out:
        is_skip = isinstance(reason, Skipped)
        outcome = ImportLine.Outcome.SKIPPED if is_skip else ImportLine.Outcome.REJECTED
        told.append(
            ImportLine(of_import=taking, line_number=number, outcome=outcome, code=reason.code, sentence=str(reason))
        )
        taking.n_skipped += is_skip
        taking.n_rejected += not is_skip
        if not is_skip:
            taking.reject_counts[reason.code] = taking.reject_counts.get(reason.code, 0) + 1
    return told


_TOLD = {
    "versioned": ("changed", "It changed: a new version."),
    "merged": ("same_call", "Another product had told of this call: one event, with both records."),
}


def _count_events(taking: Import, batch: Batch, report: log.WriteReport) -> list[ImportLine]:
    told: list[ImportLine] = []
    flags, blocked = Counter(taking.flag_counts), Counter(taking.not_replayable_counts)
    for number, row, outcome, event_id in zip(batch.numbers, report.rows, report.outcomes, report.ids, strict=True):
        line: dict[str, Any] = {"of_import": taking, "line_number": number, "event_id": event_id}
        if outcome == "duplicate":
            told.append(ImportLine(**line, **_DUPLICATE))
            continue
        if outcome in _TOLD:
            told.append(ImportLine(**line, outcome=outcome, code=_TOLD[outcome][0], sentence=_TOLD[outcome][1]))
        reasons, raised = row.values["not_replayable"], row.values["flags"]
        blocked.update(reasons)
        taking.n_replayable += not reasons
        flags.update(raised)
        taking.n_flagged += bool(raised)
        told += [ImportLine(**line, outcome="flagged", code=flag, sentence=FLAGS[flag]) for flag in raised]
    taking.flag_counts, taking.not_replayable_counts = dict(flags), dict(blocked)
    return told


def tell(taking: Import, told: list[ImportLine]) -> None:
    """Keep lines as examples, up to a limit for each code."""
    room: dict[tuple[str, str], int] = {}
    kept = []
    for line in told:
        key = (line.outcome, line.code)
        if key not in room:
            room[key] = (
                EXAMPLES_A_CODE
                - ImportLine.objects.filter(of_import=taking, outcome=line.outcome, code=line.code).count()
            )
        if room[key] > 0:
            room[key] -= 1
            kept.append(line)
    ImportLine.objects.bulk_create(kept, batch_size=500)


def summary(taking: Import) -> list[str]:
    """The ledger in a few lines, for a terminal."""
    lines = [
        f"{taking.get_state_display()}: {taking.n_lines:,} lines of {taking.file_name} ({taking.format or 'unknown'}).",
        f"  taken {taking.n_taken:,} · duplicate {taking.n_duplicate:,} · new version {taking.n_versioned:,} · "
        f"merged {taking.n_merged:,} · flagged {taking.n_flagged:,} · rejected {taking.n_rejected:,} · "
        f"not a call {taking.n_skipped:,} · replayable {taking.n_replayable:,}",
    ]
    if taking.sentence:
        lines.append(f"  {taking.sentence}")
    for title, counts in (("rejected", taking.reject_counts), ("flag", taking.flag_counts)):
        lines += [f"  {title} {code}: {n:,}" for code, n in sorted(counts.items())]
    reasons = taking.not_replayable_counts
    lines += [f"  not replayable, {code}: {n:,}" for code, n in sorted(reasons.items())]
    return lines
