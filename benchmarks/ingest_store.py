"""The store's side of `ingest.py`, run as a process of its own: chDB locks its folder to one.

ingest_store.py prepare        make the stores, a project, its key and a session; tells both as JSON
ingest_store.py fill N         copy the events that are there until there are N, over ninety days, people and models
ingest_store.py bytes          merge everything and tell what lies on disk
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from netra import clickhouse  # noqa: E402
from projects.models import ApiKey, Membership, Project, User  # noqa: E402

SLUG = "bench"
COPIED = 20_000
CHUNK = 200_000
DAYS = 90


def prepare() -> dict[str, str]:
    call_command("migrate", verbosity=0)
    call_command("migrate_log", verbosity=0)
    call_command("sync_catalog", "--first-time", verbosity=0)
    project = Project.objects.create(slug=SLUG, name="Benchmark")
    person = User.objects.create_user("bench@example.com")
    Membership.objects.create(project=project, user=person, role=Membership.Role.OWNER)
    client = Client()
    client.force_login(person)
    return {"key": ApiKey.issue(project, "sender", by=None)[1], "session": client.cookies["sessionid"].value}


# One call in a hundred failed, one in fifty was a replay; sessions of some twenty calls within ten minutes,
# 5,000 people, five kinds of work.
_COPY = """
INSERT INTO workload_events
SELECT * EXCEPT (copy, h, at) REPLACE (
    lower(hex(sipHash128(event_id, copy))) AS event_id,
    lower(hex(sipHash128(content_hash, copy))) AS content_hash,
    concat('copy-', toString(copy), '-', source_record_id) AS source_record_id,
    concat('chatcmpl-', toString(h)) AS provider_response_id,
    lower(hex(sipHash128(trace_id, copy))) AS trace_id,
    lower(hex(cityHash64(span_id, copy))) AS span_id,
    concat('session-', toString(intDiv(toUnixTimestamp(at), 600)), '-', toString(h % 38)) AS session_id,
    concat('user-', toString(cityHash64(intDiv(toUnixTimestamp(at), 600), h % 38) % 5000)) AS user_id,
    if(cityHash64(h, 3) % 100 = 0, 'provider_error', outcome) AS outcome,
    if(cityHash64(h, 4) % 50 = 0, 'replay', purpose) AS purpose,
    if(cityHash64(h, 4) % 50 = 0, concat('run-', toString(copy % 40)), NULL) AS run_id,
    if(cityHash64(h, 5) % 200 = 0, ['no_usage'], flags) AS flags,
    ['search', 'support', 'writing', 'extraction', 'planning'][cityHash64(h, 6) % 5 + 1] AS kind,
    cityHash64(h, 7) % 20 != 0 AS is_replayable,
    at AS started_at
)
FROM
(
    SELECT *, arrayJoin(range({first:UInt64}, {first:UInt64} + {n:UInt64})) AS copy, cityHash64(event_id, copy) AS h,
        started_at - toIntervalMicrosecond(cityHash64(h, 8) % {span_us:UInt64}) AS at
    FROM (SELECT * FROM workload_events WHERE NOT startsWith(source_record_id, 'copy-') LIMIT {copied:UInt64})
)
"""


def fill(wanted: int) -> dict[str, float]:
    began, n = time.perf_counter(), clickhouse.scalar("SELECT count() FROM workload_events")
    copied, first = min(n, COPIED), 0
    while n < wanted:
        n_copies = max(1, min(CHUNK, wanted - n) // copied)
        numbers = {"copied": copied, "first": first, "n": n_copies, "span_us": DAYS * 86_400 * 10**6}
        clickhouse.command(_COPY, numbers)
        first, n = first + n_copies, n + n_copies * copied
    return {"events": n, "fill_s": round(time.perf_counter() - began)}


def on_disk() -> dict[str, float]:
    """Of all tables, with their indexes and projections, after a full merge."""
    for name in ("workload_events", "superseded_events", "source_records"):
        clickhouse.command(f"OPTIMIZE TABLE {name} FINAL")
    found = clickhouse.rows(
        "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase()"
    )
    return {"bytes": found[0]["bytes"], "events": clickhouse.scalar("SELECT count() FROM workload_events")}


if __name__ == "__main__":
    told = {"prepare": prepare, "bytes": on_disk}[sys.argv[1]]() if sys.argv[1] != "fill" else fill(int(sys.argv[2]))
    clickhouse.close()
    sys.stdout.write(json.dumps(told))
