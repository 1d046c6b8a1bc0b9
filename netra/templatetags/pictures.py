"""Charts as SVG from the server: what stands where no script runs, and until it has. Colours come from the CSS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from netra.pictures import Picture, spread, ticks
from netra.templatetags.figures import in_unit

register = template.Library()

LEFT, WIDTH, TOP, BOTTOM, HEIGHT = 56, 640, 8, 176, 200
N_COLOURS = 6


@register.simple_tag
def picture(of: Picture | None) -> SafeString | str:
    """Nothing where there is nothing to see."""
    if of is None or of.is_empty:
        return ""
    drawn = {"columns": _columns, "lines": _lines, "stack": _stack, "steps": _steps}[of.kind](of)
    return format_html(
        '<svg class="drawing" viewBox="0 0 {} {}" role="img" aria-label="{}; the table below holds the numbers">'
        "{}{}{}</svg>",
        WIDTH,
        HEIGHT,
        of.label,
        _grid(of),
        drawn,
        _words(of),
    )


def _y(value: float, of: Picture) -> float:
    low, high = of.span()
    return round(BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1), 1)


def _slot(of: Picture) -> float:
    return (WIDTH - LEFT) / len(of.marks)


def _grid(of: Picture) -> SafeString:
    rows = (
        (LEFT, WIDTH, y, y, LEFT - 6, y + 4, in_unit(at, of.unit)) for at in ticks(*of.span()) for y in [_y(at, of)]
    )
    return format_html_join(
        "",
        '<line class="grid-line" x1="{}" x2="{}" y1="{}" y2="{}"></line>'
        '<text class="small" x="{}" y="{}" text-anchor="end">{}</text>',
        rows,
    )


def _words(of: Picture) -> SafeString:
    slot = _slot(of)
    places = range(len(of.marks)) if of.kind == "steps" else spread(len(of.marks), 6)
    rows = ((round(LEFT + slot * (at + 0.5), 1), BOTTOM + 16, of.marks[at]) for at in places)
    return format_html_join("", '<text class="small" x="{}" y="{}" text-anchor="middle">{}</text>', rows)


def _rect(of: Picture, at: int, edges: tuple[float, float], look: str) -> SafeString:
    slot = _slot(of)
    high, low = sorted((_y(edges[0], of), _y(edges[1], of)))
    x, width = round(LEFT + slot * (at + 0.09), 1), round(max(slot * 0.82, 1), 1)
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"></rect>', look, x, high, width, round(low - high, 1)
    )


def _columns(of: Picture) -> SafeString:
    seen = len(of.marks) - of.n_ahead
    bars = [
        _rect(of, at, (0.0, value), "bar-fill" if at < seen else "bar-ahead")
        for at, value in enumerate(of.series[0].values)
        if value is not None
    ]
    return format_html_join("", "{}", ((each,) for each in [*bars, *_intervals(of)]))


def _intervals(of: Picture) -> list[SafeString]:
    slot = _slot(of)
    return [
        format_html('<line class="interval" x1="{0}" x2="{0}" y1="{1}" y2="{2}"></line>', x, _y(low, of), _y(high, of))
        for at, (low, high) in enumerate(zip(of.low, of.high, strict=True))
        for x in [round(LEFT + slot * (at + 0.5), 1)]
        if low is not None and high is not None
    ]


def _lines(of: Picture) -> SafeString:
    """A gap where a value is not known; a value alone is a dot."""
    drawn = [piece for at, each in enumerate(of.series) for piece in _line(of, each.values, min(at + 1, N_COLOURS))]
    return format_html_join("", "{}", ((piece,) for piece in drawn))


def _line(of: Picture, values: tuple[float | None, ...], colour: int) -> list[SafeString]:
    slot, runs = _slot(of), list[list[tuple[float, float]]]([[]])
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((round(LEFT + slot * (at + 0.5), 1), _y(value, of)))
    return [_run(run, colour) for run in runs if run]


def _run(run: list[tuple[float, float]], colour: int) -> SafeString:
    if len(run) == 1:
        return format_html('<circle class="fill-{}" cx="{}" cy="{}" r="2.5"></circle>', colour, *run[0])
    points = " ".join(f"{x},{y}" for x, y in run)
    return format_html('<polyline class="path path-{}" points="{}"></polyline>', colour, points)


def _stack(of: Picture) -> SafeString:
    rects = [
        _rect(of, at, edges, f"fill-{min(n + 1, N_COLOURS)}")
        for n, places in enumerate(of.stacked())
        for at, edges in enumerate(places)
        if edges[1] > edges[0]
    ]
    return format_html_join("", "{}", ((each,) for each in rects))


def _steps(of: Picture) -> SafeString:
    last = len(of.marks) - 1
    rects = [
        _rect(
            of,
            at,
            edges,
            "bar-fill" if at in (0, last) else f"bar-fill {'is-warn' if edges[1] > edges[0] else 'is-good'}",
        )
        for at, edges in enumerate(of.steps())
    ]
    return format_html_join("", "{}", ((each,) for each in rects))


@register.filter
def beside(cells: Sequence[Any], heads: Sequence[Any]) -> list[tuple[Any, Any, str]]:
    """Each cell of a row with the head it stands under and its unit, which is the head's unless it has its own."""
    pairs = zip(heads, cells, strict=True)
    return [(head, getattr(cell, "value", cell), getattr(cell, "unit", head.unit)) for head, cell in pairs]


@register.simple_tag
def legend(of: Picture | None) -> SafeString | str:
    """Which colour is which series; it stands outside of the chart, so that it serves both ways of drawing it."""
    if of is None or of.is_empty or len(of.series) < 2:
        return ""
    rows = ((min(at + 1, N_COLOURS), each.name) for at, each in enumerate(of.series))
    items = format_html_join("", '<li><span class="swatch swatch-{}"></span><bdi>{}</bdi></li>', rows)
    return format_html('<ul class="chart-legend">{}</ul>', items)
