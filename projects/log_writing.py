"""Writing the log: the new is appended, the known counted, the changed versioned, and what is one call merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from netra import clickhouse, prices
from netra.prices import PriceBook
from projects.log_finding import Record
from projects.log_joining import Joining, Stored
from projects.log_meeting import Meetings
from projects.log_rows import Row, id_keys, records_table, row, superseded_table, table
from projects.log_turns import turn
from projects.merging import merged
from projects.workloads import WorkloadEvent

BATCH = 5_000  # its ids, written out, stay below ClickHouse's longest statement


@dataclass(slots=True)
class WriteReport:
    """What became of each event given to `write`, in the order given."""

    taken: int = 0
    duplicate: int = 0
    versioned: int = 0
    merged: int = 0
    ids: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row, outcome: str, event_id: str = "") -> None:
        self.ids.append(event_id or row.event_id)
        self.rows.append(row)
        self.outcomes.append(outcome)
        setattr(self, outcome, getattr(self, outcome) + 1)

    def correct(self, start: int, standing: Callable[[str], str]) -> None:
        """From `start` on: events that turned out to be others'."""
        for place in range(start, len(self.ids)):
            event_id = standing(self.ids[place])
            if event_id != self.ids[place] and self.outcomes[place] == "taken":
                self.outcomes[place] = "merged"
                self.taken, self.merged = self.taken - 1, self.merged + 1
            self.ids[place] = event_id


def write(
    project_id: int, events: Iterable[WorkloadEvent], *, import_id: int = 0, is_resumed: bool = False
) -> WriteReport:
    """Append events: a record seen before is ignored, a changed one becomes a new version, and a record of a call that
    another product told of is merged with it. Idempotent, also after a kill in the middle.

    `is_resumed`: what this very import had already written when it was interrupted counts as taken.
    Raises Unavailable when the store is down; then none, or whole batches of 5,000, are in.
    """
    report, given = WriteReport(), iter(events)
    book = prices.book(project_id)
    while batch := list(islice(given, BATCH)):
        now = datetime.now(UTC)
        rows = [row(project_id, event, book, now=now) for event in batch]
        with turn(project_id):
            _Writing(project_id, import_id, book, now, report, is_resumed=is_resumed).append(rows)
    return report


