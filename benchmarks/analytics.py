"""How fast pages and questions are over many events, and what that costs in memory.

    python benchmarks/analytics.py [--events 10000000] [--days 30] [--rounds 5] [--data FOLDER] [--json]

The events are made inside the store (newest day first) and reach the roll-ups the way imported ones do. Every request
is measured without kept answers: the cache is emptied before each. `--data` keeps the folder, to measure again without
filling.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
STEP = 500_000
FILL = """
INSERT INTO workload_events (project_id, event_id, version, content_hash, ingested_at, purpose, source,
    source_record_id, session_id, user_id, trace_id, started_at, duration_ms, ttft_ms, time_precision, operation,
    provider, requested_model, served_model, outcome, error_type, finish_reason, is_refusal, tok_input_fresh,
    tok_cache_read, tok_output_visible, usage_raw, usage_origin, cost_usd, cost_recorded_usd,
    tags, metadata, flags, is_replayable, not_replayable, kind,
    prompt_hash, system_hash, prompt_chars, n_messages, has_tools, has_images, wants_json, is_simulated)
WITH cityHash64(number, 5) % 4 AS model, cityHash64(number, 6) % 100 = 0 AS failed, cityHash64(number, 13) % 10 AS work
SELECT {project_id:UInt64}, lower(hex(sipHash128(number))), 1, lower(hex(sipHash128(number + 1))), now64(6), 'ingested',
    'upload', toString(number), concat('s-', toString(cityHash64(number, 1) % 200000)),
    concat('u-', toString(cityHash64(number, 2) % 5000)), concat('t-', toString(intDiv(number, 3))),
    {until:DateTime64(6, 'UTC')} - toIntervalMicrosecond(toInt64((number + 1) * {gap_us:Float64})),
    if(failed, 25, exp(7 + 0.3 * work + (cityHash64(number, 3) % 10000) / 5000.)),
    if(failed, NULL, exp(5 + (cityHash64(number, 4) % 10000) / 5000.)), 'us', 'chat', 'openai',
    concat('model-', toString(model)), concat('model-', toString(model)), if(failed, 'provider_error', 'ok'),
    if(failed, 'rate_limit_exceeded', NULL),
    if(failed, NULL, ['stop', 'length', 'tool_calls'][1 + cityHash64(number, 9) % 3]),
    if(failed, NULL, cityHash64(number, 7) % 200 = 0), if(failed, NULL, 100 + cityHash64(number, 8) % 4000),
    if(failed OR number % 3 = 0, NULL, cityHash64(number, 10) % 3000),
    if(failed, NULL, 1 + cityHash64(number, 11) % 900),
    '{}', 'provider', if(failed, NULL, toDecimal64(cityHash64(number, 12) % 100000, 12) / 10000000), NULL,
    [concat('tag-', toString(work))], '{}', [], NOT failed, [], concat('kind-', toString(work)),
    lower(hex(cityHash64(number, 14) % 3000000)), lower(hex(cityHash64(work))), 1000 + work, 3, work = 1, 0, work = 2, 1
