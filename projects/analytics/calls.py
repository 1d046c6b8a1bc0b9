"""Which calls: the part of a statement that says where rows come from. Pure; what was asked is bound, never written.

Replaced versions are looked for only at the times they stand at, so that the ids of all others need not be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from netra.errors import Invalid
from projects.analytics.questions import ByDimension, ByMeasure, Question, Value
from projects.analytics.vocabulary import DIMENSIONS, MEASURES

_TYPES = {"String": str, "Bool": bool, "UInt8": int, "UInt16": int}
_LIGHT = (
    "event_id, started_at, purpose, source, operation, provider, requested_model, served_model, stream, http_status, "
    "outcome, error_type, finish_reason, is_refusal, is_replayable, is_simulated, environment, tags, flags, kind, "
    "prompt_hash, system_hash, prompt_chars, n_messages, has_tools, has_images, wants_json, session_id, user_id, "
    "duration_ms, ttft_ms, tok_input_fresh, tok_cache_read, tok_cache_write_5m, tok_cache_write_1h, "
    "tok_output_visible, tok_reasoning, tok_audio_in, tok_audio_out, cost_recorded_usd, cost_usd"
)


@dataclass(slots=True)
class Bound:
    """The values of a statement by name; what `bind` gives back is all that enters the text."""

    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any, kind: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = _readable(value)
        return f"{{{name}:{kind}}}"

    def time(self, at: datetime) -> str:
        return self.bind(at.astimezone(UTC), "DateTime64(6, 'UTC')")


def _readable(value: Any) -> Any:
    """A text with a null byte or half a character is in no log, and the store could not read the question."""
    if isinstance(value, list):
        return [_readable(each) for each in value]
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value


def used(columns: Iterable[str], told: str | None) -> list[str]:
    """Those of the columns that a statement names: half the time of a small question goes into resolving names."""
    if told is None:
        return list(columns)
    words = set(re.findall(r"\w+", told))
    return [name for name in columns if name in words]


def log_rows(
    bound: Bound,
    project_id: int,
    span: tuple[datetime, datetime],
    *,
    has_replaced: bool,
    more: str = "",
    told: str | None = None,
) -> str:
    """A subquery of the current events of a window, bodies left out. `more`: further conditions on started_at; `told`:
    the text that reads it, to leave out what that does not name."""
    project = bound.bind(project_id, "UInt64")
    within = f"started_at >= {bound.time(span[0])} AND started_at < {bound.time(span[1])}"
    columns = ", ".join(used(_LIGHT.split(", "), told)) or "started_at"
    events = f"SELECT {columns} FROM workload_events WHERE project_id = {project} AND {within}{more}"  # noqa: S608
    if not has_replaced:
        return f"({events})"
    replaced = f"FROM superseded_events WHERE project_id = {project}"
    times = f"(SELECT started_at {replaced} AND {within})"
    ids = f"(SELECT event_id, version {replaced} AND {within})"
    return (
        f"({events} AND started_at NOT IN {times} "
        f"UNION ALL {events} AND started_at IN {times} AND (event_id, version) NOT IN {ids})"
    )


def conditions(bound: Bound, question: Question) -> str:
    """What the question's purposes and filters ask of a row. Raises Invalid for a value of the wrong type."""
    asked = [f"purpose IN {bound.bind([str(each) for each in question.purposes], 'Array(String)')}"]
    for at, each in enumerate(question.filters):
        asked.append(_by_measure(bound, each) if isinstance(each, ByMeasure) else _by_dimension(bound, each, at))
    return " AND ".join(asked)


def _by_measure(bound: Bound, wanted: ByMeasure) -> str:
    expression = f"toFloat64({MEASURES[wanted.measure].expression})"
    limits = [] if wanted.at_least is None else [f"{expression} >= {bound.bind(wanted.at_least, 'Float64')}"]
    limits += [] if wanted.below is None else [f"{expression} < {bound.bind(wanted.below, 'Float64')}"]
    return f"ifNull({' AND '.join(limits)}, false)"


def _by_dimension(bound: Bound, wanted: ByDimension, at: int) -> str:
    values = wanted.is_ or wanted.is_not or []
    known, has_null = [each for each in values if each is not None], None in values
    test = _is_one_of(bound, wanted.dimension, known, has_null=has_null, at=at)
    return test if wanted.is_ is not None else f"NOT {test}"


def _is_one_of(bound: Bound, name: str, known: Sequence[Value], *, has_null: bool, at: int) -> str:
    dimension = DIMENSIONS[name]
    _check(name, known, at)
    expression = dimension.expression
    listed = bound.bind(list(known), f"Array({dimension.kind})") if known else ""
    if dimension.is_many:
        column = f"{name}s"
        tests = [f"hasAny({column}, {listed})"] if known else []
        return f"({' OR '.join([*tests, f'empty({column})'] if has_null else tests)})"
    if dimension.needs_zone:
        raise Invalid(f"{name} can be asked for as a dimension, not as a filter.", field=f"filters.{at}")
    tests = [f"ifNull({expression} IN {listed}, false)"] if known else []
    return f"({' OR '.join([*tests, f'isNull({expression})'] if has_null else tests)})"


def _check(name: str, known: Sequence[Value], at: int) -> None:
    wanted = _TYPES[DIMENSIONS[name].kind]
    for value in known:
        if type(value) is not wanted or (isinstance(value, int) and not 0 <= value <= 65_535):
            words = {str: "texts", bool: "true or false", int: "whole numbers"}[wanted]
            raise Invalid(f"Values of {name} are {words}.", field=f"filters.{at}")
