"""What a file seems to be, shown before it is taken in: its format, how sure that is, and its first records as read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from projects.ingest import formats, openai, parsing, reader
from projects.ingest.verdicts import FLAGS, FileRefused
from projects.models import Import, Project
from projects.privacy import Door
from projects.replayability import REASONS, reasons
from projects.workloads import WorkloadEvent

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Guess:
    """A format, and how many of the records it recognises."""

    name: str
    title: str
    n_records: int


@dataclass(frozen=True, slots=True)
class Preview:
    """`format` is empty when nothing fits; `sentence` then says why. `rows` are the first records as they would be."""

    format: str = ""
    title: str = ""
    sentence: str = ""
    n_records: int = 0
    guesses: list[Guess] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        """One format recognises every record, and no other any."""
        return len(self.guesses) == 1 and self.guesses[0].n_records == self.n_records > 0


def of(taking: Import, format_name: str = "") -> Preview:
    """The first records read in the format told, else in the one detected. Writes nothing."""
    try:
        return _read(taking, format_name)
    except FileRefused as refused:
        return Preview(sentence=str(refused))
    except OSError:
        return Preview(sentence="The file is kept for a day to be confirmed, and is gone; import it again.")


def _read(taking: Import, format_name: str) -> Preview:
    path = Path(taking.file_path)
    records = reader.peek(path, sealed_key=taking.sealed_key)
    guesses = [Guess(name, formats.named(name).TITLE, n) for name, n in formats.votes(records).items()]
    chosen = formats.named(format_name or (formats.detect(records) if records else openai.NAME))
    rows = list(_rows(taking, path, chosen))
    return Preview(chosen.NAME, chosen.TITLE, "", len(records), guesses, rows)


def _rows(taking: Import, path: Path, chosen: formats.Format) -> Iterator[dict[str, Any]]:
    door = Door.of(Project.objects.get(pk=taking.project_id))
    n = 0
    for line in reader.Reader(path, sealed_key=taking.sealed_key):
        for found in parsing.line(chosen, line.data, datetime.now(UTC)):
            yield _row(line.number, found, door)
            n += 1
            if n >= SHOWN:
                return


def _row(number: int, found: parsing.Found, door: Door) -> dict[str, Any]:
    if not isinstance(found, WorkloadEvent):
        return {"line_number": number, "is_call": False, "sentence": str(found)}
    event = door.let_in(found)
    blocked = reasons(event.request, event.operation, event.flags)
    return {
        "line_number": number,
        "is_call": True,
        "started_at": event.started_at,
        "model": event.served_model or event.requested_model,
        "outcome": event.outcome,
        "n_input": event.tokens.input_total,
        "n_output": event.tokens.output_total,
        "cost_recorded_usd": event.cost_recorded_usd,
        "is_replayable": not blocked,
        "sentence": " ".join([FLAGS[flag] for flag in sorted(event.flags)] + [REASONS[code] for code in blocked]),
    }
