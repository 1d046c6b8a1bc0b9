"""The merged events of a batch on their way: which new records join them, and which stored events go into others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from projects import log_finding
from projects.log_meeting import Meetings
from projects.log_rows import Row
from projects.workloads import WorkloadEvent


@dataclass(slots=True)
class Stored:
    """What the store holds of an event by record key; `to_keep` are those not yet kept as records of this event."""

    told: dict[str, WorkloadEvent] = field(default_factory=dict)
    to_keep: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Joining:
    """`new` holds the joining records by event. `cut_off` are events that a kill left without some of their records."""

    meetings: Meetings
    new: dict[str, list[Row]] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)
    _gone: dict[str, list[str]] = field(default_factory=dict)

    def absorb(self, gone: str, event_id: str, newest: Row | None) -> None:
        """An event goes into another, with what joined it; `newest` is its own row where this batch wrote one."""
        rows = [*([newest] if newest is not None else ()), *self.new.pop(gone, ())]
        self.new.setdefault(event_id, []).extend(rows)
        lost = [*([gone] if gone in self.meetings.current else ()), *self._gone.pop(gone, ())]
        self._gone.setdefault(event_id, []).extend(lost)

    def stored(self) -> dict[str, Stored]:
        """By event: what was told of it, and of those that went into it."""
        current = self.meetings.current
        ids = [each for event_id in self.new for each in self._all(event_id) if each in current]
        told, alone = self.meetings.told_of(ids)
        found: dict[str, Stored] = {}
        for event_id in self.new:
            found[event_id] = stored = Stored()
            for each in self._all(event_id):
                stored.told |= told.get(each, {})
                stored.to_keep |= set(told.get(each, ())) if each != event_id or each in alone else set()
        return found

    def _all(self, event_id: str) -> tuple[str, ...]:
        return (event_id, *self._gone.get(event_id, ()))

    def replaced_by(self, event_id: str, told: Mapping[str, WorkloadEvent]) -> list[tuple[str, int]]:
        """Events, with their versions, that this one stands for from now on."""
        meetings = self.meetings
        gone = [(each, meetings.current[each].version) for each in self._gone.get(event_id, ())]
        if event_id in self.cut_off:
            gone += log_finding.standing(meetings.project_id, [key for key in told if key != event_id])
        return gone

    def has_changed(self, made: Row) -> bool:
        """Whether a stored event needs a next version."""
        stored = self.meetings.current[made.event_id]
        sources: Collection[str] = made.values["sources"]
        is_cut_off = made.event_id in self.cut_off
        return is_cut_off or stored.content_hash != made.content_hash or set(sources) != set(stored.sources)
