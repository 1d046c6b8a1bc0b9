"""How long a token and an answer are in a project, learnt from its log; the constants where that is no better.

One number a project for its requests (least squares of the tokens a provider counted on the characters sent), and the
mean length of answers by the limit that was asked for. Both are learnt on four fifths of the calls and used only where
they err less than the constants on the last fifth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
from django.utils import timezone

from netra import clickhouse
from projects import log
from projects.models import Project
from routing.demand import (
    ANY_LIMIT,
    CHARS_PER_TOKEN,
    UNCALIBRATED,
    Calibration,
    describe,
    limit_name,
    limit_of,
)
from routing.models import RoutingPolicy, TokenCalibration

LOOKED_BACK = timedelta(days=30)
MOST_CALLS = 2_000
FEWEST_CALLS = 50
FEWEST_A_LIMIT = 20
HELD_OUT = 5  # every fifth call
_WANTED = (
    " AND purpose = 'live' AND started_at >= {since:DateTime64(6, 'UTC')} AND outcome = 'ok' AND operation = 'chat'"
    " AND usage_origin = 'provider' AND NOT has_images AND isNotNull(request)"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """One call: characters sent, the limit asked for, and the tokens that its provider counted."""

    n_chars: int
    limit: int | None
    input_tokens: int
    output_tokens: int


def held(project: Project) -> Calibration:
    """What holds in a project now."""
    row = of(project)
    return Calibration(row.chars_per_token, row.output_tokens) if row else UNCALIBRATED


def of(project: Project) -> TokenCalibration | None:
    return TokenCalibration.objects.filter(project=project).first()


def due() -> list[Project]:
    """Projects whose policies estimate: the others have no use for it."""
    rows = RoutingPolicy.objects.current().order_by().values("project")
    return list(Project.objects.filter(pk__in=rows).order_by("pk"))


def calibrate(project: Project) -> TokenCalibration | None:
    """Learn anew from the last thirty days; None, and the constants again, while there are fewer than fifty calls."""
    calls = counted(project.pk)
    if len(calls) < FEWEST_CALLS:
        TokenCalibration.objects.filter(project=project).delete()
        return None
    found, told = learnt(calls)
    fields = {"chars_per_token": found.chars_per_token, "output_tokens": dict(found.output_tokens)}
    row, _ = TokenCalibration.objects.update_or_create(
        project=project, defaults={**fields, "n": len(calls), "report": told, "learnt_at": timezone.now()}
    )
    return row


def counted(project_id: int) -> list[Counted]:
    """The newest calls whose tokens a provider counted, as requests were sent."""
    rows = clickhouse.rows(
        "SELECT request, ifNull(tok_input_fresh, 0) + ifNull(tok_cache_read, 0) + ifNull(tok_cache_write_5m, 0) "  # noqa: S608
        "+ ifNull(tok_cache_write_1h, 0) AS tokens_in, ifNull(tok_output_visible, 0) + ifNull(tok_reasoning, 0) "
        f"AS tokens_out FROM workload_events {log.current(_WANTED)} ORDER BY started_at DESC LIMIT {{limit:UInt32}}",
        {"project_id": project_id, "since": timezone.now() - LOOKED_BACK, "limit": MOST_CALLS},
    )
    return [_counted(row, orjson.loads(row["request"])) for row in rows if row["tokens_in"] > 0]


_BY_CHARACTER = Calibration(1.0)


def _counted(row: Mapping[str, Any], request: Mapping[str, Any]) -> Counted:
    n_chars = describe(request, calibration=_BY_CHARACTER).input_tokens
    return Counted(n_chars, limit_of(request), row["tokens_in"], row["tokens_out"])


def learnt(calls: Sequence[Counted]) -> tuple[Calibration, dict[str, float]]:
    """The calibration that four fifths of the calls give, and its errors on the last fifth beside the constants'."""
    kept = [call for place, call in enumerate(calls) if place % HELD_OUT]
    rest = [call for place, call in enumerate(calls) if not place % HELD_OUT]
    made = Calibration(_chars_per_token(kept), _output_tokens(kept))
    told = {
        "input_error": error(rest, made, is_input=True),
        "input_error_constant": error(rest, UNCALIBRATED, is_input=True),
        "output_error": error(rest, made, is_input=False),
        "output_error_constant": error(rest, UNCALIBRATED, is_input=False),
    }
    is_input_better = told["input_error"] < told["input_error_constant"]
    is_output_better = told["output_error"] < told["output_error_constant"]
    chars = made.chars_per_token if is_input_better else CHARS_PER_TOKEN
    return Calibration(chars, made.output_tokens if is_output_better else {}), told


def error(calls: Sequence[Counted], calibration: Calibration, *, is_input: bool) -> float:
    """Root of the mean squared difference of estimate and count, as a share of the mean count."""
    if is_input:
        estimates = [call.n_chars / calibration.chars_per_token for call in calls]
        happened = [call.input_tokens for call in calls]
    else:
        estimates = [calibration.answer_tokens(call.limit) for call in calls]
        happened = [call.output_tokens for call in calls]
    off = np.asarray(estimates, dtype=float) - np.asarray(happened, dtype=float)
    return float(np.sqrt(np.mean(off**2)) / max(float(np.mean(happened)), 1e-9))


def _chars_per_token(calls: Sequence[Counted]) -> float:
    """Σc² / Σct: tokens in proportion to characters, with the least squares."""
    chars = np.array([call.n_chars for call in calls], dtype=float)
    tokens = np.array([call.input_tokens for call in calls], dtype=float)
    return float(np.clip((chars @ chars) / (chars @ tokens), 0.25, 20.0))


def _output_tokens(calls: Iterable[Counted]) -> dict[str, float]:
    """Means by limit, of limits that enough calls asked for, and of all calls."""
    by_limit: dict[str, list[int]] = defaultdict(list)
    for call in calls:
        by_limit[limit_name(call.limit)].append(call.output_tokens)
        by_limit[ANY_LIMIT].append(call.output_tokens)
    return {name: round(float(np.mean(found)), 2) for name, found in by_limit.items() if len(found) >= FEWEST_A_LIMIT}
