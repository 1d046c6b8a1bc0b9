"""Recompute the verdict of an evidence pack from what judges and meters said. Needs no database and no model."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evaluation.evidence import NotAPack, verify


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pack", type=Path, help="the file downloaded from a recommendation")
        parser.add_argument("--sha256", default="", help="refuse a pack with another hash than the one noted elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = options["pack"].read_text(encoding="utf-8")
            report = verify(text, sha256_noted=options["sha256"].lower())
        except (OSError, UnicodeDecodeError, NotAPack) as problem:
            raise CommandError(f"{options['pack']}: {problem}", returncode=2) from problem
        for what, count in report.counts().items():
            self.stdout.write(f"checked {what}: {count}")
        for difference in report.problems[:50]:
            self.stderr.write(difference)
        if report.problems:
            raise CommandError(f"{len(report.problems)} differences: the pack does not prove its verdict.")
        self.stdout.write(self.style.SUCCESS(f"The verdict {report.verdict} follows from the evidence."))
