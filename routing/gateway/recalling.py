"""What this process did not see itself: the last hour's calls, from the log, so that a restart forgets no pace.

Read once for each project in a thread of its own; requests that come meanwhile do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from netra import clickhouse
from routing import option_log
from routing.gateway.planning import health

log = logging.getLogger("netra.gateway")
WITHIN = timedelta(hours=1)
MOST_CALLS = 5_000
# The embedded store opens in one process at a time: the one that writes to it.
SHIPPER = "projects.shipping.Shipper"
# Projects whose hour is read, or being read.
BEGUN: set[int] = set()


def begin(project_id: int) -> None:
    """Read it beside the event loop. Returns at once. A store that is another process's is left to it."""
    if clickhouse.is_embedded() and SHIPPER not in settings.NETRA_BESIDE_WEB:
        BEGUN.add(project_id)
        return
    asyncio.get_running_loop().run_in_executor(None, recall, project_id)


def recall(project_id: int) -> None:
    """Read it now, unless that was done. A store that is away costs nothing but what it knew."""
    if project_id in BEGUN:
        return
    BEGUN.add(project_id)
    try:
        _recall(project_id)
    except Exception:
        log.warning("What the log knows of the last hour could not be read.", exc_info=True)


def _recall(project_id: int) -> None:
    now, at = timezone.now(), time.monotonic()
    for row in option_log.attempts(project_id, within=WITHIN, limit=MOST_CALLS):
        age_s = (now - row["started_at"]).total_seconds()
        took_ms = None if row["error"] else row["took_ms"]
        health(project_id, row["option"]).remember(took_ms, at - age_s)
