"""A trace or a session as it is shown: its calls as trees, a page of lines at a time, on a time line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

from netra.errors import NotFound
from projects import log_reading, traces
from projects.log_filter import EventFilter
from projects.traces import Node, Place, Totals

LINES_A_PAGE = 200
# Deeper ones are set in no further: a phone is narrow.
DEEPEST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One node: its call (None: a parent the log does not hold), and its place on the group's time line."""

    node: Node
    place: Place | None

    @property
    def row(self) -> traces.Row | None:
        return self.node.row

    @property
    def indent(self) -> int:
        return min(self.node.depth, DEEPEST_SHOWN)


@dataclass(slots=True)
class Group:
    """One trace of a session, or calls without one. `is_continued`: its first lines are on an earlier page."""

    trace_id: str | None
    totals: Totals
    lines: list[Line] = field(default_factory=list)
    is_continued: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a trace or session. `totals` are of the calls read; with `after` set there are more than were read."""

    groups: list[Group]
    totals: Totals
    n_traces: int
    n_lines: int
    offset: int
    next_offset: int | None
    after: str | None
    users: list[str]
    sessions: list[str]

    @property
    def n_read(self) -> int:
        return self.totals.n_calls + self.totals.n_attempts

    @property
    def first_shown(self) -> int:
        return self.offset + 1

    @property
    def last_shown(self) -> int:
        return self.next_offset or self.n_lines

    @property
    def previous_offset(self) -> int | None:
        return max(0, self.offset - LINES_A_PAGE) if self.offset else None


def of_trace(project_id: int, trace_id: str, *, offset: int = 0, after: str | None = None) -> Shown:
    """Raises NotFound when the log has no call of this trace."""
    return _shown(
        project_id, EventFilter(trace_id=trace_id), offset, after, "There is no call of this trace in the log."
    )


def of_session(project_id: int, session_id: str, *, offset: int = 0, after: str | None = None) -> Shown:
    """Raises NotFound when the log has no call of this session."""
    wanted = EventFilter(session_id=session_id, is_demand=True)
    return _shown(project_id, wanted, offset, after, "There is no call of this session in the log.")


def _shown(project_id: int, wanted: EventFilter, offset: int, after: str | None, nothing: str) -> Shown:
    part = log_reading.calls(project_id, wanted, after=after)
    if not part.rows:
        raise NotFound(nothing)
    forest = [(trace_id, traces.tree(rows)) for trace_id, rows in _by_trace(part.rows)]
    whole = traces.overall(root for _, roots in forest for root in roots)
    n_lines = sum(1 for _, roots in forest for _ in traces.flat(roots))
    offset = offset if 0 <= offset < n_lines else 0
    until = offset + LINES_A_PAGE
    return Shown(
        groups=_page(forest, offset),
        totals=whole,
        n_traces=sum(trace_id is not None for trace_id, _ in forest),
        n_lines=n_lines,
        offset=offset,
        next_offset=until if until < n_lines else None,
        after=part.after,
        users=_named(part.rows, "user_id"),
        sessions=_named(part.rows, "session_id"),
    )


def _by_trace(rows: Iterable[dict[str, Any]]) -> list[tuple[str | None, list[dict[str, Any]]]]:
    """In the order of their first calls; calls without a trace together, where the first of them stands."""
    found: dict[str | None, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["trace_id"] or None, []).append(row)
    return list(found.items())


def _page(forest: list[tuple[str | None, list[Node]]], offset: int) -> list[Group]:
    """The groups that have lines on this page. All share one scale, so that lengths can be compared down the page."""
    totals = {id(roots): traces.overall(roots) for _, roots in forest}
    longest = max((each.duration_ms or 0.0 for each in totals.values()), default=0.0)
    groups: dict[int, Group] = {}
    for trace_id, roots, node in islice(_nodes(forest), offset, offset + LINES_A_PAGE):
        whole = totals[id(roots)]
        group = groups.setdefault(id(roots), Group(trace_id, whole, is_continued=node is not roots[0]))
        group.lines.append(Line(node, _place(node, whole, longest)))
    return list(groups.values())


def _nodes(forest: Iterable[tuple[str | None, list[Node]]]) -> Iterator[tuple[str | None, list[Node], Node]]:
    for trace_id, roots in forest:
        for node in traces.flat(roots):
            yield trace_id, roots, node


def _place(node: Node, whole: Totals, longest_ms: float) -> Place | None:
    if node.row is None or whole.started_at is None:
        return None
    scale = Totals(started_at=whole.started_at, ended_at=whole.started_at + timedelta(milliseconds=longest_ms))
    return traces.place(node.row, scale)


def _named(rows: Iterable[dict[str, Any]], name: str, *, limit: int = 5) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows if row[name]))[:limit]
