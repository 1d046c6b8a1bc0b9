"""The embedded worker: a real Celery worker in a thread, on an in-memory broker."""

from __future__ import annotations

import threading

import pytest
from django.conf import settings

from netra.celery import EmbeddedWorker, app

done: dict[str, threading.Event] = {}


@app.task(name="tests.mark_done")
def mark_done(name: str) -> None:
    done[name].set()


@pytest.mark.skipif(bool(settings.REDIS_URL), reason="on Redis the workers run apart")
def test_tasks_sent_once_ready_are_run_and_stopping_returns() -> None:
    done["first"] = threading.Event()
    worker = EmbeddedWorker(concurrency=2, beat=False)
    worker.start()
    try:
        app.send_task("tests.mark_done", ["first"])
        assert done["first"].wait(timeout=15)
    finally:
        is_idle = worker.stop()
    assert is_idle
