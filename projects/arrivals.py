"""A batch out of the spool: into the log, and into the ledger of what was pushed that day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import compute

from projects import admission, ledger, log_appending, log_lines
from projects.ingest.verdicts import FLAGS, Rejected, Skipped
from projects.models import Import, ImportLine
from projects.spool import Frame

# One insert of many costs little more than one of few; the texts of so many are held in memory.
BATCH_EVENTS = 10_000
BATCH_BYTES = 32 << 20


@dataclass(slots=True)
class Arrival:
    """Frames of one project and source on their way into the log together."""

    bodies: list[bytes] = field(default_factory=list)
    left_out: list[Rejected | Skipped] = field(default_factory=list)
    n_events: int = 0
    n_bytes: int = 0

    def add(self, frame: Frame) -> None:
        if frame.body:
            self.bodies.append(frame.body)
        self.left_out += frame.left_out
        self.n_events += frame.n_events
        self.n_bytes += len(frame.body)

    @property
    def is_full(self) -> bool:
        return self.n_events + len(self.left_out) >= BATCH_EVENTS or self.n_bytes >= BATCH_BYTES


def settle(taking: Import, arrived: Arrival) -> None:
    """Write what arrived, then count it. Idempotent but for the counts: what is written twice counts as a duplicate."""
    ready = log_lines.read(b"\n".join(arrived.bodies))
    careful: Sequence[int] = range(ready.num_rows)
    told: list[ImportLine] = []
    if ready.num_rows and admission.lets_all_in(taking.project_id, compute.min(ready["started_at"]).as_py()):
        careful = log_appending.append(taking.project_id, ready, import_id=taking.pk)
        told = _count_taken(taking, ready, careful)
    rest = _rest(taking, ready, careful, arrived)
    ledger.settle(taking, rest, is_resumed=False, beside=lambda: ledger.tell(taking, told))


def _rest(taking: Import, ready: pa.Table, careful: Sequence[int], arrived: Arrival) -> ledger.Batch:
    """What needs a closer look, and what was left out; numbered after all that came before."""
    first, n_events = taking.n_lines + 1, ready.num_rows
    return ledger.Batch(
        numbers=[first + place for place in careful],
        events=log_lines.events(ready, careful),
        left_out=[(first + n_events + n, reason) for n, reason in enumerate(arrived.left_out)],
        last_line=taking.n_lines + n_events + len(arrived.left_out),
        n_lines=n_events + len(arrived.left_out),
        bytes_done=taking.bytes_done,
    )


def _count_taken(taking: Import, ready: pa.Table, careful: Sequence[int]) -> list[ImportLine]:
    """Count what went straight in; returns lines for examples of its flags."""
    blocked, flags, ids = (ready[name].to_pylist() for name in ("not_replayable", "flags", "event_id"))
    left = set(careful)
    taken = [place for place in range(ready.num_rows) if place not in left]
    taking.n_taken += len(taken)
    taking.n_replayable += sum(not blocked[place] for place in taken)
    taking.n_flagged += sum(bool(flags[place]) for place in taken)
    taking.not_replayable_counts = _counted(taking.not_replayable_counts, [blocked[place] for place in taken])
    taking.flag_counts = _counted(taking.flag_counts, [flags[place] for place in taken])
    examples = Counter[str]()
    told = []
    for place in taken:
        for flag in flags[place]:
            examples[flag] += 1
            if examples[flag] <= ledger.EXAMPLES_A_CODE:
                told.append(_line(taking, taking.n_lines + 1 + place, ids[place], flag))
    return told


def _counted(before: dict[str, int], told: Sequence[Sequence[str]]) -> dict[str, int]:
    return dict(Counter(before) + Counter(code for each in told for code in each))


def _line(taking: Import, number: int, event_id: str, flag: str) -> ImportLine:
    told: dict[str, Any] = {"outcome": "flagged", "code": flag, "sentence": FLAGS[flag], "event_id": event_id}
    return ImportLine(of_import=taking, line_number=number, **told)
