"""Which events: what may be asked of the log, as SQL over named parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# What the store's times can hold; further out there is nothing to find.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# A number that no import has, and the largest that the store's hold.
NO_IMPORT = 2**64 - 1
DEMAND = "purpose IN ('ingested', 'live')"
ERRORS = "outcome IN ('provider_error', 'gateway_error')"
# What an agent tries again: it failed, was broken off, or its stream ended early.
UNANSWERED = f"({ERRORS} OR outcome = 'cancelled' OR has(flags, 'streamed_incomplete'))"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which current events; None asks nothing. Times without a zone are UTC.

    `model` matches the requested or the served one, `source` any product that told of the call, `import_id` any import
    that did. `is_demand`: not replays, judges or the advisor. `is_counted`: input and output tokens are known.
    `prompt_template`: the hash of the system prompt.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    outcome: str | None = None
    is_error: bool | None = None
    purpose: str | None = None
    is_demand: bool | None = None
    source: str | None = None
    kind: str | None = None
    is_replayable: bool | None = None
    blocked: str | None = None
    flag: str | None = None
    is_counted: bool | None = None
    is_priced: bool | None = None
    is_recorded: bool | None = None
    error_type: str | None = None
    finish_reason: str | None = None
    is_refusal: bool | None = None
    tag: str | None = None
    prompt_template: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    import_id: int | None = None
    record_id: str | None = None

    def clauses(self) -> tuple[str, dict[str, Any]]:
        """SQL over named parameters only; nothing of what was asked becomes part of the text."""
        asked = {name: _bound(getattr(self, name)) for name in _CLAUSES if getattr(self, name) is not None}
        return "".join(f" AND {_CLAUSES[name]}" for name in asked), asked


def instant(told: datetime) -> datetime:
    """A time that may be asked of the store: without a zone UTC, and within what its times can hold."""
    return min(max(told if told.tzinfo else told.replace(tzinfo=UTC), EARLIEST), LATEST)


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, int) and not 0 <= value <= NO_IMPORT:
        return NO_IMPORT
    # A text with a null byte or half a character is in no log, and the store could not read the question.
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value


# Time first: it is what the store is ordered by.
_CLAUSES = {
    "since": "started_at >= {since:DateTime64(6, 'UTC')}",
    "until": "started_at < {until:DateTime64(6, 'UTC')}",
    "model": "(requested_model = {model:String} OR served_model = {model:String})",
    "outcome": "outcome = {outcome:String}",
    "is_error": f"({ERRORS}) = {{is_error:Bool}}",
    "purpose": "purpose = {purpose:String}",
    "is_demand": f"({DEMAND}) = {{is_demand:Bool}}",
    "source": "has(sources, {source:String})",
    "kind": "kind = {kind:String}",
    "is_replayable": "is_replayable = {is_replayable:Bool}",
    "blocked": "has(not_replayable, {blocked:String})",
    "flag": "has(flags, {flag:String})",
    # Whether a value is there stands in a small column of its own.
    "is_counted": "(NOT tok_input_fresh.null AND NOT tok_output_visible.null) = {is_counted:Bool}",
    "is_priced": "(NOT cost_usd.null) = {is_priced:Bool}",
    "is_recorded": "(NOT cost_recorded_usd.null) = {is_recorded:Bool}",
    "error_type": "error_type = {error_type:String}",
    "finish_reason": "finish_reason = {finish_reason:String}",
    "is_refusal": "ifNull(is_refusal, false) = {is_refusal:Bool}",
    "tag": "has(tags, {tag:String})",
    "prompt_template": "system_hash = {prompt_template:String}",
    "session_id": "session_id = {session_id:String}",
    "trace_id": "trace_id = {trace_id:String}",
    "user_id": "user_id = {user_id:String}",
    "run_id": "run_id = {run_id:String}",
    # An event is rewritten when another product tells of it too; every import that told of it still finds it.
    "import_id": (
        "(import_id = {import_id:UInt64} OR event_id IN (SELECT event_id FROM workload_events "
        "WHERE project_id = {project_id:UInt64} AND import_id = {import_id:UInt64} AND event_id IN "
        "(SELECT event_id FROM superseded_events WHERE project_id = {project_id:UInt64}) "
        "UNION ALL SELECT event_id FROM source_records "
        "WHERE project_id = {project_id:UInt64} AND import_id = {import_id:UInt64}))"
    ),
    "record_id": "(source_record_id = {record_id:String} OR event_id = {record_id:String})",
}
