"""The gateway in front of providers that fail on purpose: does anything go wrong that should not?

Two providers meet a share of all requests with 429, 500, silence, resets, malformed JSON, streams cut midway or slow
drips; half of the requests are streams. The gateway runs in a process of its own, with one option and one fallback. In
the end each answer is held against the one right answer to its prompt, each request against its one event, and the
attempts and costs recorded against the providers' own logs. Then one provider fails altogether for a while: its circuit
breaker must open, and close again afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.gateway import free_port, rss_mb, running  # noqa: E402
from tests.flows import faulty  # noqa: E402
from tests.flows.faulty import Faulty, Reply, audit, read_reply  # noqa: E402

PREPARE = """
import sys
from django.core.management import call_command
import django; django.setup()
call_command("migrate", verbosity=0)
from projects import log; log.migrate()
from projects.models import ApiKey, Project
from routing import policies
from routing.models import OptionPrice, ProviderConnection, SupplyOption, ALWAYS_KNOWN_FROM
project = Project.objects.create(slug="bench", name="Bench")
rates = {"input": "0.000001", "output": "0.000002"}
for name, url in (("one", sys.argv[1]), ("two", sys.argv[2])):
    ProviderConnection.objects.create(
        name=name, provider="openai_compatible", base_url=url, max_concurrency=512, deadline_s=4.0)
    option = SupplyOption.objects.create(name=f"{name}/foo", provider=name, model="foo", max_output_tokens=100)
    OptionPrice.objects.create(option=option, effective_from=ALWAYS_KNOWN_FROM, rates=rates, source="bench")
rules = {"fallbacks": ["two/foo"]}
policies.write(project, "auto", kind="fixed", default_option="one/foo", rules=rules, by=None)
print(ApiKey.issue(project, "bench", by=None)[1])
"""

REPORT = """
import json, django; django.setup()
from projects import log, shipping
from projects.log import EventFilter
from projects.models import Project
shipping.ship()
from netra import clickhouse
rows = clickhouse.rows(
    "SELECT source_record_id, outcome, toString(cost_usd) AS cost_usd, metadata FROM workload_events "
    "WHERE project_id = {project_id:UInt64} AND purpose = 'live'", {"project_id": Project.objects.get(slug="bench").pk})
print(json.dumps([{**row, "metadata": json.loads(row["metadata"])} for row in rows], default=str))
"""


def told(env: dict[str, str], script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    out = subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, check=True, capture_output=True, text=True)
    return out.stdout.splitlines()[-1]


class Client:
    """Asks the gateway, and remembers every reply."""

    def __init__(self, session: aiohttp.ClientSession, address: str, key: str) -> None:
        self._session, self._address = session, address
        self._headers = {"Authorization": f"Bearer {key}"}
        self.replies: list[Reply] = []
        self.served: list[str] = []
        self.n_dropped = 0

    async def ask(self, prompt: str, *, is_stream: bool) -> None:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": "netra/auto", "stream": is_stream, "messages": messages}
        url = self._address + "/v1/chat/completions"
        try:
            async with self._session.post(url, json=body, headers=self._headers) as response:
                decision = response.headers.get("x-netra-decision", "")
                found = read_reply(prompt, response.status, decision, await response.read(), is_stream=is_stream)
        except aiohttp.ClientError:
            self.n_dropped += 1
            return
        self.served.append(response.headers.get("x-netra-option", "") if response.status == 200 else "")
        self.replies.append(found)

    async def load(self, seconds: float, rate: float, name: str) -> None:
        """Requests at a rate, whether or not the earlier ones are answered."""
        began, tasks = time.monotonic(), []
        while (now := time.monotonic() - began) < seconds:
            number = len(tasks)
            tasks.append(asyncio.create_task(self.ask(f"{name} {number}", is_stream=number % 2 == 1)))
            await asyncio.sleep(max(0.0, (number + 1) / rate - now))
        await asyncio.gather(*tasks)


async def measured(
    args: argparse.Namespace, one: Faulty, two: Faulty, address: str, pid: int, key: str
) -> dict[str, Any]:
    memory_mb = rss_mb(pid)
    # A connection for each request: one that is kept can be closed by the server just as it is used again.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
        client = Client(session, address, key)
        await client.load(args.seconds, args.rate, "mixed")
        n_mixed = len(client.replies)
        found = _spread(client.replies, (*one.log, *two.log))
        one.rate, one.kinds, n_before = 1.0, ("500",), len(one.log)
        await client.load(10.0, args.rate, "outage")
        found["asked_of_the_failing_in_10_s"] = len(one.log) - n_before
        one.rate, two.rate = 0.0, 0.0
        found["breaker_recovered_after_s"] = await _recovered(client)
    found |= {"memory_mb_start": round(memory_mb, 1), "memory_mb_end": round(rss_mb(pid), 1)}
    return {"requests_mixed": n_mixed, **found, "dropped": client.n_dropped, "replies": client.replies}


def _spread(replies: list[Reply], log: tuple[faulty.Asked, ...]) -> dict[str, Any]:
    n_ok = sum(reply.status == 200 and reply.is_ended for reply in replies)
    n_cut = sum(reply.status == 200 and not reply.is_ended for reply in replies)
    met = Counter(each.fault or "none" for each in log)
    share = round(n_ok / len(replies), 4) if replies else None
    return {"faults_met": dict(sorted(met.items())), "answered_share": share, "streams_broken_off": n_cut}


async def _recovered(client: Client) -> float | None:
    """Seconds until the one that had failed answers again; None when it did not within three minutes."""
    began = time.monotonic()
    for number in range(10_000):
        await client.ask(f"later {number}", is_stream=False)
        if client.served[-1:] == ["one/foo"]:
            return round(time.monotonic() - began, 1)
        if time.monotonic() - began > 180:
            return None
        await asyncio.sleep(0.25)
    return None


def run(args: argparse.Namespace) -> dict[str, Any]:
    known = {"rate": args.fault_rate, "silence_s": 6.0}
    with (
        tempfile.TemporaryDirectory() as folder,
        faulty.serving(seed=args.seed, **known) as one,
        faulty.serving(seed=args.seed + 1, **known) as two,
    ):
        env = {"NETRA_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "netra.settings", "NETRA_SHIPS": "0"}
        env |= {"DATABASE_URL": "", "CLICKHOUSE_URL": ""}
        key, port = told(env, PREPARE, one.base_url, two.base_url), free_port()
        server = [sys.executable, "-m", "uvicorn", "netra.asgi:application", "--port", str(port), "--no-access-log"]
        with running([*server, "--log-level", "warning"], port, env) as pid:
            found = asyncio.run(measured(args, one, two, f"http://127.0.0.1:{port}", pid, key))
        events = [_as_read(each) for each in json.loads(told(env, REPORT))]
        replies = found.pop("replies")
        problems = audit(replies, events, {"one/foo": one.log, "two/foo": two.log})
        found |= {"requests": len(replies), "events": len(events), "asked_upstream": len(one.log) + len(two.log)}
        return {**found, "n_problems": len(problems), "problems": problems[:20]}


def _as_read(row: dict[str, Any]) -> dict[str, Any]:
    cost = row["cost_usd"]
    return {**row, "cost_usd": None if cost is None else faulty.Decimal(cost)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of mixed faults; ten more of an outage follow")
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--fault-rate", type=float, default=0.2, help="share of the requests upstream")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = run(args)
    if args.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:30} {value}")
    sys.exit(1 if found["n_problems"] or found["dropped"] or found["breaker_recovered_after_s"] is None else 0)


if __name__ == "__main__":
    main()
