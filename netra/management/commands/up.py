"""Serve Netra from one process: prepare the stores, then web and worker together until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from netra import clickhouse
from netra.celery import EmbeddedWorker, app


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--demo", action="store_true", help="prepare the simulated demo project as well")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.REDIS_URL:
            raise CommandError(
                "REDIS_URL is set, so workers run apart: serve with `uvicorn netra.asgi:application`, "
                "and run `celery -A netra worker` and `celery -A netra beat` beside it. `up` is for one process."
            )
        self._prepare(demo=options["demo"])
        worker = EmbeddedWorker()
        worker.start()
        for name in settings.NETRA_ON_START:
            app.send_task(name)
        if options["demo"]:
            call_command("demo", "--queue")
        try:
            self._serve(options["host"], options["port"])
        finally:
            self.stdout.write("Stopping. Unfinished runs go on at the next start.")
            is_idle = worker.stop()
            clickhouse.close()
        if not is_idle:
            # A task that waits on a slow provider would hold the interpreter open; its state is already on disk.
            os._exit(0)

    def _prepare(self, *, demo: bool) -> None:
        """Everything that must stand before the first request; each step is repeatable."""
        call_command("migrate", verbosity=0, interactive=False)
        call_command("migrate_log", verbosity=0)
        call_command("sync_catalog", "--first-time", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        if demo:
            call_command("demo", "--prepare")

    def _serve(self, host: str, port: int) -> None:
        import uvicorn

        config = uvicorn.Config(
            "netra.asgi:application",
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=75,  # SDKs keep idle connections for a minute; closing sooner resets one in use
        )
        self.stdout.write(self.style.SUCCESS(f"Netra is at http://{host}:{port}/ (Ctrl-C stops it)."))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run()
