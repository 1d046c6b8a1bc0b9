"""Read a project's sources up to now, and say what came: all of them, or the one that is named."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.http import Http404
from django.utils import timezone

from netra.errors import NetraError
from projects import access, importing, ledger, sourcing, syncing
from projects.models import Import, Source, SourceSync


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("source", nargs="?", help="the source's name; all of the project's when left out")
        parser.add_argument("--since", type=_moment, help="read everything from this time on again (ISO 8601)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = access.by_slug(options["project"])
            named = options["source"]
            sources = [sourcing.find(project, named)] if named else list(project.sources.filter(is_enabled=True))
            if not sources:
                raise CommandError("This project has no source in use; add one with `manage.py add_source`.")
            failed = [source.name for source in sources if not self._synced(source, options["since"])]
        except (NetraError, Http404) as problem:
            raise CommandError(str(problem)) from None
        if failed:
            raise CommandError(f"Not read to the end: {', '.join(failed)}.")

    def _synced(self, source: Source, since: datetime | None) -> bool:
        sync = syncing.start(source, cause=SourceSync.Cause.COMMAND, since=since)
        while not sync.taking.is_over:
            self._wait(sync)
            sync = syncing.run(sync)
        self.stdout.write("\n".join([*ledger.summary(sync.taking), *sync.remarks, _reconciled(sync)]))
        return sync.taking.state == Import.State.DONE

    def _wait(self, sync: SourceSync) -> None:
        """Until the vendor may be asked again, or nobody else is at work on it."""
        now = timezone.now()
        is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - importing.STALE)
        if not Import.objects.filter(is_free, pk=sync.taking_id).update(heartbeat_at=now):
            raise CommandError(f"{sync.source.name} is being read already.")
        if sync.resume_at is not None and sync.resume_at > now:
            self.stdout.write(f"{sync.taking.sentence} Trying again at {sync.resume_at:%H:%M:%S} UTC.")
            time.sleep((sync.resume_at - now).total_seconds())


def _reconciled(sync: SourceSync) -> str:
    if sync.n_expected is None:
        return f"  {sync.n_received:,} records came; the vendor gives no total to hold them to."
    return f"  {sync.n_checked:,} records came of the {sync.n_expected:,} the vendor counts."


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-11-01 or 2026-11-01T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
