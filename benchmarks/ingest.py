"""OpenTelemetry in, pages out: events a second until they can be asked for, processor time, bytes on disk, page times.

    python benchmarks/ingest.py [--spans 40000] [--events 200000] [--senders 2] [--cores 1] [--json]

A real `manage.py up` on a folder of its own takes batches of 200 spans over HTTP. `events_per_s_queryable` counts from
the first byte sent until the log's own count shows every event; the server is held to `--cores` processors, and the
figure is for one of them. `cpu_ms_per_event` is the whole server process: receiving, shipping, storing, merging.
`bytes_per_event` is all of the log's tables after their merges, with prompts and answers. Then the store is filled to
`--events`; `page_p95_ms` is the slowest 95th percentile of all list pages and filters, on two processors.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import ingest_spans  # noqa: E402

BATCH = 200
PATIENCE_S = 300
SLUG = "bench"
LISTS = f"/projects/{SLUG}/logs/"
OTHERS = {"projects": "/", "sessions": f"/projects/{SLUG}/sessions/", "imports": f"/projects/{SLUG}/imports/"}
PAGES = {
    "newest": "",
    "a model": "model=gpt-4o",
    "an outcome": "outcome=provider_error",
    "a kind": "kind=search",
    "a purpose": "purpose=replay",
    "a session": "session_id=session-2986484-3",
    "a person": "user_id=user-321",
    "a flag": "flag=no_usage",
    "not replayable": "replayable=false",
    "a week": "since=2026-10-01&until=2026-10-08",
    "a model that is not there": "model=gpt-2",
    "a person of a model with errors": "user_id=user-12&model=gpt-4o-mini&outcome=provider_error",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=40_000)
    parser.add_argument("--events", type=int, default=200_000, help="in the store when pages are timed; 0: no pages")
    parser.add_argument("--senders", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="processors the server may use while it takes in")
    parser.add_argument("--repeats", type=int, default=20, help="requests for each page")
    parser.add_argument("--data", type=Path, help="keep the stores in this folder, and use what is there")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class Netra:
    """`manage.py up` on a free port."""

    def __init__(self, data: Path, cores: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.data = data
        mine = sorted(os.sched_getaffinity(0))[:cores]
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment(data), stdout=subprocess.DEVNULL, preexec_fn=lambda: _hold(mine)
        )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("Netra did not start.")

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(told.partition("VmHWM:")[2].split()[0]) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def _hold(cores: list[int]) -> None:
    os.sched_setaffinity(0, cores)


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "NETRA_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "netra.settings"}


@contextmanager
def served(data: Path, cores: int):
    netra = Netra(data, cores)
    try:
        yield netra
    finally:
        netra.stop()


def store(data: Path, *asked: str) -> dict:
    script = [sys.executable, str(Path(__file__).with_name("ingest_store.py")), *asked]
    return json.loads(subprocess.run(script, env=environment(data), check=True, stdout=subprocess.PIPE).stdout)


def sent(netra: Netra, bodies: list[tuple[int, bytes]], key: str, n_senders: int) -> int:
    """Send everything; returns how often the server asked to come again."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for _, body in bodies:
        waiting.put(body)
    refusals: list[int] = []
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {key}"}

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", netra.port, timeout=120)
        while True:
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                return connection.close()
            while (status := _posted(connection, body, headers)) == 429:
                refusals.append(status)
                time.sleep(0.2)
            if status != 200:
                raise SystemExit(f"A batch was answered with {status}.")

    threads = [threading.Thread(target=send) for _ in range(n_senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(refusals)


def _posted(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> int:
    connection.request("POST", "/v1/traces", body, headers)
    reply = connection.getresponse()
    reply.read()
    return reply.status


def asked(netra: Netra, path: str, key: str):
    status, body = netra.get(f"/api/v1/logs/{SLUG}/{path}", Authorization=f"Bearer {key}")
    if status != 200:
        raise SystemExit(f"{path} was answered with {status}.")
    return json.loads(body)


def wait_until_queryable(netra: Netra, key: str, n: int) -> None:
    """The ledger tells when events are in the log, and is a light thing to ask; then the log's own count must agree."""
    until = time.monotonic() + PATIENCE_S
    while sum(each["n_taken"] for each in asked(netra, "imports", key)) < n:
        if time.monotonic() > until:
            raise SystemExit("The log does not take in what was accepted; what Netra wrote above tells why.")
        time.sleep(0.1)
    if (found := asked(netra, "stats", key)["n_calls"]) != n:
        raise SystemExit(f"{found} events can be asked for; {n} were taken.")


def ingested(data: Path, given: argparse.Namespace, key: str) -> dict[str, float]:
    bodies = list(ingest_spans.batches(given.spans, BATCH))
    with served(data, given.cores) as netra:
        # The first batch opens the store, reads the prices and warms the importer; it is not measured.
        sent(netra, bodies[:1], key, 1)
        wait_until_queryable(netra, key, bodies[0][0])
        n = given.spans - bodies[0][0]
        began, cpu = time.perf_counter(), netra.cpu_s()
        refusals = sent(netra, bodies[1:], key, given.senders)
        accepted = time.perf_counter() - began
        wait_until_queryable(netra, key, given.spans)
        wall = time.perf_counter() - began
        time.sleep(2)  # merges that the inserts started belong to their cost
        cpu = netra.cpu_s() - cpu
        return {
            "events_per_s_queryable": round(n / wall / given.cores),
            "events_per_s_accepted": round(n / accepted),
            "events_per_cpu_s": round(n / cpu),
            "cpu_ms_per_event": round(cpu * 1000 / n, 3),
            "sent_bytes_per_event": round(sum(len(body) for _, body in bodies) / given.spans),
            "asked_to_come_again": refusals,
            "peak_rss_mb": round(netra.peak_mb()),
        }


def addresses(told: dict[str, str]) -> dict[str, tuple[str, dict[str, str]]]:
    """What is timed, by name: every list page, and every filter as a page and by the API."""
    cookie, bearer = {"Cookie": f"sessionid={told['session']}"}, {"Authorization": f"Bearer {told['key']}"}
    found = {f"page: {name}": (path, cookie) for name, path in OTHERS.items()}
    for name, filters in PAGES.items():
        found[f"page: {name}"] = (f"{LISTS}?{filters}", cookie)
        found[f"API: {name}"] = (f"/api/v1/logs/{SLUG}?{filters}", bearer)
    return found


def paged(data: Path, repeats: int, told: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """The 95th percentile and the median of each address in ms."""
    found: dict[str, list[float]] = {}
    with served(data, 2) as netra:
        for turn in range(repeats + 1):
            for name, (path, headers) in addresses(told).items():
                began = time.perf_counter()
                status, body = netra.get(path, **headers)
                if status != 200:
                    raise SystemExit(f"{path} was answered with {status}: {body[:200]!r}")
                if turn:  # the first opens the store
                    found.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    p95 = {name: round(statistics.quantiles(times, n=20, method="inclusive")[-1], 1) for name, times in found.items()}
    return p95, {name: round(statistics.median(times), 1) for name, times in found.items()}


def measured(data: Path, given: argparse.Namespace) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    kept = data / "told.json"
    if kept.exists():  # filled before: only the pages are timed again
        found, told = {}, json.loads(kept.read_text())
    else:
        told = store(data, "prepare")
        found = ingested(data, given, told["key"])
        disk = store(data, "bytes")
        found["bytes_per_event"] = round(disk["bytes"] / disk["events"])
    p95: dict[str, float] = {}
    p50: dict[str, float] = {}
    if given.events:
        found |= store(data, "fill", str(given.events))
        kept.write_text(json.dumps(told))
        p95, p50 = paged(data, given.repeats, told)
        found["page_p95_ms"] = max(p95.values())
    return found, p95, p50


def main() -> None:
    given = arguments()
    data = given.data or Path(tempfile.mkdtemp(prefix="netra-benchmark-"))
    data.mkdir(parents=True, exist_ok=True)
    try:
        found, p95, p50 = measured(data, given)
    finally:
        if given.data is None:
            shutil.rmtree(data, ignore_errors=True)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<26} {value:>14,}")
    for name in sorted(p95, key=lambda name: -p95[name]):
        print(f"{name:<44} p95 {p95[name]:>8,} ms   median {p50[name]:>8,} ms")


if __name__ == "__main__":
    main()
