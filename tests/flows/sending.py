"""A receiver to be killed, and senders that behave as exporters do: what is not acknowledged is sent again."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import otlp

RECEIVER = Path(__file__).with_name("receiver.py")


def told(environment: dict[str, str], what: str) -> Any:
    ended = subprocess.run(
        [sys.executable, str(RECEIVER), what], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    answer: Any = json.loads(ended.stdout.splitlines()[-1])
    return answer


@contextmanager
def receiving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A receiver and its port; killed at the end, if it still lives."""
    process = subprocess.Popen(
        [sys.executable, str(RECEIVER), "serve"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield process, port
    finally:
        process.kill()
        process.wait()


@dataclass
class Sender:
    """Sends batches of its own spans, one after the other. Batches that were not acknowledged come first next time."""

    key: str
    first: int
    size: int = 20
    acknowledged: set[int] = field(default_factory=set)
    open: list[range] = field(default_factory=list)
    refusals: list[http.client.HTTPMessage] = field(default_factory=list)
    next: int = 0

    def send_until(self, port: int, is_over: threading.Event) -> None:
        while not is_over.is_set():
            numbers = self._batch()
            try:
                status, headers = self.post(port, numbers)
            except (OSError, http.client.HTTPException):
                self.open.append(numbers)  # perhaps taken, perhaps not: an exporter cannot know
                time.sleep(0.02)
                continue
            if status == 200:
                self.acknowledged.update(numbers)
            else:
                self.refusals.append(headers)
                self.open.append(numbers)
                time.sleep(0.02)

    def _batch(self) -> range:
        if self.open:
            return self.open.pop(0)
        start = self.first + self.next
        self.next += self.size
        return range(start, start + self.size)

    def post(self, port: int, numbers: range) -> tuple[int, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {self.key}"}
        try:
            connection.request("POST", "/v1/traces", otlp.batch(numbers), headers)
            reply = connection.getresponse()
            body = reply.read()
            assert reply.status != 200 or body == b"", "spans were rejected"
            return reply.status, reply.headers
        finally:
            connection.close()


@contextmanager
def sending(port: int, *senders: Sender) -> Iterator[None]:
    """All of them at once, until the block is over."""
    is_over = threading.Event()
    threads = [threading.Thread(target=each.send_until, args=(port, is_over)) for each in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def environment_of(data: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "NETRA_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "netra.settings", **more}


def wait_for(condition: Any, *, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)
