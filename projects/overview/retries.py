"""Failed tries of a question that the same trace asked again later, and what they wasted: read from the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.analytics import engine, reading, standing
from projects.analytics.compiler import Statement
from projects.analytics.vocabulary import DIMENSIONS, MEASURES
from projects.log import current
from projects.log_filter import DEMAND, UNANSWERED
from projects.overview.windows import Window

_TOKENS = f"{MEASURES['tokens_input'].expression} + ifNull({MEASURES['tokens_output'].expression}, 0)"
_WITHIN = (
    f" AND {DEMAND} AND started_at >= {{since:DateTime64(6, 'UTC')}} "
    "AND started_at < {until:DateTime64(6, 'UTC')} AND trace_id != '' AND prompt_hash != ''"
)
# A trace may begin before the window and end after it; what is beyond is not seen, so tries at its very end count as
# given up.
_SQL = (
    "SELECT m AS model, count() AS n, sum(c) AS usd, count(c) AS n_priced, sum(t) AS tokens, count(t) AS n_counted, "  # noqa: S608
    "countIf(has_answer) AS n_answered, sum(d) AS ms FROM ("
    "SELECT m, c, t, d, is_failed, started_at, max(started_at) OVER again AS last_at, "
    "min(is_failed) OVER again = 0 AS has_answer FROM ("
    f"SELECT {DIMENSIONS['model'].expression} AS m, cost_usd AS c, {_TOKENS} AS t, duration_ms AS d, started_at, "
    f"trace_id, prompt_hash, {UNANSWERED} AS is_failed FROM workload_events {{of_failed}}) "
    "WINDOW again AS (PARTITION BY trace_id, prompt_hash)) "
    "WHERE is_failed AND started_at < last_at GROUP BY m ORDER BY usd DESC NULLS LAST, n DESC, m NULLS LAST"
)
Waste = Mapping[str, Any]


def wasted(project_id: int, window: Window) -> list[Waste]:
    """By model: `n` tries that were repeated, `n_answered` of them in the end answered; `usd` and `tokens` None where
    of none of them (`n_priced`, `n_counted`) it is known; `ms` waited for them. Raises TooLarge."""
    question = engine.parsed({"analysis": "aggregate", "since": window.since, "until": window.until})
    asked = {"project_id": project_id, "since": window.since, "until": window.until}
    has_replaced = standing.has_replaced(project_id, question.span)
    failed = current(f" AND {UNANSWERED}{_WITHIN}", has_replaced=has_replaced)
    of_failed = f"{_WITHIN} AND trace_id IN (SELECT trace_id FROM workload_events {failed})"  # noqa: S608
    sql = _SQL.replace("{of_failed}", current(of_failed, has_replaced=has_replaced))
    return list(reading.rows(Statement(sql, asked), project_id, question))
