"""Errors by cause, refusals, how answers ended, and what failed and repeated calls cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from projects.overview import retries
from projects.overview.asking import Asked, ratio
from projects.overview.mix import stacked
from projects.overview.shapes import Head, Row, Section, Table

FAILED: dict[str, Any] = {"dimension": "outcome", "is": ["provider_error", "gateway_error"]}
_FAILED: dict[str, Any] = {"filters": [FAILED]}
_COUNTED = ("calls", "cost_usd.sum", "cost_usd.known")


def errors(asked: Asked) -> Section:
    picture, table = stacked(asked, "error_type", "Errors by cause", [FAILED], {"outcome": "error"})
    sentences = () if not picture.is_empty else ("No call of this window failed.",)
    title = f"Errors by cause, by {asked.window.grain}"
    return Section("errors", title, "", picture, None if picture.is_empty else table, sentences, is_folded=True)


def causes(asked: Asked) -> Section:
    answer = asked.ask(dimensions=("error_type", "outcome"), figures=_COUNTED, compare="previous", limit=30, **_FAILED)
    (whole,) = asked.ask(figures=("calls",), compare="previous").records()
    rows = tuple(_cause(asked, row, whole) for row in answer.records())
    heads = (
        *(
            Head("Cause"),
            Head("Whose"),
            Head("Calls", "calls"),
            Head("Before", "calls"),
            Head("Share of calls", "share"),
        ),
        *(Head("Change of share", "points"), Head("Spent on them", "usd")),
    )
    table = Table(heads, rows) if rows else None
    return Section("causes", "Causes", "", None, table, answer.notes if rows else ("No call failed.",))


_WHOSE = {"provider_error": "the provider's", "gateway_error": "the gateway's"}


def _cause(asked: Asked, row: dict[str, Any], whole: dict[str, Any]) -> Row:
    share, old = ratio(row["calls"], whole["calls"]), ratio(row["calls.before"], whole["calls.before"])
    change = None if share is None or old is None else share - old
    cells = (row["error_type"], _WHOSE[row["outcome"]], row["calls"], row["calls.before"], share, change)
    link = asked.link(error_type=row["error_type"], outcome=row["outcome"]) if row["calls"] else {}
    return Row((*cells, row["cost_usd.sum"]), link)


def outcomes(asked: Asked) -> Section:
    """Money that brought no answer is seen here without reading a single call."""
    answer = asked.ask(dimensions=("outcome",), figures=(*_COUNTED, "tokens_input.sum", "tokens_output.sum"))
    names = ("calls", "tokens_input.sum", "tokens_output.sum", "cost_usd.sum", "cost_usd.known")
    rows = tuple(
        Row((row["outcome"].replace("_", " "), *(row[name] for name in names)), asked.link(outcome=row["outcome"]))
        for row in answer.records()
    )
    heads = (
        *(Head("Outcome"), Head("Calls", "calls"), Head("Input tokens", "tokens"), Head("Output tokens", "tokens")),
        *(Head("Spend", "usd"), Head("Cost known", "calls")),
    )
    return Section("outcomes", "Outcomes", "", None, Table(heads, rows), answer.notes)


def endings(asked: Asked) -> Section:
    answer = asked.ask(dimensions=("finish_reason",), figures=_COUNTED, compare="previous", limit=20)
    (whole,) = asked.ask(figures=("calls",), compare="previous").records()
    rows = tuple(
        Row(
            (
                row["finish_reason"],
                row["calls"],
                ratio(row["calls"], whole["calls"]),
                row["calls.before"],
                row["cost_usd.sum"],
            ),
            asked.link(finish_reason=row["finish_reason"]) if row["calls"] else {},
        )
        for row in answer.records()
    )
    heads = (
        *(Head("Finish reason"), Head("Calls", "calls"), Head("Share of calls", "share"), Head("Before", "calls")),
        Head("Spend", "usd"),
    )
    return Section("endings", "How answers ended", "", None, Table(heads, rows), answer.notes)


def refusals(asked: Asked) -> Section:
    figures = ("refusals.count", "refusals.known", "refusals.share")
    answer = asked.ask(dimensions=("model", "kind"), figures=figures, compare="previous", limit=20)
    rows = tuple(
        Row(
            (row["model"], row["kind"], *(row[name] for name in figures), row["refusals.share.change"]),
            asked.link(model=row["model"], kind=row["kind"], refused="yes") if row["refusals.count"] else {},
        )
        for row in answer.records()
        if row["refusals.count"] or row["refusals.count.before"]
    )
    heads = (
        *(Head("Model"), Head("Kind"), Head("Refusals", "calls"), Head("Of answers", "calls"), Head("Share", "share")),
        Head("Change", "points"),
    )
    none = ("No answer of this window is known to be a refusal.",)
    return Section(
        "refusals", "Refusals", "", None, Table(heads, rows) if rows else None, answer.notes if rows else none
    )


def waste(asked: Asked) -> Section:
    note = "Tries that failed, were broken off or ended early, of a prompt that the same trace asked again later."
    found = asked.kept("waste", lambda: retries.wasted(asked.project_id, asked.window))
    names = ("n", "n_answered", "tokens", "n_counted", "usd", "n_priced", "ms")
    heads = (
        *(Head("Model"), Head("Tries repeated", "calls"), Head("Answered in the end", "calls")),
        *(Head("Tokens wasted", "tokens"), Head("Tokens known", "calls")),
        *(Head("Spend wasted", "usd"), Head("Cost known", "calls"), Head("Time waited", "ms")),
    )
    rows = tuple(
        Row((row["model"], *(row[name] for name in names)), asked.link(model=row["model"], outcome="error"))
        for row in found
    )
    total = Row(("Together", *(_added([row[name] for row in found]) for name in names)))
    none = ("No trace of this window asked the same prompt again after a failure.",)
    table = Table(heads, rows, total) if rows else None
    return Section("waste", "Retries and what they wasted", note, None, table, () if rows else none)


def _added(values: list[Any]) -> Any:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0) if known and isinstance(known[0], Decimal) else 0) if known else None
