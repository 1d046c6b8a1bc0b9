"""Calls drawn from a window: each has its place by the hash of id and seed, so longer draws begin with shorter ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projects.analytics import compiler, reading
from projects.analytics.answers import Answer, Column
from projects.analytics.compiler import Ground, Statement
from projects.analytics.questions import Question, Sample
from projects.analytics.vocabulary import DIMENSIONS, MEASURES


def sample(ground: Ground, question: Sample) -> Answer:
    """`size` calls, or with `by` up to `size` of each value and 5,000 in all."""
    names = {"event_id": "event_id", "started_at": "started_at", "model": DIMENSIONS["model"].expression}
    names |= {f"m{at}": MEASURES[name].expression for at, name in enumerate(question.measures)}
    if question.by:
        names["d0"] = DIMENSIONS[question.by].expression
    zone = {"zone": question.time_zone}
    rows = drawn(ground, question, names, question.size, question.seed, by="d0" if question.by else None, more=zone)
    by = [Column(question.by, DIMENSIONS[question.by].title, "text", "dimension")] if question.by else []
    return Answer(
        "sample",
        *question.span,
        columns=(
            Column("event_id", "Event", "text", "dimension"),
            Column("time", "Time", "time", "dimension"),
            Column("model", "Model", "text", "dimension"),
            *by,
            *(Column(name, MEASURES[name].title, MEASURES[name].unit) for name in question.measures),
        ),
        rows=tuple(
            (
                *(row["event_id"], row["started_at"], row["model"]),
                *((row["d0"],) if by else ()),
                *(row[f"m{at}"] for at in range(len(question.measures))),
            )
            for row in rows
        ),
        links=tuple({"record_id": row["event_id"]} for row in rows),
    )


MOST_DRAWN = 5_000
SPARE = 10


def drawn(
    ground: Ground,
    question: Question,
    names: Mapping[str, str],
    size: int,
    seed: int,
    *,
    by: str | None = None,
    known: tuple[str, ...] = (),
    more: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Rows in the order of their draw. Of each value of `by` up to `size`, and MOST_DRAWN in all."""
    n_rows = reading.versions_in(ground.project_id, question)
    if not by and n_rows > SPARE * size:
        # Ten times as many places as are wanted: sorting those is sorting enough, unless a filter leaves too few.
        rows = _first(ground, question, names, size, seed, known=known, more=more, below=SPARE * size / n_rows)
        if len(rows) == size:
            return rows
    return _first(ground, question, names, size, seed, known=known, more=more, by=by)


def _first(
    ground: Ground,
    question: Question,
    names: Mapping[str, str],
    size: int,
    seed: int,
    *,
    known: tuple[str, ...],
    more: Mapping[str, Any] | None,
    by: str | None = None,
    below: float = 1.0,
) -> list[dict[str, Any]]:
    """The rows of the least hashes; `below`: only among this share of all hashes."""
    bound, source = compiler.columns(question, ground, {"event_id": "event_id", **names}, known=known)
    bound.values.update(more or {})
    each = f" LIMIT {bound.bind(size, 'UInt32')} BY {by}" if by else ""
    limit = bound.bind(MOST_DRAWN if by else size, "UInt32")
    place = f"sipHash64({bound.bind(seed, 'UInt64')}, event_id)"
    within = f" WHERE {place} < {bound.bind(int(below * 2**64), 'UInt64')}" if below < 1 else ""
    sql = f"SELECT * FROM {source}{within} ORDER BY {place}, event_id{each} LIMIT {limit}"  # noqa: S608
    return reading.rows(Statement(sql, bound.values), ground.project_id, question)
