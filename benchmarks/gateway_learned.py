"""What learned routing costs a request, beside a named option and a policy decided by rule, in the same run.

One gateway worker and a fast upstream, as in `gateway.py`. A predictor is trained over the product's own path: calls in
the log, judged pairs, a training. Four shapes of request take turns:

named    a named option                                    what the others are compared with
rule     a policy that weighs two options by plain beliefs
cached   a policy with the predictor, the same prompt      its embedding is known
fresh    the same policy, a prompt never seen before       50 to 200 words, embedded on the way

Whether a prediction was used is read from the decisions in the log afterwards: where it came too late, the row of the
candidate holds the plain belief, which is told apart by its figure. CPU is what the gateway's process used, threads
included, also of embeddings that came too late.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
import gateway as bench

DEFAULT, CANDIDATE, RULED = "bench/fast-1", "bench/small-1", "bench/plain-1"
MODELS = {"named": DEFAULT, "rule": "netra/rule", "cached": "netra/learned", "fresh": "netra/learned"}
CONCURRENCIES = (1, 4)
# The plain belief is recognised by its mean; no prediction falls on it.
PLAIN_MEAN = -0.123456789
LOADING_S = 180

# Two trades: the candidate is a little better at the first and much worse at the second.
DESK = (
    "My parcel {thing} was sent on the {n}th and has not come, although the page says it was handed over.",
    "The customer writes that the invoice for {thing} names {n} pieces, but only half of them were in the box.",
    "Please write a friendly answer that says when {thing} can be delivered and who pays for the way back.",
    "She asks whether the guarantee of {n} months also holds for {thing} when it was bought as a present.",
    "He wants his money back for {thing}, which he paid by card in the shop on the corner of Street {n}.",
    "Our rule is that {thing} can be sent back within {n} days if the wrapping has not been opened.",
)
COUNSEL = (
    "Under clause {n} of the lease the tenant of {thing} owes the repairs, unless the damage was there before.",
    "Prove that every bounded sequence in a space with {n} dimensions, such as {thing}, has a convergent part.",
    "The function reads {thing} from the queue, retries {n} times and then loses the last element; find the mistake.",
    "Compare the holdings of the two courts on {thing} and say which of the {n} precedents still binds.",
    "Derive how long the recursion over {thing} takes when each of {n} branches halves what is left.",
    "The query joins {thing} with {n} other tables and locks them in another order than the nightly job.",
)
THINGS = "a lamp,the grey sofa,two chairs,a coffee machine,the contract,a bicycle,the garden hose,an index,the archive"


def prompt(rng: random.Random) -> tuple[str, bool]:
    """A prompt of 50 to 200 words, and whether it is of the first trade."""
    is_desk, n_words = rng.random() < 0.5, rng.randint(50, 200)
    words: list[str] = []
    while len(words) < n_words:
        sentence = rng.choice(DESK if is_desk else COUNSEL)
        words += sentence.format(thing=rng.choice(THINGS.split(",")), n=rng.randint(2, 9_999)).split()
    return " ".join(words[:n_words]), is_desk


# --- a process of its own: the project with its policies, and the predictor


def prepare(n_pairs: int) -> None:
    """Options, beliefs, policies, judged calls and a training in the project that `gateway.prepared` made."""
    import django

    django.setup()
    from projects.models import Project
    from routing import beliefs, policies, predictor

    project = Project.objects.get(slug="bench")
    _options()
    for default, mean in ((DEFAULT, PLAIN_MEAN), (RULED, 0.01)):
        low, high = mean - 0.02, mean + 0.02
        beliefs.learn(project, CANDIDATE, default, mean=mean, low=low, high=high, n=400, source="bench")
    for name, default in (("rule", RULED), ("learned", DEFAULT)):
        rules = {"candidates": [CANDIDATE], "margin": 0.05}
        policies.write(project, name, kind="cheapest", default_option=default, rules=rules, by=None)
    began = time.perf_counter()
    predictor.learn(project, _judged(project, n_pairs), default=DEFAULT, source="bench")
    (made,) = predictor.train(project)
    if not made.sha256:
        raise SystemExit("Too little was judged for a predictor; ask for more --pairs.")
    told = {"n_pairs": made.n_pairs, "artefact_kb": len(made.artefact) // 1024}
    print(json.dumps({**told, "training_s": round(time.perf_counter() - began, 1)}))


def _options() -> None:
    from routing.models import ALWAYS_KNOWN_FROM, OptionPrice, SupplyOption

    for name, rate in ((CANDIDATE, "0.0000001"), (RULED, "0.000001")):
        option = SupplyOption.objects.create(name=name, provider="bench", model=name.partition("/")[2])
        rates = {"input": rate, "output": rate}
        OptionPrice.objects.create(option=option, effective_from=ALWAYS_KNOWN_FROM, rates=rates, source="bench")


def _judged(project: Any, n_pairs: int) -> list[Any]:
    from django.utils import timezone

    from projects import log
    from projects.workloads import WorkloadEvent
    from routing.predictor import Judged

    rng, now = random.Random(1), timezone.now()
    asked = [prompt(rng) for _ in range(n_pairs)]
    bodies = [{"model": "fast-1", "messages": [{"role": "user", "content": text}]} for text, _ in asked]
    ids = log.write(
        project.pk,
        [
            WorkloadEvent(source="bench", source_record_id=f"j-{at}", started_at=now, request=body)
            for at, body in enumerate(bodies)
        ],
    ).ids
    judged = zip(ids, asked, strict=True)
    return [Judged(name, CANDIDATE, rng.gauss(0.15 if is_desk else -0.5, 0.1)) for name, (_, is_desk) in judged]


def tell() -> None:
    """How the decisions of each shape came about: by a prediction, or by the plain belief."""
    import django

    django.setup()
    from netra import clickhouse
    from projects import log
    from projects.models import Project

    known = {"project_id": Project.objects.get(slug="bench").pk}
    rows = clickhouse.rows(f"SELECT metadata FROM workload_events WHERE {log.CURRENT} AND purpose = 'live'", known)  # noqa: S608
    found: dict[str, dict[str, int]] = {}
    for known in (json.loads(row["metadata"]) for row in rows):
        counts = found.setdefault(known.get("feature", ""), {"n": 0, "decided": 0, "predicted": 0, "unlike": 0})
        counts["n"] += 1
        for row in known.get("decision", {}).get("considered", ()):
            if row["option"] == CANDIDATE:
                counts["decided"] += 1
                counts["unlike"] += "quality" not in row
                counts["predicted"] += abs(row.get("quality", PLAIN_MEAN) - PLAIN_MEAN) > 1e-8
    print(json.dumps(found))


# --- the load


def requests(key: str, name: str, label: str) -> Iterator[bytes]:
    """Requests of a shape: one and the same, or each with a prompt of its own."""
    rng = random.Random(label if name == "fresh" else "the same prompt")
    while True:
        text, _ = prompt(rng)
        body = {"model": MODELS[name], "messages": [{"role": "user", "content": text}]}
        request = bench.as_request(key, body, feature=label)
        yield from (request,) if name == "fresh" else itertools.repeat(request)


def wait_for_predictions(port: int, key: str) -> int:
    """Until a prompt of the first trade is led away from the default: the model is loaded. Returns how many asked."""
    rng = random.Random("a prompt of the first trade")
    text = next(text for text, is_desk in iter(lambda: prompt(rng), None) if is_desk)
    body = json.dumps({"model": "netra/learned", "messages": [{"role": "user", "content": text}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Netra-Feature": "warm-up"}
    for n in range(1, LOADING_S * 5):
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
        with urllib.request.urlopen(asked) as answer:
            if answer.headers["x-netra-option"] == CANDIDATE:
                return n
        time.sleep(0.2)
    raise SystemExit("The predictor never decided.")


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    up, front = bench.free_port(), bench.free_port()
    upstream = [sys.executable, bench.__file__, "--serve-upstream", str(up)]
    with tempfile.TemporaryDirectory() as folder, bench.running(upstream, up):
        env, key = bench.prepared(folder, f"http://127.0.0.1:{up}/v1")
        trained = in_process(env, "--prepare", str(args.pairs))
        n_sent, loads = 0, {}
        for deadline_ms in args.deadline:
            env |= {"NETRA_SHIPS": "0", "NETRA_PREDICTOR_DEADLINE_MS": str(deadline_ms)}
            with bench.running(bench.one_worker(front), front, env) as pid:
                n_sent += await asyncio.to_thread(wait_for_predictions, front, key)
                loads[deadline_ms] = await _in_turns(args, front, pid, key, deadline_ms)
        _, _, n_stored = bench.shipped(env)
        told = in_process(env, "--tell")
    every = [load for by_shape in loads.values() for kept in by_shape.values() for load in kept]
    n_sent += sum(load.n for load in every)
    found = {**trained, "failed": sum(load.failed for load in every), "events_lost": n_sent - n_stored}
    return {**found, "shapes": [row for ms, by_shape in loads.items() for row in _rows(ms, by_shape, told)]}


def in_process(env: dict[str, str], *given: str) -> Any:
    command = [sys.executable, __file__, *given]
    out = subprocess.run(command, env={**os.environ, **env}, cwd=bench.ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout.splitlines()[-1])


Loads = dict[tuple[int, str], list[bench.Load]]


async def _in_turns(args: argparse.Namespace, port: int, pid: int, key: str, deadline_ms: int) -> Loads:
    """Every shape in every round, so that all meet the same neighbours; round 0 warms up and does not count."""
    loads: Loads = {}
    for number in range(args.rounds + 1):
        for concurrency, name in itertools.product(CONCURRENCIES, MODELS):
            label = f"{name}-{concurrency}-{deadline_ms}-{number}"
            asked = requests(key, name, label)
            seconds = args.seconds if number else 0.5
            await _at_rest(pid)
            load = await bench.driven(port, pid, asked, concurrency=concurrency, seconds=seconds)
            loads.setdefault((concurrency, name), []).append(load)
    return loads


async def _at_rest(pid: int) -> None:
    """Until the gateway has finished what a shape before this one left it to embed."""
    for _ in range(100):
        before = bench.cpu_s(pid)
        await asyncio.sleep(0.2)
        if bench.cpu_s(pid) - before <= 0.02:
            return


def _rows(deadline_ms: int, loads: Loads, told: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    rows = []
    for (concurrency, name), (_, *kept) in loads.items():
        base = loads[concurrency, "named"][1:]
        row = {"deadline_ms": deadline_ms, "concurrency": concurrency, "shape": name, "n": sum(load.n for load in kept)}
        for label, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
            took, least = _over_rounds(kept, share), _over_rounds(base, share)
            row |= {label: round(took, 2), f"added_{label}": None if name == "named" else round(took - least, 2)}
        row["cpu_ms"] = round(bench.median([load.cpu_ms for load in kept]), 3)
        rows.append(row | _used(told, f"{name}-{concurrency}-{deadline_ms}-"))
    return rows


def _over_rounds(loads: list[bench.Load], share: float) -> float:
    return bench.median([sorted(load.latencies_ms)[int(len(load.latencies_ms) * share)] for load in loads])


def _used(told: dict[str, dict[str, int]], label: str) -> dict[str, Any]:
    """Of the decisions that the predictor was to make: those it made, and those it made by knowing no such prompt."""
    if label.startswith(("named", "rule")):
        return {"predicted_share": None, "unlike_share": None}
    ours = [counts for name, counts in told.items() if name.startswith(label) and name != f"{label}0"]  # 0 warms up
    decided = sum(counts["decided"] for counts in ours)
    shares = {name: sum(counts[name] for counts in ours) / decided for name in ("predicted", "unlike")}
    return {
        "predicted_share": round(shares["predicted"] + shares["unlike"], 4),
        "unlike_share": round(shares["unlike"], 4),
    }


COLUMNS = (
    "deadline_ms",
    "concurrency",
    "shape",
    "n",
    "p50_ms",
    "added_p50_ms",
    "added_p95_ms",
    "cpu_ms",
    "predicted_share",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_200, help="judged prompts the predictor is trained on")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each shape and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--deadline", type=int, nargs="+", default=[25], help="NETRA_PREDICTOR_DEADLINE_MS, one gateway each"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--prepare", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--tell", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.prepare:
        prepare(args.prepare)
    elif args.tell:
        tell()
    else:
        _print(asyncio.run(measure(args)), is_json=args.json)


def _print(found: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        print(json.dumps(found))
        return
    print("  ".join(f"{name} {value}" for name, value in found.items() if name != "shapes"))
    print("  ".join(f"{name:>13}" for name in COLUMNS))
    for row in found["shapes"]:
        print("  ".join(f"{'–' if row[name] is None else row[name]:>13}" for name in COLUMNS))
    late = [row for row in found["shapes"] if row["predicted_share"] is not None and row["predicted_share"] < 0.95]
    for row in late:
        share, at_once = 1 - row["predicted_share"], row["concurrency"]
        print(f"Of {row['shape']} at {at_once}, {share:.1%} were decided by the plain belief: the prediction was late.")


if __name__ == "__main__":
    main()
