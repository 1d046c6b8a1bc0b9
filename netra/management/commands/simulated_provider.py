"""Serve the simulated provider alone, in OpenAI's wire format (any bearer token will do)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from netra.simulation.provider import SimulatedProvider


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8100)
        parser.add_argument("--time-scale", type=float, default=1.0, help="multiplies every simulated delay")

    def handle(self, *args: Any, **options: Any) -> None:
        import uvicorn

        self.stdout.write(f"listening on http://127.0.0.1:{options['port']}/v1")
        provider = SimulatedProvider(time_scale=options["time_scale"])
        uvicorn.run(provider, host="127.0.0.1", port=options["port"], lifespan="off", log_level="warning")
