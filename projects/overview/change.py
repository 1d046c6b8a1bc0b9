"""What changed against the window before, and how much of it is price, volume, length and mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from netra.pictures import Picture, Series
from projects.analytics.decomposition import FACTORS
from projects.overview.asking import ANSWERED, Asked, number, week
from projects.overview.shapes import Choice, Head, Row, Section, Table, Told

OVERS = {"window": "the window before", "week": "week over week"}
MOST_CELLS = 15
_NAMED = {"volume": "volume", "mix": "mix", "length": "length", "price": "price"}
# Title, figure, unit of the figure, and whether its change is a ratio or a difference of shares.
LINES = (
    ("Spend", "cost_usd.sum", "usd"),
    ("Calls", "calls", "calls"),
    ("Cost a priced call", "cost_usd.mean", "usd"),
    ("Input tokens a call", "tokens_input.mean", "decimal"),
    ("Output tokens a call", "tokens_output.mean", "decimal"),
    ("Errors", "errors.share", "share"),
    ("Refusals", "refusals.share", "share"),
    ("Cut at the length limit", "cut_short.share", "share"),
)
TIMED = (
    ("Median latency", "duration_ms.p50", "ms"),
    ("p95 latency", "duration_ms.p95", "ms"),
    ("p95 to the first token", "ttft_ms.p95", "ms"),
)
METHOD = (
    "Spend is calls × share of each model and kind × tokens a call × dollars a token. Each factor's part is what "
    "changing it adds, averaged over all orders of change (Shapley); the parts add up to the change exactly."
)


def held(asked: Asked) -> Asked:
    """The window itself, or its last seven days."""
    return replace(asked, window=week(asked.window)) if asked.over == "week" else asked


def difference(asked: Asked) -> Section:
    looked = held(asked)
    sums = looked.ask(figures=tuple(name for _, name, _ in LINES), compare="previous")
    timed = looked.ask(figures=tuple(name for _, name, _ in TIMED), compare="previous", **ANSWERED)
    row = {**sums.records()[0], **timed.records()[0]}
    heads = (Head("Figure"), Head("Before", "known"), Head("Now", "known"), Head("Change", "change"))
    rows = tuple(_compared(title, row, name, unit) for title, name, unit in (*LINES, *TIMED))
    notes = (*sums.notes, *timed.notes)
    return Section("difference", "What else changed", _spans(looked), None, Table(heads, rows), notes)


def choices(asked: Asked) -> tuple[Choice, ...]:
    return tuple(Choice("over", name, title, name == asked.over) for name, title in OVERS.items())


def _compared(title: str, row: dict[str, Any], name: str, unit: str) -> Row:
    before, after = row[f"{name}.before"], row[name]
    change = Told(row[f"{name}.change"], "points") if unit == "share" else row[f"{name}.ratio"]
    return Row((title, Told(before, unit), Told(after, unit), change))


def _spans(asked: Asked) -> str:
    length = asked.window.until - asked.window.since
    hours = round(length.total_seconds() / 3600)
    words = f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"
    return (
        f"The last {words} beside the {words} before"
        if asked.window.newest_at
        else f"{words} beside the {words} before"
    )


def why(asked: Asked) -> Section:
    looked = held(asked)
    answer = looked.ask(analysis="spend_change")
    whole = answer.more["whole"]
    heads = (
        *(Head("Model"), Head("Kind"), Head("Before", "usd"), Head("Now", "usd"), Head("Change", "usd_change")),
        *(Head(f"by {_NAMED[name]}", "usd_change") for name in FACTORS),
    )
    records = answer.records()
    rows = tuple(Row(_cells(row), looked.link(model=row["model"], kind=row["kind"])) for row in records[:MOST_CELLS])
    if len(records) > MOST_CELLS:
        rows += (Row(("all others", "", *_added(records[MOST_CELLS:]))),)
    total = Row(("Together", "", *(whole[name] for name in _FIGURES)))
    table = Table(heads, rows, total) if rows else None
    sentences = (_sentence(whole), METHOD, *answer.notes) if rows else ("No call of either window has a known cost.",)
    return Section("why", "Why spend changed", _spans(looked), _picture(whole), table, sentences, True, choices(asked))


_FIGURES = ("before", "after", "change", *FACTORS)


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["model"], row["kind"], *(row[name] for name in _FIGURES))


def _added(rows: Sequence[dict[str, Any]]) -> list[Decimal]:
    return [sum((row[name] for row in rows), Decimal(0)) for name in _FIGURES]


def _sentence(whole: dict[str, Decimal]) -> str:
    """The factor that did most, in words; figures stand in the table."""
    largest = max(FACTORS, key=lambda name: abs(whole[name]))
    if not whole["change"]:
        return "Spend is the same as before."
    way = "more" if whole["change"] > 0 else "less"
    same = (whole[largest] > 0) == (whole["change"] > 0)
    because = f"{_NAMED[largest]} did most of it" if same else f"though {_NAMED[largest]} pulled the other way"
    return f"Spend is {way} than before; {because}."


def _picture(whole: dict[str, Decimal]) -> Picture:
    values = tuple(number(whole[name]) for name in ("before", *FACTORS, "after"))
    marks = ("Before", *(_NAMED[name].capitalize() for name in FACTORS), "Now")
    return Picture(
        "steps", "usd", "From the spend before to the spend now, factor by factor", marks, (Series("", values),)
    )
