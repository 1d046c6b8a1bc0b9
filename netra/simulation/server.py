"""The simulated provider in a thread of this process, on a loopback port of its own."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from netra.errors import Unavailable
from netra.simulation.provider import SimulatedProvider

START_TIMEOUT_S = 15.0
_lock = threading.Lock()
_running: RunningServer | None = None


@dataclass(frozen=True, slots=True)
class RunningServer:
    base_url: str
    _server: Any
    _thread: threading.Thread

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=5)


def start(*, time_scale: float = 1.0, port: int = 0) -> RunningServer:
    """Serve on 127.0.0.1; port 0 takes a free one. Raises Unavailable when it does not come up."""
    import uvicorn

    config = uvicorn.Config(
        SimulatedProvider(time_scale=time_scale),
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="error",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="simulated-provider", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise Unavailable("The simulated provider did not start.")
        time.sleep(0.01)
    bound = server.servers[0].sockets[0].getsockname()[1]
    return RunningServer(f"http://127.0.0.1:{bound}/v1", server, thread)


def base_url() -> str:
    """Where this process's simulated provider listens; started at first use."""
    global _running
    with _lock:
        if _running is None:
            _running = start(time_scale=settings.SIMULATED_TIME_SCALE)
        return _running.base_url
