"""What a prefix cache would have answered of a recorded trace, for every size at once, and how long counting takes.

    python benchmarks/cache_reuse.py --trace FILE [--sizes 1000,10000,50000] [--blocks 1000000] [--json]

FILE holds one JSON object a line, plain or gzip, with `hash_ids` (ids of the prompt's prefix blocks in order; equal
ids are the same prefix) and `timestamp` in milliseconds, as in the public Mooncake traces. With `--blocks` the trace is
repeated, under new ids, until it holds that many, and only the time is of interest.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from projects.cache_reuse import hits  # noqa: E402
from projects.cache_reuse.kv import SHAPES  # noqa: E402

Calls = list[tuple[float, list[int]]]
LIFETIMES_S = {"ttl_5m": 300.0, "ttl_1h": 3600.0}
BLOCK_TOKENS = 512
SHOWN_SHAPE = "llama-3-70b"


def calls(path: Path) -> Iterator[tuple[float, list[int]]]:
    """Seconds and block ids a call; a line that is no call, and a file that cannot be read, are named."""
    number = 0
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
            for line in file:
                number += 1
                if line.strip():
                    yield call(line)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as problem:
        where = f"{path.name}, line {number}" if number else path.name
        raise SystemExit(f"{where}: no call with timestamp and hash_ids ({problem}).") from None


def call(line: str) -> tuple[float, list[int]]:
    told = json.loads(line)
    return float(told["timestamp"]) / 1000, [int(each) for each in told["hash_ids"]]


def repeated(found: Calls, n_blocks: int) -> Calls:
    """The trace again and again, each time a new world of ids, until there are that many blocks."""
    highest = max((block for _, ids in found for block in ids), default=0) + 1
    longer, n = list(found), sum(len(ids) for _, ids in found)
    while n and n < n_blocks:
        world = len(longer) // len(found)
        span = found[-1][0] + 1
        longer += [(at + world * span, [block + world * highest for block in ids]) for at, ids in found]
        n = sum(len(ids) for _, ids in longer)
    return longer


def measure(found: Calls, sizes: list[int]) -> dict[str, float | int | None]:
    found.sort(key=lambda each: each[0])
    began = time.perf_counter()
    trace = hits.Trace.of(found)
    told: dict[str, float | int | None] = {"calls": trace.n_calls, "blocks": trace.n_blocks}
    told["different_blocks"] = int((trace.previous < 0).sum())
    told["unlimited"] = hits.rate(trace, hits.unlimited(trace))
    told |= {f"lru_{size}": each for size, each in zip(sizes, hits.lru_rates(trace, sizes), strict=True)}
    for name, lifetime_s in LIFETIMES_S.items():
        told[name] = hits.rate(trace, hits.with_lifetime(trace, lifetime_s))
    told["seconds"] = round(time.perf_counter() - began, 3)
    return told


def shown(told: dict[str, float | int | None], sizes: list[int]) -> None:
    print(f"{told['calls']:,} calls, {told['blocks']:,} blocks, {told['different_blocks']:,} different")
    print(f"counted in {told['seconds']} s\n")
    print(f"{'cache':<24}{'answered':>10}{'GB as ' + SHOWN_SHAPE:>24}")
    memory = {f"lru_{size}": f"{SHAPES[SHOWN_SHAPE].gb(size * BLOCK_TOKENS):,.0f}" for size in sizes}
    memory["unlimited"] = f"{SHAPES[SHOWN_SHAPE].gb(int(told['different_blocks'] or 0) * BLOCK_TOKENS):,.0f}"
    for name, value in told.items():
        if name.startswith(("unlimited", "lru_", "ttl_")):
            print(f"{name:<24}{'–' if value is None else f'{100 * value:.1f} %':>10}{memory.get(name, ''):>24}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--sizes", default="1000,10000,50000", help="LRU sizes in blocks")
    parser.add_argument("--blocks", type=int, default=0, help="repeat the trace until it holds that many blocks")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    sizes = [int(each) for each in asked.sizes.split(",")]
    if not asked.trace.is_file():
        raise SystemExit(f"There is no file {asked.trace}.")
    told = measure(repeated(list(calls(asked.trace)), asked.blocks), sizes)
    print(json.dumps(told)) if asked.json else shown(told, sizes)


if __name__ == "__main__":
    main()
