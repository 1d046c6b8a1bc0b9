"""The vendors' APIs over made calls, on a real socket in a process of its own; and sources that read them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from projects import log, sourcing, syncing
from projects.log import EventFilter
from projects.models import Project, Source, SourceSync

MODEL = "gpt-3.5-turbo-1106"
SECRETS = {
    "portkey": "test-portkey-key",
    "langfuse": "sk-lf-test",
    "litellm": "sk-litellm-test",
    "helicone": "sk-helicone-test",
}
LONG_AGO = datetime(2026, 9, 1, tzinfo=UTC)
PATHS = {"portkey": "/portkey/v1", "langfuse": "/langfuse", "litellm": "/litellm", "helicone": "/helicone"}


@contextmanager
def serving(shared_dir: Path, *options: str, n: int = 120) -> Iterator[str]:
    """The base of all vendors' URLs, for as long as it is used. Without options it never throttles."""
    tool = shared_dir / "tools" / "make_logs.py"
    options = options or ("--throttle-every", "0")
    command = [sys.executable, "-B", str(tool), "--model", MODEL, "--n", str(n), "--serve", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
    finally:
        process.terminate()
        process.wait()


def source(project: Project, kind: str, base_url: str, **fields: Any) -> Source:
    """A source that reads a served vendor; far enough back for the made calls."""
    given = {
        "base_url": base_url + PATHS.get(kind, ""),
        "account": "pk-lf-test" if kind == "langfuse" else "",
        "secret": SECRETS.get(kind, "sk-test-0123456789"),
        "history_days": 60,
    }
    return sourcing.create(project, kind=kind, name=fields.pop("name", kind), given=given | fields)


def synced(row: Source, **options: Any) -> SourceSync:
    """One sync to its end, or to its first wait."""
    return syncing.run(syncing.start(row, cause=SourceSync.Cause.BUTTON, **options))


def events_of(project: Project) -> list[dict[str, Any]]:
    return list(log.export(project.pk, EventFilter()))


@dataclass
class Asked:
    """One request as a handler sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


# A status and a JSON value or bytes; headers where they matter.
Handler = Callable[[Asked], tuple[Any, ...]]


@contextmanager
def answering(handler: Handler) -> Iterator[str]:
    """A vendor that is a function: a status with a JSON value, or with bytes."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {name: found[0] for name, found in parse_qs(url.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told, *more = handler(Asked(self.command, url.path, query, headers, json.loads(text or b"null")))
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            body = b"" if status == 204 else body  # which has none, and a client may trip over one
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(more[0] if more else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def observation(number: int = 1, *, at: datetime, **fields: Any) -> dict[str, Any]:
    """A generation as Langfuse's second API has it."""
    return {
        "id": f"obs-{number}",
        "traceId": f"{number:032x}",
        "type": "GENERATION",
        "startTime": at.isoformat(timespec="milliseconds"),
        "endTime": (at + timedelta(seconds=1)).isoformat(timespec="milliseconds"),
        "input": json.dumps([{"role": "user", "content": f"Question {number}?"}]),
        "output": json.dumps({"role": "assistant", "content": "Yes."}),
        "providedModelName": "gpt-4o-mini",
        "usageDetails": {"input": 12, "output": 3, "total": 15},
        **fields,
    }


class Observations:
    """Langfuse's second API over a list that may change; `fault` may answer in its stead."""

    def __init__(self, *rows: dict[str, Any], limit: int = 1000) -> None:
        self.rows, self.limit, self.asked = list(rows), limit, list[Asked]()
        self.fault: Callable[[Asked], tuple[Any, ...] | None] = lambda _: None

    def __call__(self, asked: Asked) -> tuple[Any, ...]:
        self.asked.append(asked)
        if (fault := self.fault(asked)) is not None:
            return fault
        start = int(asked.query.get("cursor", 0))
        low, high = (_moment(asked.query.get(name)) for name in ("fromStartTime", "toStartTime"))
        of_type = [row for row in self.rows if row["type"] == asked.query.get("type")]
        found = [row for row in of_type if low <= _moment(row["startTime"]) < high]
        end = start + min(self.limit, int(asked.query["limit"]))
        return 200, {"data": found[start:end], "meta": {"cursor": str(end)} if end < len(found) else {}}


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else LONG_AGO


class Exports:
    """Portkey's exports of some rows, whatever window is asked for; `failing`: so many looks at one tell of failure."""

    def __init__(self, n_rows: int) -> None:
        self.rows = [self.row(number) for number in range(n_rows)]
        self.orders: list[dict[str, Any]] = []
        self.restricted: list[str] = []
        self.failing = 0

    @staticmethod
    def row(number: int) -> dict[str, Any]:
        at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        plain = {"ai_org": "openai", "ai_model": "gpt-4o-mini", "response_status_code": 200, "cost_currency": "USD"}
        units = {"req_units": 10, "res_units": 2, "total_units": 12, "cost": 0.01, "response_time": 100}
        return {"id": f"pk-{number}", "trace_id": f"t-{number}", "created_at": at, **plain, **units}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        steps = asked.path.removeprefix("/portkey/v1/logs/exports").strip("/").split("/")
        if steps == ["field-restrictions"]:
            return 200, {"restricted_fields": self.restricted}
        if asked.method == "POST" and steps == [""]:
            self.orders.append(asked.body)
            return 200, {"id": f"e-{len(self.orders) - 1}", "total": len(self.rows)}
        if steps[-1] == "download":
            return 200, {"url": f"http://{asked.headers['host']}/portkey/v1/logs/exports/{steps[0]}/file"}
        if steps[-1] == "file":
            filters = self.orders[int(steps[0][2:])]["filters"]
            start = filters["current_page"] * filters["page_size"]
            return 200, b"".join(
                json.dumps(row).encode() + b"\n" for row in self.rows[start : start + filters["page_size"]]
            )
        self.failing -= 1
        return 200, {"status": "failure" if self.failing >= 0 else "success"}
