"""What the response cache costs and gets wrong: time and CPU of a hit, and false hits by meaning on real questions.

Hits: the gateway in one uvicorn worker, as in `gateway.py`, asked the same question over and over by a project with the
cache and by one without, in turns; the upstream answers at once, so the difference is the gateway's own.

False hits: GSM8K and MMLU questions of the shared data, each looked up among all before it, as the cache would. All are
different questions, so every hit is counted as false, even where two happen to have the same answer. Right hits: the
same questions asked with other manners ("Please tell me: …"), looked up among the originals.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import gateway as bench

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("NETRA_SHARED_DIR", ROOT.parent / "shared"))
THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99)
MANNERS = ("Please tell me: {}", "{} Thank you.", "Hi! {}", "I have a question. {}", "{} Please explain.")

CACHED = """
import django; django.setup()
from projects.models import ApiKey, Project
from routing import controls
project = Project.objects.create(slug="cached", name="Cached")
controls.write(project, {"exact_cache": True})
print(ApiKey.issue(project, "bench", by=None)[1])
"""


def questions(limit: int, longest: int) -> list[str]:
    """Different questions, in a seeded order; those too long for a look by meaning are left out, as the cache does."""
    found: list[str] = []
    for name in ("routellm_gsm8k.csv.gz", "routellm_mmlu_30pct.csv.gz"):
        with gzip.open(SHARED / "data" / "routing" / name, "rt") as file:
            found += [row["prompt"].strip() for row in csv.DictReader(file)]
    unlike = [text for text in dict.fromkeys(found) if len(text) <= longest]
    random.Random(11).shuffle(unlike)
    return unlike[:limit]


def meanings(limit: int) -> dict[str, Any]:
    """False hits among different questions and right hits of reworded ones, by threshold."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")
    import django

    django.setup()
    from netra import embeddings
    from routing.gateway.caching import LONGEST_MEANT, hinges

    texts = questions(limit, LONGEST_MEANT - max(len(each) for each in MANNERS))
    reworded = [MANNERS[at % len(MANNERS)].format(text) for at, text in enumerate(texts)]
    vectors, others = embeddings.encode(texts), embeddings.encode(reworded)
    hinged, hinged_too = [hinges(text) for text in texts], [hinges(text) for text in reworded]
    apart = np.array([[a == b for b in hinged] for a in hinged])
    cosines = np.tril(vectors @ vectors.T, -1)  # each among those before it
    own = np.einsum("ij,ij->i", vectors, others)
    same = np.array([a == b for a, b in zip(hinged, hinged_too, strict=True)])
    rows = [
        {
            "threshold": threshold,
            "false_hits": int(((cosines * apart).max(axis=1) >= threshold).sum()),
            "false_hits_without_hinges": int((cosines.max(axis=1) >= threshold).sum()),
            "right_hit_share": round(float(((own >= threshold) & same).mean()), 4),
        }
        for threshold in THRESHOLDS
    ]
    return {"n_questions": len(texts), "by_threshold": rows}


def issued(env: dict[str, str]) -> str:
    command = [sys.executable, "-c", CACHED]
    out = subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, check=True, capture_output=True, text=True)
    return out.stdout.split()[-1]


async def hits(args: argparse.Namespace, *, with_redis: bool) -> dict[str, Any]:
    up, front, redis = bench.free_port(), bench.free_port(), bench.free_port()
    me = [sys.executable, str(Path(bench.__file__))]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(bench.running([*me, "--serve-upstream", str(up)], up))
        env, plain = bench.prepared(folder, f"http://127.0.0.1:{up}/v1")
        cached = issued(env)
        env["NETRA_SHIPS"] = "0"
        if with_redis:
            command = ["redis-server", "--port", str(redis), "--save", "", "--loglevel", "warning"]
            stack.enter_context(bench.running(command, redis))
            env["REDIS_URL"] = f"redis://127.0.0.1:{redis}/0"
        server = [sys.executable, "-m", "uvicorn", "netra.asgi:application", "--port", str(front), "--no-access-log"]
        server += ["--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
        pid = stack.enter_context(bench.running(server, front, env))
        return await _in_turns(args, front, pid, {"passed_on": plain, "hit": cached})


async def _in_turns(args: argparse.Namespace, port: int, pid: int, keys: dict[str, str]) -> dict[str, Any]:
    loads: dict[str, list[bench.Load]] = {}
    for _ in range(args.rounds + 1):
        for name, key in keys.items():
            for concurrency in (1, 16):
                load = await bench.drive(
                    port, pid, key=key, concurrency=concurrency, seconds=args.seconds, stream=False
                )
                loads.setdefault(f"{name}_{concurrency}", []).append(load)
    for kept in loads.values():
        del kept[0]  # the first round warms up
    told: dict[str, Any] = {"failed": sum(load.failed for kept in loads.values() for load in kept)}
    for name in keys:
        told[f"{name}_p50_ms_c1"] = round(
            bench.median([bench.median(each.latencies_ms) for each in loads[f"{name}_1"]]), 3
        )
        told[f"{name}_cpu_ms"] = round(bench.median([each.cpu_ms for each in loads[f"{name}_16"]]), 4)
        told[f"{name}_rps_c16"] = round(bench.median([each.rps for each in loads[f"{name}_16"]]), 1)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="of load for each shape and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=3_000, help="embedded for false hits, 15 ms each, twice")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = {"hits": asyncio.run(hits(args, with_redis=False))}
    if shutil.which("redis-server"):
        found["hits_in_redis"] = asyncio.run(hits(args, with_redis=True))
    found["meaning"] = meanings(args.questions)
    if args.json:
        print(json.dumps(found))
        return
    for part in ("hits", "hits_in_redis"):
        for name, value in found.get(part, {}).items():
            print(f"{part:14} {name:24} {value}")
    print(f"{found['meaning']['n_questions']} questions")
    for row in found["meaning"]["by_threshold"]:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
