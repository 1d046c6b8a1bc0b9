"""Replay 2,000 calls against the recorded provider at 20 ms latency: wall time against the ideal, and memory.

    python benchmarks/replay.py [--calls 2000] [--concurrency 8] [--latency-ms 20] [--json]

The ideal is calls × latency / concurrency: what a client without any cost of its own would need. `bare_s` is what a
bare HTTP client that does nothing else takes on this machine for the same calls, just before. Every call goes the
whole way: reservation committed before it is sent, real HTTP, price, books settled, event in the log. Judging is off,
because a judge's calls are made the same way; the decision is looked at as in any run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "netra.settings"

LANES = 4  # the incumbent and three candidates
MODELS = ("claude", "FuseChat-Gemma-2-9B-Instruct", "gpt-3.5-turbo-1106", "vicuna-7b")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def rss_mb() -> float:
    """Memory in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Memory(threading.Thread):
    """Samples memory while the run goes on; growth is the last tenth against the second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.samples.append(rss_mb())

    def growth_mb(self) -> float:
        """From after the start (a fifth in) to the end; what is loaded and opened at the start is no growth."""
        early = self.samples[len(self.samples) // 5] if self.samples else 0.0
        return (self.samples[-1] - early) if self.samples else 0.0


def prepared(base_url: str, log: Path, given: argparse.Namespace) -> int:
    """A project with the log imported and a queued run over it; its id."""
    from decimal import Decimal

    from django.core.management import call_command

    from evaluation import runs
    from evaluation.models import EvaluationRun
    from tests.flows import recorded

    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    project = recorded.stage("replay", base_url, log)
    wish = runs.Wish(
        name="replay",
        incumbent=f"recorded/{MODELS[0]}",
        candidates=recorded.named(MODELS[1:]),
        judges={"quality": ["recorded/judge-alpacaeval"]},
        budget_usd=Decimal(1_000),
        max_pairs=given.calls // LANES,
        concurrency=given.concurrency,
        thresholds={"min_pairs": given.calls},  # nothing is decided early
    )
    run = runs.create(project, wish)
    EvaluationRun.objects.filter(pk=run.pk).update(judging={"dimensions": {}, "pairwise": None})
    return run.pk


async def bare(base_url: str, log: Path, given: argparse.Namespace) -> float:
    """Seconds for as many calls with prompts of the same log, and nothing around them."""
    import aiohttp

    logged = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    requests = [each["request"] for each in logged if isinstance(each.get("request"), dict)]
    places = asyncio.Semaphore(given.concurrency)
    headers = {"Authorization": "Bearer x"}

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        body = {**requests[number // LANES % len(requests)], "model": MODELS[number % LANES]}
        async with places, session.post(f"{base_url}/chat/completions", json=body, headers=headers) as answer:
            await answer.read()

    async with aiohttp.ClientSession() as session:
        began = time.monotonic()
        await asyncio.gather(*(one(session, number) for number in range(given.calls)))
        return time.monotonic() - began


def measured(run_id: int, given: argparse.Namespace) -> dict[str, float]:
    from evaluation import runs
    from evaluation.models import EvaluationRun, ReplayCall

    memory = Memory()
    memory.start()
    began, cpu = time.monotonic(), time.process_time()
    runs.carry_out(run_id)
    wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    memory.over.set()
    memory.join()
    n_calls = ReplayCall.objects.filter(run=run_id, state="done").exclude(lane="recorded").count()
    run = EvaluationRun.objects.get(pk=run_id)
    assert run.reserved_usd == 0 and n_calls, run.sentence
    ideal_s = n_calls * given.latency_ms / 1000 / given.concurrency
    return {
        "calls": n_calls,
        "concurrency": given.concurrency,
        "wall_s": round(wall_s, 3),
        "ideal_s": round(ideal_s, 3),
        "ratio": round(wall_s / ideal_s, 3),
        "cpu_ms_per_call": round(1000 * cpu_s / n_calls, 3),
        "peak_rss_mb": round(max(memory.samples), 1),
        "rss_growth_mb": round(memory.growth_mb(), 1),
    }


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="netra-replay-") as folder:
        os.environ["NETRA_DATA_DIR"] = str(Path(folder) / "data")
        import django

        django.setup()
        from netra import clickhouse
        from tests.flows import recorded

        log = recorded.make_log(Path(folder), n=3 * given.calls // LANES)
        with recorded.provider("--latency-ms", str(given.latency_ms)) as base_url:
            bare_s = asyncio.run(bare(base_url, log, given))
            told = {**measured(prepared(base_url, log, given), given), "bare_s": round(bare_s, 3)}
        clickhouse.close()
    if given.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name:<16} {value:>10}")


if __name__ == "__main__":
    main()
