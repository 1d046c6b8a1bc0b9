"""Calls rebuilt as the tree they were made in, with totals a node, tries of one question, and a place on a time line.

Pure. Logs hold model calls only: an agent's own steps are not in them, so a parent that is not there is shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from projects.workloads import Outcome

Row = Mapping[str, Any]
FAILED = frozenset({Outcome.PROVIDER_ERROR, Outcome.GATEWAY_ERROR})
DEMAND = frozenset({"ingested", "live"})
NO_SPAN = "0" * 16  # how W3C trace context writes that there is none
_COUNTS = ("tok_input_fresh", "tok_cache_read", "tok_output_visible", "tok_reasoning")


@dataclass(slots=True)
class Totals:
    """Of a node and everything under it. Sums are None while nothing of them is known; `n_priced` says of how many."""

    n_calls: int = 0
    n_attempts: int = 0
    n_errors: int = 0
    n_priced: int = 0
    n_counted: int = 0
    cost_usd: Decimal | None = None
    tokens: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration_ms(self) -> float | None:
        """From the first start to the last end that are known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) / timedelta(milliseconds=1)

    def add(self, other: Totals) -> None:
        for name in ("n_calls", "n_attempts", "n_errors", "n_priced", "n_counted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.cost_usd = _sum(self.cost_usd, other.cost_usd)
        self.tokens = _sum(self.tokens, other.tokens)
        self.started_at = min(filter(None, (self.started_at, other.started_at)), default=None)
        self.ended_at = max(filter(None, (self.ended_at, other.ended_at)), default=None)


@dataclass(slots=True, eq=False)
class Node:
    """A call, or (`row` None) a parent that calls name and the log does not hold."""

    span_id: str | None
    row: Row | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    depth: int = 0
    is_in_circle: bool = False
    # The later try of the same question, when this one failed.
    tried_again_as: str | None = None
    totals: Totals = field(default_factory=Totals)


def tree(rows: Iterable[Row]) -> list[Node]:
    """The roots, in the order of their starts. Every row stands in the tree exactly once, whatever its ids say."""
    nodes = [Node(row["span_id"], row) for row in sorted(rows, key=_order)]
    answers = attempts([node.row for node in nodes if node.row is not None])
    by_span: dict[str, Node] = {}
    for node in nodes:
        node.tried_again_as = answers.get(node.row["event_id"]) if node.row else None
        if node.span_id:
            by_span.setdefault(node.span_id, node)
    roots = _linked(nodes, by_span)
    roots = _uncircled(roots, nodes)
    _total(roots)
    return sorted(roots, key=_first)


def _order(row: Row) -> tuple[datetime, str]:
    return row["started_at"], row["event_id"]


def _first(node: Node) -> tuple[datetime, str]:
    """Where a node stands: at the first start in it."""
    while node.row is None:
        node = node.children[0]
    return _order(node.row)


def _linked(nodes: Sequence[Node], by_span: Mapping[str, Node]) -> list[Node]:
    roots, missing = [], dict[str, Node]()
    for node in nodes:
        told = node.row["parent_span_id"] if node.row else None
        if not told or told == NO_SPAN:
            roots.append(node)
            continue
        parent = by_span.get(told)
        if parent is None:
            if told not in missing:
                missing[told] = Node(told)
                roots.append(missing[told])
            parent = missing[told]
        node.parent = parent
        parent.children.append(node)
    return roots


def _uncircled(roots: list[Node], nodes: Sequence[Node]) -> list[Node]:
    """What no root leads to goes round in a circle: its first call becomes a root."""
    seen = {id(node) for node in flat(roots)}
    for lost in nodes:
        if id(lost) in seen:
            continue
        node = _first_of_circle(lost)
        node.is_in_circle = True
        if node.parent is not None:
            node.parent.children.remove(node)
            node.parent = None
        roots.append(node)
        seen |= {id(each) for each in flat([node])}
    return roots


def _first_of_circle(node: Node) -> Node:
    """Going up from a node without a root ends in a circle; its earliest call."""
    passed: dict[int, Node] = {}
    while id(node) not in passed:
        passed[id(node)] = node
        assert node.parent is not None  # else it were a root
        node = node.parent
    circle = list(passed.values())
    return min(circle[circle.index(node) :], key=_first)


def flat(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node, parents before children; sets their depth. Without recursion: a log may nest as deep as it likes."""
    waiting = list(reversed(list(roots)))
    while waiting:
        node = waiting.pop()
        node.depth = 0 if node.parent is None else node.parent.depth + 1
        yield node
        waiting += reversed(node.children)


def _total(roots: Iterable[Node]) -> None:
    for node in reversed(list(flat(roots))):
        if node.row is not None:
            node.totals.add(of_call(node.row, is_attempt=node.tried_again_as is not None))
        if node.parent is not None:
            node.parent.totals.add(node.totals)


def of_call(row: Row, *, is_attempt: bool = False) -> Totals:
    """What one call adds. A try that was made again costs what it cost, but is no demand and no failure of its own."""
    counted = [row[name] for name in _COUNTS if row[name] is not None]
    cost, since = row["cost_usd"], started(row)
    return Totals(
        n_calls=int(not is_attempt),
        n_attempts=int(is_attempt),
        n_errors=int(row["outcome"] in FAILED and not is_attempt),
        n_priced=int(cost is not None),
        n_counted=int(bool(counted)),
        cost_usd=cost,
        tokens=sum(counted) if counted else None,
        started_at=since,
        ended_at=ended(row) or since,
    )


def overall(roots: Iterable[Node]) -> Totals:
    """Of all trees together."""
    found = Totals()
    for root in roots:
        found.add(root.totals)
    return found


def started(row: Row) -> datetime | None:
    return row["started_at"] if row["is_start_known"] else None


def ended(row: Row) -> datetime | None:
    """None while start or length is not known. Lengths that no clock can mean are not believed."""
    since, length = started(row), row["duration_ms"]
    if since is None or length is None or not 0 <= length < 1e12:
        return None
    return since + timedelta(milliseconds=length)


def attempts(rows: Sequence[Row]) -> dict[str, str]:
    """Failed tries by event id, with the later call of the same question in the same trace: one demand, tried again."""
    last: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = _question(row)
        if key is not None and (key not in last or _order(row) > _order(last[key])):
            last[key] = row
    found = {}
    for row in rows:
        key = _question(row)
        if key is not None and is_unanswered(row) and last[key]["started_at"] > row["started_at"]:
            found[row["event_id"]] = last[key]["event_id"]
    return found


def _question(row: Row) -> tuple[str, str] | None:
    """Same trace, same texts. Without a trace or texts nothing says that two calls are one question."""
    is_told = row["trace_id"] and row["prompt_hash"] and row["purpose"] in DEMAND
    return (row["trace_id"], row["prompt_hash"]) if is_told else None


def is_unanswered(row: Row) -> bool:
    """Failed, broken off, or its stream ended early: what an agent tries again."""
    return row["outcome"] in FAILED or row["outcome"] == Outcome.CANCELLED or "streamed_incomplete" in row["flags"]


@dataclass(frozen=True, slots=True)
class Place:
    """On a time line from 0 to 1: where a call begins, and how long it takes (None: not known)."""

    begins: float
    length: float | None


def place(row: Row, whole: Totals) -> Place | None:
    """Where a call stands in `whole`; None when its start, or every start, is unknown."""
    since, until = started(row), ended(row)
    if since is None or whole.started_at is None or whole.ended_at is None:
        return None
    span = (whole.ended_at - whole.started_at) / timedelta(microseconds=1) or 1.0
    begins = (since - whole.started_at) / timedelta(microseconds=1) / span
    length = None if until is None else (until - since) / timedelta(microseconds=1) / span
    return Place(_within(begins), None if length is None else _within(length))


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))


def _sum(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else one + other
