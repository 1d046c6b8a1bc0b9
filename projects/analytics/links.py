"""From a row of an answer to the list of the events behind it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from projects.analytics.questions import ByDimension, Question
from projects.workloads import Purpose

# Dimensions that the list of events can be narrowed by, under the same names.
NARROWED = (
    *("model", "kind", "outcome", "purpose", "source", "session_id", "user_id", "flag"),
    *("tag", "prompt_template", "error_type", "finish_reason"),
)


def link(question: Question, span: tuple[datetime, datetime], of: Mapping[str, Any]) -> Mapping[str, str]:
    """Parameters of the list of events; empty where it could not show exactly these."""
    asked = dict(of)
    for each in question.filters:
        if not isinstance(each, ByDimension) or each.is_ is None or len(each.is_) != 1:
            return {}
        if asked.setdefault(each.dimension, each.is_[0]) != each.is_[0]:
            return {}
    if any(name not in NARROWED or value is None for name, value in asked.items()):
        return {}
    if "purpose" not in asked and set(question.purposes) != set(Purpose):
        if (purpose := _purpose(question)) is None:
            return {}
        asked["purpose"] = purpose
    since, until = (at.astimezone(UTC).isoformat() for at in span)
    return {**{name: str(value) for name, value in asked.items()}, "since": since, "until": until}


def _purpose(question: Question) -> str | None:
    """What the list calls the purposes asked for; None where it has no word for just these."""
    if set(question.purposes) == {Purpose.INGESTED, Purpose.LIVE}:
        return "demand"
    return str(question.purposes[0]) if len(set(question.purposes)) == 1 else None
