"""Which event a new record tells of: what is stored and what came in the same batch, looked up by what ties them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from projects import event_json, log_finding
from projects.identity import (
    LINKS,
    TRACERS,
    are_tied,
    enriched,
    is_same_by_name,
    is_same_call,
    likeness,
    moment,
    named_key,
    near_names,
    strong_keys,
)
from projects.log_finding import Record
from projects.log_rows import Row
from projects.workloads import Purpose, WorkloadEvent


@dataclass(frozen=True, slots=True)
class Current:
    """An event as it is stored: its newest version, its content, and who told of it."""

    version: int
    content_hash: str
    sources: Sequence[str]


@dataclass(slots=True)
class Meetings:
    """What new records may meet: stored events, and those of the same batch."""

    project_id: int
    records: dict[str, Record]
    # What is stored, by event id.
    current: dict[str, Current] = field(default_factory=dict)
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Events that turned out to be another one's.
    _gone: dict[str, str] = field(default_factory=dict)
    _by_key: dict[str, str] = field(default_factory=dict)
    _by_name: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _by_link: dict[tuple[str, Any], list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, project_id: int, rows: Sequence[Row], known: Collection[str]) -> Meetings | None:
        """None where nothing can meet: one product alone, which lists each call once."""
        new = {each.values["source"] for each in rows if each.values["purpose"] == Purpose.INGESTED}
        if not new:
            return None
        is_alone = len(new | log_finding.sources(project_id)) == 1
        if is_alone and not new & set(TRACERS):
            return None
        found = cls(project_id, log_finding.records(project_id, [each.event_id for each in rows]))
        found._load(log_finding.by_id(project_id, {each.event_id for each in found.records.values()}))
        # A record whose event was never written (a kill in between) counts as not yet seen.
        found.records = {key: each for key, each in found.records.items() if each.event_id in found.current}
        unseen = [each.values for each in rows if each.event_id not in known and each.event_id not in found.records]
        # A tracer may see one call at two layers; nothing but a strong tie joins those.
        look_for = log_finding.tied if is_alone else log_finding.linked
        found._load(look_for(project_id, unseen))
        return found

    def sources_of(self, event_id: str) -> Collection[str]:
        return self._rows[event_id]["sources"] if event_id in self._rows else ()

    def event_of(self, told: Row) -> str | None:
        """The event that a new record tells of; None when no other product told of it."""
        values = told.values
        if values["purpose"] != Purpose.INGESTED:
            return None
        for event_id in self._tied(values):
            if values["source"] in TRACERS or values["source"] not in self.sources_of(event_id):
                return event_id
        return next(self._alike(values), None)

    def note(self, told: Row, event_id: str) -> tuple[str, list[str]]:
        """A record has found its event: later ones may meet it there.

        Returns the event's id, and those of events that this record shows to be the same call and that go into it.
        """
        held = self._rows.get(event_id)
        self._put({**told.values, "event_id": event_id} if held is None else enriched(held, told.values))
        return (event_id, []) if held is None else self._absorbed(event_id)

    def standing(self, event_id: str) -> str:
        """The event that this one is, or went into."""
        while event_id in self._gone:
            event_id = self._gone[event_id]
        return event_id

    def _absorbed(self, kept: str) -> tuple[str, list[str]]:
        gone = []
        while (other := self._other(kept)) is not None:
            if other in self.current and kept not in self.current:  # what is stored has been seen under its name
                kept, other = other, kept
            self._gone[other] = kept
            self._put(enriched(self._rows[kept], self._rows.pop(other)))
            gone.append(other)
        return kept, gone

    def _other(self, event_id: str) -> str | None:
        """Another event that is this one, now that more is known of it."""
        row = self._rows[event_id]
        for each in (*self._tied(row), *self._alike(row)):
            other = self._rows[each]
            if each != event_id and (is_same_call(other, row) or are_tied(other, row)):
                return each
        return None

    def told_of(self, event_ids: Sequence[str]) -> tuple[dict[str, dict[str, WorkloadEvent]], set[str]]:
        """What is stored of these events by record key, the first record first; and those that have no records."""
        told: dict[str, dict[str, WorkloadEvent]] = defaultdict(dict)
        alone: set[str] = set()
        for chunk in log_finding.chunks(event_ids):
            found = log_finding.records_of(self.project_id, chunk)
            for each in sorted(found, key=lambda record: record["event_id"] != record["record_key"]):
                told[each["event_id"]][each["record_key"]] = event_json.loads(each["record"])
            without = [event_id for event_id in chunk if event_id not in told]
            for row in log_finding.whole(self.project_id, without):
                told[row["event_id"]][row["event_id"]] = event_json.from_row(row)
            alone.update(without)
        return told, alone

    def _tied(self, row: Mapping[str, Any]) -> Iterator[str]:
        for key in strong_keys(row):
            if (found := self._by_key.get(key)) is not None:
                yield self.standing(found)

    def _alike(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Events that are this call by its name, and by what it shares, the likest first."""
        for event_id in dict.fromkeys(map(self.standing, self._by_name.get(named_key(row) or "", ()))):
            if is_same_by_name(self._rows[event_id], row):
                yield event_id
        linked = {self.standing(each) for link in _links(row, beside=True) for each in self._by_link.get(link, ())}
        same = [self._rows[each] for each in linked if is_same_call(self._rows[each], row)]
        same.sort(key=lambda one: (*likeness(one, row), one["event_id"]), reverse=True)
        yield from (each["event_id"] for each in same)

    def _load(self, rows: Iterable[dict[str, Any]]) -> None:
        new = {row["event_id"]: row for row in rows if row["event_id"] not in self._rows}
        moved = log_finding.records(self.project_id, list(new))
        for event_id, row in new.items():
            # Its first record belongs to another event: it is no event any more.
            if event_id not in moved or moved[event_id].event_id == event_id:
                self.current[event_id] = Current(row["newest"], row["content"], row["sources"])
                self._put(row)

    def _put(self, row: dict[str, Any]) -> None:
        event_id = row["event_id"]
        self._rows[event_id] = row
        for key in strong_keys(row):
            self._by_key.setdefault(key, event_id)
        if (name := named_key(row)) is not None and event_id not in self._by_name[name]:
            self._by_name[name].append(event_id)
        for link in _links(row):
            if event_id not in self._by_link[link]:
                self._by_link[link].append(event_id)


def _links(row: Mapping[str, Any], *, beside: bool = False) -> Iterator[tuple[str, Any]]:
    """What a row may share with others; `beside` looks into the neighbouring moments too."""
    yield from ((name, row[name]) for name in LINKS if row[name])
    if row["is_start_known"]:
        at = moment(row)
        moments = (at - 1, at, at + 1) if beside else (at,)
        yield from ((name, each) for name in near_names(row) for each in moments)
