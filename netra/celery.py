"""Celery: on Redis with its own workers, or on an in-memory broker with a worker in a thread of this process."""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

app = Celery("netra")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

# Long tasks look at this between steps and leave off; what they left is in the database and goes on at the next start.
stopping = threading.Event()


class EmbeddedWorker:
    """A Celery worker and its beat in threads of this process; threads, because chDB must not be forked."""

    def __init__(self, *, concurrency: int | None = None, beat: bool = True) -> None:
        from celery.worker import WorkController

        self._ready = threading.Event()
        self._worker: Any = WorkController(
            app=app,
            hostname="embedded@netra",
            pool_cls="threads",
            concurrency=concurrency or app.conf.worker_concurrency,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            task_events=False,
            ready_callback=lambda _consumer: self._ready.set(),
        )
        self._thread = threading.Thread(target=self._worker.start, name="celery-worker", daemon=True)
        self._beat = self._make_beat() if beat else None

    @staticmethod
    def _make_beat() -> Any:
        from celery.beat import EmbeddedService

        # MemoryScheduler's parent class keeps no file: what must survive a restart lives in the database.
        return EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler", max_interval=5)

    def start(self) -> None:
        """Start, and return once tasks are really consumed: a task sent earlier to `memory://` could be lost.

        Raises RuntimeError when the worker is not ready in 30 s.
        """
        stopping.clear()
        self._thread.start()
        if not self._ready.wait(READY_TIMEOUT_S):
            raise RuntimeError(f"the embedded worker was not ready within {READY_TIMEOUT_S:.0f} s")
        if self._beat is not None:
            self._beat.daemon = True
            self._beat.start()

    def stop(self) -> bool:
        """Ask running tasks to leave off and wait a little; False when one is still at work."""
        from celery.worker import state

        stopping.set()
        if self._beat is not None:
            self._beat.stop()
        state.should_stop = 0
        self._thread.join(timeout=STOP_TIMEOUT_S)
        state.should_stop = None
        is_idle = not self._thread.is_alive()
        if is_idle:
            stopping.clear()
        return is_idle
