"""What the API takes and gives when a log is read: filters, ledgers, traces and sessions. None = not known."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from ninja import Schema

from projects.ledger_reading import Amount, Costs, Reason, Standing
from projects.log_filter import EventFilter
from projects.schemas import LineOut, WholeEventOut
from projects.traces import Totals
from projects.tree_reading import Line, Shown


class EventQuery(Schema):
    """Which events; times ISO 8601, without a zone UTC. `priced`, `recorded`, `counted`: whether that is known."""

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    outcome: str | None = None
    error: bool | None = None
    purpose: str | None = None
    demand: bool | None = None
    source: str | None = None
    kind: str | None = None
    replayable: bool | None = None
    blocked: str | None = None
    flag: str | None = None
    counted: bool | None = None
    priced: bool | None = None
    recorded: bool | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    refusal: bool | None = None
    tag: str | None = None
    prompt_template: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    user_id: str | None = None
    import_id: int | None = None
    record_id: str | None = None

    def wanted(self) -> EventFilter:
        asked = {_FIELDS.get(name, name): value for name, value in self.dict().items() if name not in _PAGING}
        return EventFilter(**asked)


_PAGING = frozenset({"limit", "after"})
_FIELDS = {name: f"is_{name}" for name in ("error", "demand", "replayable", "counted", "priced", "recorded", "refusal")}


class EventPageQuery(EventQuery):
    limit: int = 50
    after: str | None = None


class ExplanationOut(Schema):
    code: str
    sentence: str
    is_exact: bool


class CostOut(Schema):
    """Recorded beside recomputed; `residual_share` is of the recorded cost."""

    recorded_usd: Decimal | None
    computed_usd: Decimal | None
    residual_usd: Decimal | None
    residual_share: Decimal | None
    price_option: str | None
    price_since: datetime | None
    is_price_assumed: bool | None
    is_price_negotiated: bool | None
    explanations: list[ExplanationOut]


class ToldOut(Schema):
    """One product's record: what of it was taken (`alone`, `agrees`) and what was not (`otherwise`)."""

    source: str
    record_id: str
    started_at: datetime | None
    ingested_at: datetime
    alone: list[str]
    agrees: list[str]
    otherwise: list[str]


class EventWithSourcesOut(WholeEventOut):
    sources: list[str]
    parent_span_id: str | None
    tried_again_as: str | None
    earlier_tries: list[str]
    cost: CostOut
    told: list[ToldOut]


class AmountOut(Schema):
    """`spent_usd` is of `n_spent` of the calls; shares are of all calls, and of all spend that is known."""

    n_calls: int
    n_spent: int
    spent_usd: Decimal | None
    n_tokens: int
    share_of_calls: float | None
    share_of_spend: float | None

    @classmethod
    def of(cls, amount: Amount, whole: Amount) -> AmountOut:
        return cls(
            n_calls=amount.n_calls,
            n_spent=amount.n_spent,
            spent_usd=amount.spent_usd,
            n_tokens=amount.n_tokens,
            share_of_calls=amount.n_calls / whole.n_calls if whole.n_calls else None,
            share_of_spend=None
            if amount.spent_usd is None or not whole.spent_usd
            else float(amount.spent_usd / whole.spent_usd),
        )


class ReasonOut(Schema):
    code: str
    sentence: str
    amount: AmountOut
    examples: list[str]

    @classmethod
    def of(cls, reason: Reason, whole: Amount) -> ReasonOut:
        ids = [event_id for _, event_id in reason.examples]
        return cls(code=reason.code, sentence=reason.sentence, amount=AmountOut.of(reason.amount, whole), examples=ids)


class CostsOut(Schema):
    """Sums and residual are over `n_both` calls; `absolute_usd` sums the residuals without their signs."""

    n_both: int
    n_recorded_only: int
    n_computed_only: int
    n_neither: int
    recorded_usd: Decimal | None
    computed_usd: Decimal | None
    residual_usd: Decimal | None
    residual_share: Decimal | None
    absolute_usd: Decimal | None

    @classmethod
    def of(cls, costs: Costs) -> CostsOut:
        return cls.model_validate(costs, from_attributes=True)


class StandingOut(Schema):
    """What can be done with the calls of a window. A call may have several reasons."""

    all: AmountOut
    replayable: AmountOut
    comparable: AmountOut
    not_replayable: list[ReasonOut]
    not_comparable: list[ReasonOut]
    costs: CostsOut

    @classmethod
    def of(cls, found: Standing) -> StandingOut:
        return cls(
            all=AmountOut.of(found.all, found.all),
            replayable=AmountOut.of(found.replayable, found.all),
            comparable=AmountOut.of(found.comparable, found.all),
            not_replayable=[ReasonOut.of(each, found.all) for each in found.reasons],
            not_comparable=[ReasonOut.of(each, found.all) for each in found.cost_reasons],
            costs=CostsOut.of(found.costs),
        )


class LedgerOut(Schema):
    """`lines` are a page of `total`; `imports` counts every line of every import meant."""

    since: datetime | None
    until: datetime | None
    standing: StandingOut
    n_attempts: int | None
    imports: dict[str, int]
    reject_counts: dict[str, int]
    lines: list[LineOut]
    total: int


class TotalsOut(Schema):
    """Of a node and all below it. `n_attempts`: failed tries that were made again, no calls of their own."""

    n_calls: int
    n_attempts: int
    n_errors: int
    cost_usd: Decimal | None
    n_priced: int
    tokens: int | None
    n_counted: int
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: float | None

    @classmethod
    def of(cls, totals: Totals) -> TotalsOut:
        return cls.model_validate(totals, from_attributes=True)


class NodeOut(Schema):
    """A line of the tree, parents before children. `event_id` None: a parent that is not in the log."""

    event_id: str | None
    span_id: str | None
    trace_id: str | None
    depth: int
    is_in_circle: bool
    tried_again_as: str | None
    requested_model: str | None
    outcome: str | None
    started_at: datetime | None
    duration_ms: float | None
    cost_usd: Decimal | None
    totals: TotalsOut

    @classmethod
    def of(cls, line: Line, trace_id: str | None) -> NodeOut:
        row: dict[str, Any] = dict(line.row or {})
        names = ("event_id", "requested_model", "outcome", "started_at", "duration_ms", "cost_usd")
        return cls(
            **{name: row.get(name) for name in names},
            span_id=line.node.span_id,
            trace_id=trace_id,
            depth=line.node.depth,
            is_in_circle=line.node.is_in_circle,
            tried_again_as=line.node.tried_again_as,
            totals=TotalsOut.of(line.node.totals),
        )


class TreeOut(Schema):
    """A page of a trace or session: `offset` for further lines, `after` for further calls, None at the end."""

    totals: TotalsOut
    n_traces: int
    n_lines: int
    nodes: list[NodeOut]
    offset: int | None
    after: str | None

    @classmethod
    def of(cls, shown: Shown) -> TreeOut:
        return cls(
            totals=TotalsOut.of(shown.totals),
            n_traces=shown.n_traces,
            n_lines=shown.n_lines,
            nodes=[NodeOut.of(line, group.trace_id) for group in shown.groups for line in group.lines],
            offset=shown.next_offset,
            after=shown.after,
        )


class SessionOut(Schema):
    session_id: str
    first_at: datetime
    last_at: datetime
    n_calls: int
    n_traces: int
    n_errors: int
    n_users: int
    spent_usd: Decimal | None
    n_priced: int
    tokens_out: int | None


class SessionsOut(Schema):
    sessions: list[SessionOut]
    before: datetime | None
