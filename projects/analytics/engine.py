"""The one way to an answer: the same for pages, API, command line and whoever else asks.

An answer is kept under its question and the state of the months it read, so it is never older than the log.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.cache import cache
from pydantic import TypeAdapter, ValidationError

from netra.errors import Invalid
from projects.analytics import aggregates, alike, correlations, draws, outlooks, shapes, spending, standing, times
from projects.analytics.answers import Answer
from projects.analytics.compiler import Ground
from projects.analytics.questions import (
    Aggregate,
    AnyQuestion,
    Clusters,
    Correlation,
    Distribution,
    Forecast,
    Percentiles,
    Question,
    Sample,
    SpendChange,
    Window,
)

# Changed with whatever changes answers, so that none is served from before.
EDITION = 1
KEPT_S = 3600
_question: TypeAdapter[Any] = TypeAdapter(AnyQuestion)


_window: TypeAdapter[Window] = TypeAdapter(Window)


def parsed(told: Any) -> Question:
    """A question out of plain data. Raises Invalid with the field and a sentence."""
    found: Question = _read(_question, told)
    return found


def parsed_window(since: Any, until: Any) -> Window:
    found: Window = _read(_window, {"since": since, "until": until})
    return found


def _read(kind: TypeAdapter[Any], told: Any) -> Any:
    try:
        return kind.validate_python(told)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:200]
        sentence = str(first["msg"]).removeprefix("Value error, ")[:2_000]
        raise Invalid(f"{field or 'question'}: {sentence}", field=field or None) from None


def answer(project_id: int, question: Question) -> Answer:
    """Raises TooLarge (code over_budget) when the budget does not suffice, Unavailable when the store is down."""
    with standing.moment():
        key = _key(project_id, question)
        found: Answer | None = cache.get(key)
        if found is None:
            found = _answered(project_id, question)
            cache.set(key, found, KEPT_S)
    return found


def _key(project_id: int, question: Question) -> str:
    spans = [question.span]
    if isinstance(question, Aggregate | SpendChange) and question.compare is not None:
        spans.append(times.compared(question, question.compare).span)
    told = f"{EDITION}\n{project_id}\n{standing.fingerprint(spans)}\n{question.model_dump_json()}"
    return f"analytics:{hashlib.blake2b(told.encode(), digest_size=20).hexdigest()}"


def _answered(project_id: int, question: Question) -> Answer:
    match question:
        case Aggregate():
            return aggregates.answer(project_id, question)
        case SpendChange():
            return spending.spend_change(project_id, question)
        case Forecast():
            return outlooks.forecast(project_id, question)
    ground = Ground(project_id, standing.has_replaced(project_id, question.span))
    match question:
        case Percentiles():
            return shapes.percentiles(ground, question)
        case Distribution():
            return shapes.distribution(ground, question)
        case Correlation():
            return correlations.correlation(ground, question)
        case Clusters():
            return alike.clusters(ground, question)
        case Sample():
            return draws.sample(ground, question)
    raise Invalid("There is no such analysis.", field="analysis")
