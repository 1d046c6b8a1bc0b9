"""What the gateway costs: CPU a request and added latency, beside a bare reverse proxy in the same run.

Everything runs on this machine and shares its cores: a fast upstream, the load, and in turn the bare proxy and the
gateway (`netra.asgi` in one uvicorn worker, with key check, routing by rule, price and the write-ahead log on). CPU is
what the server's own process used. Events reach the store through a process of their own (`manage.py ship`), whose CPU
an event is told apart; `--one-process` lets the gateway ship beside serving, as `manage.py up` does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
ANSWER = json.dumps(
    {
        "id": "chatcmpl-0000000000000000",
        "object": "chat.completion",
        "model": "fast-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes. " * 40}}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200},
    }
).encode()
PIECE = (
    b'data: {"id":"c","model":"fast-1","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
)
LAST = (
    b'data: {"id":"c","model":"fast-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":120,"completion_tokens":20,"total_tokens":140}}\n\n'
    b"data: [DONE]\n\n"
)
TTFT_S, TPOT_S = 0.02, 0.005
_numbers = itertools.count()


# --- the upstream: answers at once, streams at a model's pace


class Upstream(asyncio.Protocol):
    """HTTP/1.1 by hand, as fast as asyncio goes: it must not be what is measured."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._held = transport, b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + length:
                return
            body, self._held = self._held[end + 4 : end + 4 + length], self._held[end + 4 + length :]
            self._answer(b'"stream":true' in body or b'"stream": true' in body)

    def _answer(self, is_stream: bool) -> None:
        if not is_stream:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
            self._transport.write(head + ANSWER.replace(b"0000000000000000", b"%016x" % next(_numbers), 1))
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._transport.write(head)
        # Tokens come as a model sends them: a first one after a while, the others at a steady pace.
        for number, piece in enumerate([*[PIECE] * 20, LAST]):
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) + (b"0\r\n\r\n" if piece is LAST else b"")
            asyncio.get_running_loop().call_later(TTFT_S + number * TPOT_S, self._transport.write, framed)


async def upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