FROM numbers({first:UInt64}, {n:UInt64})
"""


def fill(project_id: int, first: int, last: int, total: int, days: int) -> None:
    from netra import clickhouse

    gap_us = days * 86_400_000_000 / total
    for at in range(first, last, STEP):
        clickhouse.command(
            FILL,
            {"project_id": project_id, "until": UNTIL, "gap_us": gap_us, "first": at, "n": min(STEP, last - at)},
        )


def questions(days: float) -> dict[str, dict[str, Any]]:
    """One of each analysis and of each road through the engine, over a window of so many days."""
    window = {"since": UNTIL - timedelta(days=days), "until": UNTIL}
    ok = {"filters": [{"dimension": "outcome", "is": ["ok"]}]}
    latency = ["duration_ms.p50", "duration_ms.p95", "duration_ms.p99"]
    asked: dict[str, dict[str, Any]] = {
        "sums by day": {
            "figures": ["calls", "cost_usd.sum", "errors.share"],
            "grain": "day",
            "time_zone": "Europe/Berlin",
        },
        "sums by model, week before": {
            "figures": ["calls", "cost_usd.sum"],
            "dimensions": ["model"],
            "compare": "week_before",
        },
        "sums by model, kind and hour": {"dimensions": ["model", "kind"], "grain": "hour", "limit": 5000},
        "percentiles by model": {"figures": ["calls", *latency], "dimensions": ["model"], **ok},
        "exact percentiles by model": {"figures": latency, "dimensions": ["model"], "accuracy": "exact"},
        "percentiles by kind and hour": {
            "figures": ["calls", "duration_ms.p95"],
            "dimensions": ["kind"],
            "grain": "hour",
        },
        "time per token by model": {
            "figures": ["ms_per_output_token.p50", "ms_per_output_token.p95"],
            "dimensions": ["model"],
        },
        "top users": {"figures": ["cost_usd.sum", "calls"], "dimensions": ["user_id"], "limit": 20},
        "top sessions": {"figures": ["cost_usd.sum", "calls"], "dimensions": ["session_id"], "limit": 20},
        "top prompt templates": {
            "figures": ["cost_usd.sum", "cost_usd.p95"],
            "dimensions": ["prompt_template"],
            "limit": 20,
        },
        "tags by weekday": {"dimensions": ["tag", "weekday"], "limit": 100},
        "distribution": {"analysis": "distribution", "measure": "duration_ms", "scale": "log"},
        "any percentile": {"analysis": "percentiles", "measure": "tokens_output", "dimension": "kind"},
        "correlation": {"analysis": "correlation", "measures": ["cost_usd", "duration_ms", "tokens_output"]},
        "clusters": {"analysis": "clusters", "measures": ["duration_ms", "tokens_input", "tokens_output"]},
        "sample": {"analysis": "sample", "size": 1000},
        "change of spend": {"analysis": "spend_change"},
        "forecast": {"analysis": "forecast", "days": 7},
    }
    return {name: {"analysis": "aggregate", **window, **told} for name, told in asked.items()}


Times = list[tuple[float, float]]


def timed(work: Callable[[], Any], rounds: int) -> Times:
    """Milliseconds by the clock and of processor time, each round; nothing kept from the one before."""
    from django.core.cache import cache

    found = []
    for _ in range(rounds):
        cache.clear()
        began, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu)))
    return found


def p95(times: Times, of: int = 0) -> int:
    import numpy as np

    return round(float(np.percentile([each[of] for each in times], 95)))


def both(times: Times) -> dict[str, int]:
    return {"p95_ms": p95(times), "cpu_p95_ms": p95(times, 1)}


def measure_questions(project_id: int, days: float, rounds: int) -> dict[str, Times]:
    from projects.analytics import engine

    return {
        name: timed(lambda told=told: engine.answer(project_id, engine.parsed(told)), rounds)
        for name, told in questions(days).items()
    }


def of_pages(slug: str, client: Any, rounds: int) -> dict[str, dict[str, int]]:
    from projects.overview import parts

    pages = {
        "overview page": f"/projects/{slug}/",
        "all projects": "/",
        **{f"part {name}, 7 days": f"/projects/{slug}/?window=7d&part={name}" for name in parts.PARTS},
        "summary, API": f"/api/v1/analytics/{slug}/summary?until={UNTIL:%Y-%m-%dT%H:%M:%SZ}",
    }
    found = {}
    for name, url in pages.items():
        assert client.get(url).status_code == 200, url
        found[name] = both(timed(lambda url=url: client.get(url), rounds * 4))
    return found


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from netra import clickhouse
    from projects.models import Membership, Project, User

    for command in ("migrate", "migrate_log"):
        call_command(command, verbosity=0)
    user = User.objects.filter(email="bench@example.com").first() or User.objects.create_user("bench@example.com", "x")
    project, is_new = Project.objects.get_or_create(
        slug="benchmark", defaults={"name": "Benchmark", "is_simulated": True}
    )
    tenth, fill_s, small = asked.events // 10, 0.0, {}
    if is_new:
        Membership.objects.create(project=project, user=user, role=Membership.Role.OWNER)
        began = time.perf_counter()
        fill(project.pk, 0, tenth, asked.events, asked.days)
        fill_s = time.perf_counter() - began
        small = measure_questions(project.pk, 1, asked.rounds)
        began = time.perf_counter()
        fill(project.pk, tenth, asked.events, asked.events, asked.days)
        fill_s += time.perf_counter() - began
    client = Client()
    client.force_login(user)
    # As many days as the default budget of four million calls takes in.
    widest = min(asked.days / 2, 3_900_000 / (asked.events / asked.days))
    one, wide = (measure_questions(project.pk, days, asked.rounds) for days in (1, widest))
    flat = [each for values in wide.values() for each in values]
    return {
        "events": clickhouse.scalar("SELECT count() FROM workload_events"),
        "rolled_up_rows": clickhouse.scalar(
            "SELECT (SELECT count() FROM event_hours) + (SELECT count() FROM latency_hours)"
        ),
        "fill_s": round(fill_s, 1),
        "pages": of_pages(project.slug, client, asked.rounds),
        "widest_window_days": round(widest, 2),
        "all_questions": both(flat),
        "load_average": os.getloadavg()[0],
        "questions": {
            name: {
                "one_day_tenth_of_table": both(small[name]) if small else None,
                "one_day": both(one[name]),
                "widest": both(wide[name]),
            }
            for name in wide
        },
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def show(found: dict[str, Any]) -> None:
    print(f"{found['events']:,} events, {found['rolled_up_rows']:,} rows of roll-up, filled in {found['fill_s']} s")
    print(f"peak memory {found['peak_rss_mb']:,} MB (wanted ≤ 2,000); load average {found['load_average']:.1f}")
    print("p95 in ms by the clock (and of processor time), nothing kept from before\n")
    for name, times in found["pages"].items():
        print(f"{name:<32}{written(times):>22}{'  (wanted ≤ 300)' if name == 'overview page' else ''}")
    heads = ("1 day, 1/10 of table", "1 day", f"{found['widest_window_days']:g} days")
    print(f"\n{'':<32}{heads[0]:>22}{heads[1]:>22}{heads[2]:>22}")
    for name, row in found["questions"].items():
        print(f"{name:<32}" + "".join(f"{written(times):>22}" for times in row.values()))
    print(f"{'all questions':<32}{'':>44}{written(found['all_questions']):>22}  (wanted ≤ 1,000)")


def written(times: dict[str, int] | None) -> str:
    return "–" if times is None else f"{times['p95_ms']:,} ({times['cpu_p95_ms']:,})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = asked.data or Path(tempfile.mkdtemp(prefix="netra-benchmark-"))
    os.environ["NETRA_DATA_DIR"] = str(folder / "data")
    os.environ["DJANGO_SETTINGS_MODULE"] = "netra.settings"
    try:
        found = measure(asked)
    finally:
        if asked.data is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found)) if asked.json else show(found)


if __name__ == "__main__":
    main()
