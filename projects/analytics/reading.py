"""Statements run within a budget; what passes it is refused with what to narrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from netra import clickhouse
from netra.clickhouse import LimitReached
from netra.errors import TooLarge
from projects.analytics.compiler import Statement
from projects.analytics.questions import Budget, Question


def rows(statement: Statement, project_id: int, question: Question) -> list[dict[str, Any]]:
    """Raises TooLarge (`over_budget`) when the statement would take more than the question's budget."""
    try:
        return clickhouse.rows(statement.sql, statement.values, settings(question.budget))
    except LimitReached as stopped:
        raise _refusal(stopped, project_id, question) from stopped


def table(statement: Statement, project_id: int, question: Question) -> pa.Table:
    """The same as an Arrow table."""
    try:
        return clickhouse.arrow(statement.sql, statement.values, settings(question.budget))
    except LimitReached as stopped:
        raise _refusal(stopped, project_id, question) from stopped


def settings(budget: Budget) -> Mapping[str, Any]:
    return {
        "max_rows_to_read": budget.rows,
        "max_execution_time": budget.seconds,
        "timeout_overflow_mode": "throw",
        "max_memory_usage": budget.memory_mb * 1_000_000,
        # An alias may be called like the column it sums up.
        "prefer_column_name_to_alias": 1,
        **clickhouse.UNCOMPILED,
    }


def _refusal(stopped: LimitReached, project_id: int, question: Question) -> TooLarge:
    budget, n_calls = question.budget, versions_in(project_id, question)
    if stopped.limit == "rows":
        days = (question.until - question.since).total_seconds() / 86_400 * budget.rows / max(n_calls, 1)
        return TooLarge(
            f"The window holds {n_calls:,} calls and this question may read {budget.rows:,}. Narrow the window to "
            f"about {max(days, 0.01):.2g} days, ask only for sums and means by dimensions that the hourly "
            "roll-up keeps, or raise budget.rows.",
            code="over_budget",
        )
    allowed = f"{budget.seconds:g} seconds" if stopped.limit == "seconds" else f"{budget.memory_mb:,} MB of memory"
    raised = "budget.seconds" if stopped.limit == "seconds" else "budget.memory_mb"
    return TooLarge(
        f"The question over {n_calls:,} calls did not fit into {allowed}. Narrow the window, ask for fewer dimensions "
        f"or percentiles, or raise {raised}.",
        code="over_budget",
    )


def versions_in(project_id: int, question: Question) -> int:
    """Rows of the window, from the primary key alone."""
    found = clickhouse.scalar(
        "SELECT count() FROM workload_events WHERE project_id = {project_id:UInt64} "
        "AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}",
        {"project_id": project_id, "since": question.since, "until": question.until},
    )
    return int(found)