async def bare_proxy(port: int, to: str) -> None:
    """The floor: aiohttp on both sides, nothing read and nothing kept."""
    import aiohttp
    from aiohttp import web

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def passed(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            async with client.post(to + request.path, data=body, headers={"Content-Type": "application/json"}) as got:
                answer = web.StreamResponse(status=got.status, headers={"Content-Type": got.headers["Content-Type"]})
                await answer.prepare(request)
                async for piece in got.content.iter_any():
                    await answer.write(piece)
                await answer.write_eof()
                return answer

        app = web.Application()
        app.router.add_post("/v1/chat/completions", passed)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


# --- the load


@dataclass
class Load:
    n: int
    seconds: float
    cpu_s: float
    latencies_ms: list[float]
    first_ms: list[float]
    failed: int = 0

    @property
    def rps(self) -> float:
        return self.n / self.seconds

    @property
    def cpu_ms(self) -> float:
        return self.cpu_s * 1000 / self.n


async def _client(
    port: int,
    requests: Iterator[bytes],
    until: Callable[[], bool],
    load: Load,
    pause: Callable[[], Awaitable[None]],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not until():
        await pause()
        request = next(requests)
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first = await _rest(reader, head, began)
        load.n += 1
        load.failed += not head.startswith(b"HTTP/1.1 200")
        load.latencies_ms.append((time.perf_counter() - began) * 1000)
        load.first_ms.append(first)
    writer.close()


async def _rest(reader: asyncio.StreamReader, head: bytes, began: float) -> float:
    lower = head.lower()
    if b"transfer-encoding: chunked" not in lower:
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        return (time.perf_counter() - began) * 1000
    first = 0.0
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        first = first or (time.perf_counter() - began) * 1000
        if not size:
            return first


async def drive(
    port: int, pid: int, *, key: str, concurrency: int, seconds: float, stream: bool, rate: float = 0
) -> Load:
    """Load of one request over and over for some seconds; `rate` as for `driven`."""
    body = {
        "model": "bench/fast-1",
        "stream": stream,
        "messages": [
            {"role": "system", "content": "You are the assistant of a support desk. " * 8},
            {"role": "user", "content": "Where is my parcel? It was sent last week. " * 6},
        ],
    }
    requests = itertools.repeat(as_request(key, body))
    return await driven(port, pid, requests, concurrency=concurrency, seconds=seconds, rate=rate)


def as_request(key: str, body: dict[str, Any], **headers: str) -> bytes:
    """A chat request as it goes over the line; `headers` are Netra's own, without `x-netra-`."""
    content = json.dumps(body, separators=(",", ":")).encode()
    told = "".join(f"X-Netra-{name}: {value}\r\n" for name, value in headers.items())
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + told
    return f"{head}Authorization: Bearer {key}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


async def driven(
    port: int, pid: int, requests: Iterator[bytes], *, concurrency: int, seconds: float, rate: float = 0
) -> Load:
    """Load for some seconds; `rate` spaces the requests of each client, 0 = as fast as they are answered."""
    load = Load(0, 0, 0, [], [])

    async def pause() -> None:
        if rate:
            await asyncio.sleep(concurrency / rate)

    end = time.perf_counter() + seconds
    cpu, began = cpu_s(pid), time.perf_counter()
    await asyncio.gather(
        *(_client(port, requests, lambda: time.perf_counter() > end, load, pause) for _ in range(concurrency))
    )
    load.seconds, load.cpu_s = time.perf_counter() - began, cpu_s(pid) - cpu
    return load


def cpu_s(pid: int) -> float:
    """User and system time of a process and its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


# --- the processes


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **(env or {})}, cwd=ROOT)
    try:
        _wait(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def one_worker(port: int) -> list[str]:
    """The command of the gateway in one uvicorn worker."""
    server = [sys.executable, "-m", "uvicorn", "netra.asgi:application", "--port", str(port), "--no-access-log"]
    return [*server, "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with socket.socket() as each:
            if each.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise SystemExit("A server of the benchmark ended at once.")
        time.sleep(0.1)
    raise SystemExit("A server of the benchmark did not start.")


PREPARE = """
import sys
from django.core.management import call_command
import django; django.setup()
call_command("migrate", verbosity=0)
from projects import log; log.migrate()
from projects.models import ApiKey, Project
from routing.models import OptionPrice, ProviderConnection, SupplyOption, ALWAYS_KNOWN_FROM
project = Project.objects.create(slug="bench", name="Bench")
ProviderConnection.objects.create(name="bench", provider="openai_compatible", base_url=sys.argv[1], max_concurrency=512)
option = SupplyOption.objects.create(name="bench/fast-1", provider="bench", model="fast-1")
rates = {"input": "0.000001", "output": "0.000002"}
OptionPrice.objects.create(option=option, effective_from=ALWAYS_KNOWN_FROM, rates=rates, source="bench")
print(ApiKey.issue(project, "bench", by=None)[1])
"""


def prepared(folder: str, upstream_url: str) -> tuple[dict[str, str], str]:
    env = {
        "NETRA_DATA_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "netra.settings",
        "DATABASE_URL": "",
        "CLICKHOUSE_URL": "",
    }
    command = [sys.executable, "-c", PREPARE, upstream_url]
    out = subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, check=True, capture_output=True, text=True)
    return env, out.stdout.split()[-1]


SHIP = """
import json, time, django; django.setup()
from projects import log, shipping
from projects.models import Project
cpu = time.process_time()
n = shipping.ship()
cpu = time.process_time() - cpu
print(json.dumps([n, cpu, log.count(Project.objects.get(slug="bench").pk, log.EventFilter(purpose="live"))]))
"""


def shipped(env: dict[str, str]) -> tuple[int, float, int]:
    """Empty the spool once the gateway has ended: events shipped, CPU seconds for it, live events in the store."""
    command = [sys.executable, "-c", SHIP]
    out = subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, check=True, capture_output=True, text=True)
    n, seconds, n_stored = json.loads(out.stdout.splitlines()[-1])
    return n, seconds, n_stored


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    up, floor, front = free_port(), free_port(), free_port()
    me = [sys.executable, __file__]
    with tempfile.TemporaryDirectory() as folder, running([*me, "--serve-upstream", str(up)], up):
        env, key = prepared(folder, f"http://127.0.0.1:{up}/v1")
        env["NETRA_SHIPS"] = "1" if args.one_process else "0"
        proxy = [*me, "--serve-proxy", str(floor), "--to", f"http://127.0.0.1:{up}"]
        with running(proxy, floor) as bare, running(one_worker(front), front, env) as gateway:
            found, n_sent = await _measured(args, (floor, bare), (front, gateway), key)
        n, seconds, n_stored = shipped(env)
        found["cpu_ms_shipping"] = round(seconds * 1000 / n, 4) if n and not args.one_process else None
        found["events_lost"] = n_sent - n_stored
        return found


async def _measured(
    args: argparse.Namespace, floor: tuple[int, int], front: tuple[int, int], key: str
) -> dict[str, Any]:
    seconds, n_sent = args.seconds, 0
    for port, pid in (floor, front):
        n_sent += (await drive(port, pid, key=key, concurrency=4, seconds=1, stream=False)).n * (port == front[0])
    kept: dict[str, list[Load]] = {}
    shapes = (("c16", 16, False), ("c1", 1, False), ("stream16", 16, True))
    for _ in range(args.rounds):  # in turns, so that both meet the same neighbours
        for name, concurrency, stream in shapes:
            for who, (port, pid) in (("bare", floor), ("gateway", front)):
                load = await drive(port, pid, key=key, concurrency=concurrency, seconds=seconds, stream=stream)
                kept.setdefault(f"{who}_{name}", []).append(load)
                n_sent += load.n if who == "gateway" else 0
    found, n_soaked = await _soaked(args, front, key) if args.soak else ({}, 0)
    found = (_figures(kept) if kept else {}) | found
    found["failed"] = found.get("failed", 0) + sum(load.failed for loads in kept.values() for load in loads)
    return found, n_sent + n_soaked


async def _soaked(args: argparse.Namespace, front: tuple[int, int], key: str) -> tuple[dict[str, Any], int]:
    """A constant rate for long: the memory at its start, where it went, and how steeply it rose in its second half."""
    seen: list[tuple[float, float]] = []
    watching = asyncio.create_task(_watch_memory(front[1], seen))
    load = await drive(*front, key=key, concurrency=16, seconds=args.soak, stream=False, rate=args.rate)
    watching.cancel()
    later = seen[len(seen) // 2 :]
    slope = statistics.linear_regression(*zip(*later, strict=True)).slope if len(later) > 1 else float("nan")
    found = {"soak_seconds": round(load.seconds), "soak_rps": round(load.rps, 1), "failed": load.failed}
    found |= {"soak_memory_mb_start": round(seen[0][1], 1), "soak_memory_mb_end": round(seen[-1][1], 1)}
    found |= {"soak_memory_mb_most": round(max(mb for _, mb in seen), 1)}
    return {**found, "soak_memory_mb_a_minute": round(slope * 60, 3), "soak_p99_ms": _p99(load.latencies_ms)}, load.n


async def _watch_memory(pid: int, seen: list[tuple[float, float]]) -> None:
    while True:
        seen.append((time.monotonic(), rss_mb(pid)))
        await asyncio.sleep(1)


def _p99(latencies_ms: list[float]) -> float:
    return round(sorted(latencies_ms)[int(len(latencies_ms) * 0.99)], 1)


def _figures(kept: dict[str, list[Load]]) -> dict[str, Any]:
    cpu = {name: median([load.cpu_ms for load in loads]) for name, loads in kept.items()}
    p50 = {name: median([median(load.latencies_ms) for load in loads]) for name, loads in kept.items()}
    first = {name: median([median(load.first_ms) for load in loads]) for name, loads in kept.items()}
    return {
        "cpu_ratio_to_bare_proxy": round(cpu["gateway_c16"] / cpu["bare_c16"], 3),
        "cpu_ms_bare_proxy": round(cpu["bare_c16"], 4),
        "cpu_ms_gateway": round(cpu["gateway_c16"], 4),
        "rps_c16": round(median([load.rps for load in kept["gateway_c16"]]), 1),
        "rps_c16_per_core": round(1000 / cpu["gateway_c16"], 1),
        "rps_c16_bare_proxy": round(median([load.rps for load in kept["bare_c16"]]), 1),
        "added_p50_ms_c1": round(p50["gateway_c1"] - p50["bare_c1"], 3),
        "added_ttft_p50_ms_c16": round(first["gateway_stream16"] - first["bare_stream16"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of load for each shape and round")
    parser.add_argument("--rounds", type=int, default=3, help="0 leaves the comparison out")
    parser.add_argument("--soak", type=float, default=0, help="seconds of constant load at --rate; 600 for the claim")
    parser.add_argument("--rate", type=float, default=200, help="requests a second of the soak")
    parser.add_argument("--one-process", action="store_true", help="ship beside serving, as `manage.py up` does")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve-upstream", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve-proxy", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--to", help=argparse.SUPPRESS)
    args = parser.parse_args()
    import uvloop

    if args.serve_upstream:
        uvloop.run(upstream(args.serve_upstream))
    if args.serve_proxy:
        uvloop.run(bare_proxy(args.serve_proxy, args.to))
    found = uvloop.run(measure(args))
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
