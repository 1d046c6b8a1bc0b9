"""What can be done with the calls of a log, and why not with the rest: as counts, shares of traffic and of spend.

Spend is the computed cost where a price is known, else the recorded one; what has neither is counted beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from netra import clickhouse
from projects.log import CURRENT
from projects.log_filter import DEMAND, EventFilter
from projects.replayability import REASONS

EXAMPLES = 3
# Combinations of reasons are few; a hostile log cannot make more of them than there are subsets, and not this many.
MOST_COMBINATIONS = 20_000
# Why the cost of a call that can be replayed cannot be compared.
COST_REASONS = {
    "no_usage": "Input or output tokens were not reported.",
    "price_unknown": "Tokens are known, but not what all of them cost at that date.",
}
_TOKENS = " + ".join(
    f"ifNull(tok_{name}, 0)"
    for name in ("input_fresh", "cache_read", "cache_write_5m", "cache_write_1h", "output_visible", "reasoning")
)
_BOTH = "cost_usd IS NOT NULL AND cost_recorded_usd IS NOT NULL"


@dataclass(slots=True)
class Amount:
    """Some calls. `spent_usd` is None while the cost of none is known; `n_spent` says of how many it is."""

    n_calls: int = 0
    n_spent: int = 0
    spent_usd: Decimal | None = None
    n_tokens: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.n_calls += row["n_calls"]
        self.n_spent += row["n_spent"]
        self.n_tokens += row["n_tokens"]
        self.spent_usd = _sum(self.spent_usd, row["spent_usd"])


@dataclass(slots=True)
class Reason:
    """Calls of which one thing is true, with the newest of them as examples."""

    code: str
    sentence: str
    amount: Amount = field(default_factory=Amount)
    examples: list[tuple[datetime, str]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any]) -> None:
        self.amount.add(row)
        self.examples = sorted({*self.examples, *row["examples"]}, reverse=True)[:EXAMPLES]


@dataclass(slots=True)
class Costs:
    """Recorded beside recomputed. The sums and the residual are over the calls of which both are known."""

    n_both: int = 0
    n_recorded_only: int = 0
    n_computed_only: int = 0
    n_neither: int = 0
    recorded_usd: Decimal | None = None
    computed_usd: Decimal | None = None
    # The sum of all residuals without their signs: what cancels out in the sum does not vanish here.
    absolute_usd: Decimal | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        name = _COST_STATES[row["is_priced"], row["is_recorded"]]
        setattr(self, name, getattr(self, name) + row["n_calls"])
        for sum_ in ("recorded_usd", "computed_usd", "absolute_usd"):
            setattr(self, sum_, _sum(getattr(self, sum_), row[sum_] if name == "n_both" else None))

    @property
    def residual_usd(self) -> Decimal | None:
        """Recorded − recomputed."""
        if self.recorded_usd is None or self.computed_usd is None:
            return None
        return self.recorded_usd - self.computed_usd

    @property
    def residual_share(self) -> Decimal | None:
        """Of the recorded cost; None where that is 0."""
        return self.residual_usd / self.recorded_usd if self.residual_usd is not None and self.recorded_usd else None


_COST_STATES = {
    (True, True): "n_both",
    (False, True): "n_recorded_only",
    (True, False): "n_computed_only",
    (False, False): "n_neither",
}


@dataclass(slots=True)
class Standing:
    """What can be done with some calls. A call may have several reasons: they do not sum to what is blocked."""

    all: Amount = field(default_factory=Amount)
    replayable: Amount = field(default_factory=Amount)
    blocked: Amount = field(default_factory=Amount)
    # Replayable, and with a recomputed cost to compare a candidate's with.
    comparable: Amount = field(default_factory=Amount)
    reasons: list[Reason] = field(default_factory=list)
    cost_reasons: list[Reason] = field(default_factory=list)
    costs: Costs = field(default_factory=Costs)
    by_source: dict[str, Costs] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Standing:
        """From one row a combination of reasons and of what is known of cost."""
        made = cls()
        reasons: dict[str, Reason] = {}
        cost_reasons = {code: Reason(code, sentence) for code, sentence in COST_REASONS.items()}
        for row in rows:
            made.all.add(row)
            made.costs.add(row)
            made.by_source.setdefault(row["recorded_by"], Costs()).add(row)
            for code in row["not_replayable"]:
                reasons.setdefault(code, Reason(code, REASONS.get(code, ""))).add(row)
            if row["not_replayable"]:
                made.blocked.add(row)
                continue
            made.replayable.add(row)
            if row["is_priced"]:
                made.comparable.add(row)
            else:
                cost_reasons["price_unknown" if row["is_counted"] else "no_usage"].add(row)
        made.reasons = sorted(reasons.values(), key=lambda each: (-each.amount.n_calls, each.code))
        made.cost_reasons = [each for each in cost_reasons.values() if each.amount.n_calls]
        return made


def standing(project_id: int, wanted: EventFilter) -> Standing:
    """Of the current demand in a window: one pass over its narrow columns."""
    clauses, parameters = wanted.clauses()
    rows = clickhouse.rows(
        "SELECT not_replayable, cost_usd IS NOT NULL AS is_priced, cost_recorded_usd IS NOT NULL AS is_recorded, "  # noqa: S608
        "tok_input_fresh IS NOT NULL AND tok_output_visible IS NOT NULL AS is_counted, "
        "if(is_recorded, coalesce(cost_recorded_origin, source), '') AS recorded_by, "
        "count() AS n_calls, sum(coalesce(cost_usd, cost_recorded_usd)) AS spent_usd, "
        "countIf(coalesce(cost_usd, cost_recorded_usd) IS NOT NULL) AS n_spent, "
        f"toInt64(sum({_TOKENS})) AS n_tokens, sumIf(cost_recorded_usd, {_BOTH}) AS recorded_usd, "
        f"sumIf(cost_usd, {_BOTH}) AS computed_usd, sumIf(abs(cost_recorded_usd - cost_usd), {_BOTH}) AS absolute_usd, "
        "[(max(started_at), argMax(event_id, started_at)), "
        "(min(started_at), argMin(event_id, started_at))] AS examples "
        f"FROM workload_events WHERE {CURRENT} AND {DEMAND}{clauses} "
        f"GROUP BY not_replayable, is_priced, is_recorded, is_counted, recorded_by LIMIT {MOST_COMBINATIONS}",
        {"project_id": project_id, **parameters},
    )
    return Standing.of(rows)


def by_model(project_id: int, wanted: EventFilter) -> list[dict[str, Any]]:
    """Recorded against recomputed cost by model, the widest apart first: calls of which both are known."""
    clauses, parameters = wanted.clauses()
    return clickhouse.rows(
        "SELECT coalesce(served_model, requested_model, 'unknown') AS model, count() AS n_calls, "  # noqa: S608
        "sum(cost_recorded_usd) AS recorded_usd, sum(cost_usd) AS computed_usd, "
        "sum(cost_recorded_usd - cost_usd) AS residual_usd, "
        "argMax(event_id, abs(cost_recorded_usd - cost_usd)) AS example "
        f"FROM workload_events WHERE {CURRENT} AND {DEMAND}{clauses} AND {_BOTH} "
        "GROUP BY model ORDER BY abs(residual_usd) DESC, model LIMIT 20",
        {"project_id": project_id, **parameters},
    )


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return one if other is None else other if one is None else one + other
