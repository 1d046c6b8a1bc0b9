"""Which live answers are judged: those where a policy chose another option than its default, or a shadow has a copy.

An answer is in or out by the digest of its id, so that asking again draws the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from evaluation.models import LivePair
from netra import clickhouse
from projects import log
from projects.models import Project
from routing.controller import SHADOW
from routing.models import RoutingPolicy

# Older answers say less of how an option does now, and a project that was just switched on has a day to choose from.
LOOKED_BACK = timedelta(days=1)
MAX_READ = 20_000
_DECIDED = (
    " AND purpose = 'live' AND started_at >= {since:DateTime64(6, 'UTC')} AND outcome = 'ok' AND is_replayable"
    " AND metadata LIKE '%\"decision\"%'"
)
_COLUMNS = (
    "event_id, started_at, source_record_id, JSONExtractString(metadata, 'option') AS option, "
    "JSONExtractString(metadata, 'decision', 'policy') AS policy, "
    "JSONExtractInt(metadata, 'decision', 'version') AS version, "
    "JSONExtractString(metadata, 'decision', 'chosen') AS chosen, "
    "JSONExtractFloat(metadata, 'decision', 'probability') AS probability"
)
_COPIES = (
    " AND purpose = 'replay' AND started_at >= {since:DateTime64(6, 'UTC')} AND outcome = 'ok'"
    " AND metadata LIKE '%\"shadow_of\"%'"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that can be judged: of which option, against which default, chosen with which probability."""

    event_id: str
    option: str
    default: str
    policy: str
    probability: float
    answered_at: datetime
    copy_event_id: str = ""


def drawn(project: Project, share: float) -> list[Candidate]:
    """The sample of the last day, in the order of the draw; what was taken before is left out."""
    since = timezone.now() - LOOKED_BACK
    rows = [row for row in _decided(project.pk, since) if place(project.pk, row["event_id"]) < share]
    found = [*_chosen(project, rows), *_copied(project, rows, since)]
    taken = set(LivePair.objects.filter(project=project, answered_at__gte=since).values_list("event_id", "option"))
    left = [each for each in found if (each.event_id, each.option) not in taken]
    return sorted(left, key=lambda each: (place(project.pk, each.event_id), each.option))


def place(project_id: int, event_id: str) -> float:
    """A number in [0, 1), the same for the same answer."""
    digest = hashlib.blake2b(f"{project_id} {event_id}".encode(), digest_size=8, person=b"live").digest()
    return int.from_bytes(digest) / 2**64


def _decided(project_id: int, since: datetime) -> list[dict[str, Any]]:
    return clickhouse.rows(
        f"SELECT {_COLUMNS} FROM workload_events {log.current(_DECIDED)} "  # noqa: S608
        "ORDER BY started_at DESC LIMIT {limit:UInt32}",
        {"project_id": project_id, "since": since, "limit": MAX_READ},
    )


def _chosen(project: Project, rows: Sequence[Mapping[str, Any]]) -> Iterable[Candidate]:
    """Answers of the chosen option itself: where a fallback answered, the choice says nothing of who did."""
    known = _policies(project)
    for row in rows:
        policy = known.get((row["policy"], row["version"]))
        if policy is None or row["option"] != row["chosen"] or row["option"] == policy.default_option:
            continue
        if 0 < row["probability"] <= 1:
            yield _candidate(row, row["option"], policy, row["probability"])


def _copied(project: Project, rows: Sequence[Mapping[str, Any]], since: datetime) -> Iterable[Candidate]:
    """Shadows: the default answered, and a copy tells what the candidate says to the same. Every request has one."""
    shadows = {key: row for key, row in _policies(project).items() if row.kind == SHADOW}
    calls = {row["source_record_id"]: row for row in rows if (row["policy"], row["version"]) in shadows}
    for copy in _copies(project.pk, since) if calls else ():
        row = calls.get(copy["shadow_of"])
        policy = shadows[row["policy"], row["version"]] if row else None
        if row is not None and policy is not None and row["option"] == policy.default_option:
            yield _candidate(row, copy["option"], policy, 1.0, copy["event_id"])


def _copies(project_id: int, since: datetime) -> list[dict[str, Any]]:
    return clickhouse.rows(
        "SELECT event_id, JSONExtractString(metadata, 'option') AS option, "  # noqa: S608
        "JSONExtractString(metadata, 'shadow_of') AS shadow_of "
        f"FROM workload_events {log.current(_COPIES)} ORDER BY started_at DESC LIMIT {{limit:UInt32}}",
        {"project_id": project_id, "since": since, "limit": MAX_READ},
    )


def _candidate(
    row: Mapping[str, Any], option: str, policy: RoutingPolicy, probability: float, copy_event_id: str = ""
) -> Candidate:
    return Candidate(
        event_id=row["event_id"],
        option=option,
        default=policy.default_option,
        policy=str(policy),
        probability=probability,
        answered_at=row["started_at"],
        copy_event_id=copy_event_id,
    )


def _policies(project: Project) -> dict[tuple[str, int], RoutingPolicy]:
    return {(row.name, row.version): row for row in RoutingPolicy.objects.filter(project=project)}
