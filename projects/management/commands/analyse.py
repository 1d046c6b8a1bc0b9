"""Answer a structured question to a project's log: a JSON question from a file or standard input."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import Http404

from netra.errors import NetraError
from projects import access
from projects.analytics import engine, exports
from projects.analytics.answers import Answer, plain


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("question", nargs="?", default="-", help="a JSON file; standard input unless given")
        parser.add_argument("--format", choices=["table", "json", *exports.FORMATS], default="table")
        parser.add_argument("--out", type=Path, help="a file; standard output unless given")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            answer = engine.answer(project.pk, engine.parsed(_told(options["question"])))
        except (Http404, NetraError) as problem:
            raise CommandError(str(problem)) from problem
        self._write(_formatted(answer, options["format"]), options["out"])
        for note in answer.notes:
            self.stderr.write(note)

    def _write(self, data: bytes, path: Path | None) -> None:
        if path is not None:
            path.write_bytes(data)
        elif b"\0" in data:
            sys.stdout.buffer.write(data)
        else:
            self.stdout.write(data.decode())


def _told(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
    except (OSError, ValueError) as problem:
        raise CommandError(f"The question cannot be read: {problem}") from problem


def _formatted(answer: Answer, name: str) -> bytes:
    if name == "json":
        return json.dumps(answer.as_json(), indent=2, ensure_ascii=False).encode()
    return _table(answer).encode() if name == "table" else exports.exported(answer, name)


def _table(answer: Answer) -> str:
    """Columns as wide as their longest cell; unknown is a dash."""
    cells = [["–" if value is None else str(plain(value)) for value in row] for row in answer.rows]
    lines = [[column.name for column in answer.columns], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
