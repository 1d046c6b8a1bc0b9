"""How long calls take: in all, to the first token, and for each token after it. Of answered calls only."""

from __future__ import annotations

from typing import Any

from netra.errors import TooLarge
from netra.pictures import Picture, Series
from projects.analytics.answers import NEAR, Answer
from projects.overview.asking import ANSWERED, Asked, day_word, ends, mark, number
from projects.overview.shapes import Head, Row, Section, Table, Told

LEVELS = ("p50", "p95", "p99")
MEASURES = {
    "duration_ms": ("Whole call", "ms"),
    "ttft_ms": ("To the first token", "ms"),
    "ms_per_output_token": ("Each output token after it", "ms_fine"),
    "output_tokens_per_s": ("Output tokens a second", "decimal"),
}
_ROLLED = ("duration_ms", "ttft_ms")
# Read from the log, in one go.
_LOGGED = ("ms_per_output_token", "output_tokens_per_s")
OF_ANSWERED = "Of answered calls; percentiles are linear between neighbours."


def over_time(asked: Asked) -> Answer:
    figures = ("duration_ms.known", *(f"{name}.{level}" for name in _ROLLED for level in LEVELS))
    return asked.ask(figures=figures, grain=asked.window.grain, **ANSWERED)


def latency(asked: Asked) -> Section:
    answer, window = over_time(asked), asked.window
    rows = answer.records()
    names = [f"{name}.{level}" for name in _ROLLED for level in LEVELS]
    heads = (
        Head(str(window.grain).title()),
        Head("Timed", "calls"),
        *(Head(level, "ms") for level in LEVELS),
        *(Head(f"first token {level}", "ms") for level in LEVELS),
    )
    lines = tuple(
        Row(
            (
                day_word(row["time"], window.grain, window.zone),
                row["duration_ms.known"],
                *(row[name] for name in names),
            ),
            asked.link_of_time(row["time"], end) if row["duration_ms.known"] else {},
        )
        for row, end in zip(rows, ends([row["time"] for row in rows], window), strict=True)
    )
    return Section(
        "latency", f"Latency by {window.grain}", OF_ANSWERED, _picture(asked, rows), Table(heads, lines),
        answer.notes, is_folded=True,
    )  # fmt: skip


def _picture(asked: Asked, rows: list[dict[str, Any]]) -> Picture:
    window = asked.window
    return Picture(
        "lines",
        "ms",
        f"Latency by {window.grain}: median, 95th and 99th percentile",
        tuple(mark(row["time"], window.grain, window.zone) for row in rows),
        tuple(Series(level, tuple(number(row[f"duration_ms.{level}"]) for row in rows)) for level in LEVELS),
    )


def measures(asked: Asked) -> Section:
    """Time a token is read from the log, so over too many calls it is left out, and the reason told."""
    rows, notes = [], list[str]()
    for names in (_ROLLED, _LOGGED):
        try:
            answer = _asked(asked, names)
        except TooLarge as refused:
            notes.append(f"{MEASURES[names[0]][0]}: {refused}")
            continue
        rows += [_line(name, answer) for name in names]
        notes += [note for note in answer.notes if note not in notes]
    heads = (
        Head("Measure"),
        Head("Calls known", "calls"),
        *(Head(level, "ms") for level in LEVELS),
        Head("p95 before", "ms"),
        Head("Change of p95", "change"),
    )
    return Section("measures", "Latency in its parts", OF_ANSWERED, None, Table(heads, tuple(rows)), tuple(notes))


def _asked(asked: Asked, names: tuple[str, ...]) -> Answer:
    figures = tuple(f"{name}.{made}" for name in names for made in ("known", *LEVELS))
    return asked.ask(figures=figures, compare="previous", **ANSWERED)


def _line(name: str, answer: Answer) -> Row:
    (row,), (title, unit) = answer.records(), MEASURES[name]
    told = (*(row[f"{name}.{level}"] for level in LEVELS), row[f"{name}.p95.before"])
    near = " ≈" if any(column.method == NEAR for column in answer.columns) else ""
    values = (Told(value, unit) for value in told)
    return Row((f"{title}{near}", row[f"{name}.known"], *values, row[f"{name}.p95.ratio"]))


def by_model(asked: Asked) -> Section:
    figures = ("duration_ms.known", *(f"duration_ms.{level}" for level in LEVELS), "ttft_ms.p95")
    answer = asked.ask(dimensions=("model",), figures=figures, compare="previous", limit=20, **ANSWERED)
    names = (*figures, "duration_ms.p95.before", "duration_ms.p95.ratio")
    rows = tuple(
        Row((row["model"], *(row[name] for name in names)), asked.link(model=row["model"], outcome="ok"))
        for row in answer.records()
        if row["duration_ms.known"]
    )
    heads = (
        Head("Model"),
        Head("Timed", "calls"),
        *(Head(level, "ms") for level in LEVELS),
        Head("first token p95", "ms"),
        Head("p95 before", "ms"),
        Head("Change of p95", "change"),
    )
    return Section("latency_models", "Latency by model", "", None, Table(heads, rows), answer.notes)