@dataclass(slots=True)
class _Writing:
    """One batch on its way into the store."""

    project_id: int
    import_id: int
    book: PriceBook
    now: datetime
    report: WriteReport
    is_resumed: bool
    known: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    # By event id and version: the rows to write.
    fresh: dict[tuple[str, int], Row] = field(default_factory=dict)
    replaced: list[tuple[str, int]] = field(default_factory=list)

    def append(self, rows: Sequence[Row]) -> None:
        self.known = _known(self.project_id, {each.event_id for each in rows})
        meetings = Meetings.of(self.project_id, rows, self.known)
        records: list[tuple[str, Row]] = []
        if meetings is None:
            for each in rows:
                self._place(each)
        else:
            records = self._merge(rows, meetings)
        # Records first, and superseded rows before their successors: a kill in between leaves what a second go mends,
        # and never counts a call twice.
        if records:
            clickhouse.insert("source_records", records_table(self.project_id, self.import_id, self.now, records))
        if self.replaced:
            clickhouse.insert("superseded_events", superseded_table(self.project_id, self.replaced))
        versions = [version for _, version in self.fresh]
        clickhouse.insert(
            "workload_events", table(self.project_id, list(self.fresh.values()), versions, import_id=self.import_id)
        )

    def _place(self, told: Row) -> None:
        if told.event_id in self.known:
            self._version(told)
            return
        self._put(told, 1)
        self.report.add(told, "taken")

    def _version(self, told: Row) -> None:
        version, content_hash, taken_by = self.known[told.event_id]
        if content_hash == told.content_hash:
            is_ours = self.is_resumed and taken_by == self.import_id
            self.report.add(told, "taken" if is_ours else "duplicate")
            return
        self.replaced.append((told.event_id, version))
        self._put(told, version + 1)
        self.report.add(told, "versioned")

    def _put(self, told: Row, version: int) -> None:
        self.fresh[told.event_id, version] = told
        self.known[told.event_id] = (version, told.content_hash, 0)

    def _merge(self, rows: Sequence[Row], meetings: Meetings) -> list[tuple[str, Row]]:
        """Place rows where other products may have told of the same calls; returns the records to keep by event."""
        start, joining = len(self.report.ids), Joining(meetings)
        for each in rows:
            self._meet(each, joining)
        self.report.correct(start, meetings.standing)
        stored = joining.stored()
        records: list[tuple[str, Row]] = []
        for event_id in joining.new:
            records += self._join(event_id, stored[event_id], joining)
        return records

    def _meet(self, told: Row, joining: Joining) -> None:
        meetings = joining.meetings
        if (record := meetings.records.get(told.event_id)) is not None:
            self._again(told, record, joining)
        elif told.event_id in joining.new or meetings.standing(told.event_id) != told.event_id:
            is_same = self.known.get(told.event_id, (0, "", 0))[1] == told.content_hash
            self.report.add(told, "duplicate" if is_same else "versioned", meetings.standing(told.event_id))
            if not is_same:
                self._into(meetings.standing(told.event_id), told, joining)
        elif told.event_id in self.known:
            self._version(told)
        elif (met := meetings.event_of(told)) is not None:
            self.report.add(told, "merged", met)
            self._into(met, told, joining)
        else:
            self._place(told)
            meetings.note(told, told.event_id)

    def _again(self, told: Row, record: Record, joining: Joining) -> None:
        """A record of a merged event once more: the same, changed, or cut off before its event was written."""
        event_id = joining.meetings.standing(record.event_id)
        is_whole = told.values["source"] in joining.meetings.sources_of(event_id)
        if record.content_hash == told.content_hash and is_whole:
            is_ours = self.is_resumed and record.import_id == self.import_id
            self.report.add(told, "merged" if is_ours else "duplicate", event_id)
            return
        if not is_whole:
            joining.cut_off.add(event_id)
        self.report.add(told, "versioned" if is_whole else "merged", event_id)
        self._into(event_id, told, joining)

    def _into(self, event_id: str, told: Row, joining: Joining) -> None:
        """Let a record join an event, and other events with it that it shows to be the same call."""
        event_id, gone = joining.meetings.note(told, event_id)
        for each in gone:
            joining.absorb(each, event_id, self._withdrawn(each))
        joining.new.setdefault(event_id, []).append(told)

    def _withdrawn(self, event_id: str) -> Row | None:
        """The newest row this batch was about to write of an event that is none any more."""
        version = self.known[event_id][0] if event_id in self.known else 0
        newest = self.fresh.pop((event_id, version), None)
        for earlier in range(1, version):
            self.fresh.pop((event_id, earlier), None)
        return newest

    def _join(self, event_id: str, stored: Stored, joining: Joining) -> list[tuple[str, Row]]:
        """Put one merged event together; returns those of its records that are to be kept."""
        version = self.known[event_id][0] if event_id in self.known else 0
        own = self.fresh.get((event_id, version))
        joined = [*([own] if own is not None else ()), *joining.new[event_id]]
        told = stored.told | {each.event_id: each.event for each in joined}
        sources = tuple(dict.fromkeys(each.source for each in told.values()))
        made = self._row(merged(list(told.values())), event_id=event_id, sources=sources)
        if own is not None:
            self.fresh[event_id, version] = made
        elif joining.has_changed(made):
            version = joining.meetings.current[event_id].version
            self.replaced.append((event_id, version))
            self.fresh[event_id, version + 1] = made
        self.replaced += joining.replaced_by(event_id, told)
        kept = stored.to_keep - {each.event_id for each in joined}
        return [(event_id, each) for each in (*(self._row(stored.told[key]) for key in kept), *joined)]

    def _row(self, event: WorkloadEvent, **more: Any) -> Row:
        return row(self.project_id, event, self.book, now=self.now, **more)


def _known(project_id: int, event_ids: set[str]) -> dict[str, tuple[int, str, int]]:
    """The newest version, content hash and import of those that are already there."""
    if not event_ids:
        return {}
    # Ids are hexadecimal digests of our own making, so writing them out is safe; binding them costs more than parsing.
    listed = "','".join(event_ids)
    found = clickhouse.rows(
        "SELECT event_id, max(version) AS newest, argMax(content_hash, version) AS content, "  # noqa: S608
        "argMax(import_id, version) AS taken_by FROM workload_events "
        f"PREWHERE project_id = {{project_id:UInt64}} AND id_key IN ({id_keys(event_ids)}) "
        f"WHERE event_id IN ('{listed}') GROUP BY event_id",
        {"project_id": project_id},
    )
    return {each["event_id"]: (each["newest"], each["content"], each["taken_by"]) for each in found}
