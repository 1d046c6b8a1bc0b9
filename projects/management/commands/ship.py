"""Empty the spool in a process of its own, beside web processes that run with NETRA_SHIPS=0."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from projects.shipping import Shipper, ship
from projects.spool import SPOOL

# The spool tells its own process when something came; of other processes' batches one learns by looking.
LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    help = "Write what web processes accepted to the event store, for as long as it runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Write what is there, and end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if once:
            self.stdout.write(f"{ship():,} events written.")
            return
        ending = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: ending.set())
        shipper = Shipper()
        shipper.start()
        while not ending.wait(LOOK_EVERY_S):
            SPOOL.has_more.set()
        shipper.stop()
