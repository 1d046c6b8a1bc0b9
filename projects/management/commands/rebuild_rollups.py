"""Sum up again the hours of the log whose roll-up does not agree with it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from projects.analytics import standing


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        n_hours = sum(standing.rebuild(project_id) for project_id in standing.projects_rolled())
        self.stdout.write(f"Summed up {n_hours:,} hours again." if n_hours else "Every hour agrees with the log.")
