"""Charts a reader can point at: Bokeh figures as the JSON that its own script embeds. Pure; Bokeh is imported late."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netra.pictures import Picture, spread, ticks
from netra.templatetags.figures import in_unit

HEIGHT_PX = 230
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of static/css/variables.css that a canvas cannot read from there."""

    ink: str
    soft: str
    line: str
    series: tuple[str, ...]


PALETTES = {
    "light": Palette(
        "#1d2227", "#4c555d", "#e2e2dd", ("#0b6462", "#8a6d3b", "#5a5f9c", "#98466a", "#4d7a2f", "#8a9199")
    ),
    "dark": Palette(
        "#e8eaec", "#b3bac1", "#2d3236", ("#5cc4bd", "#d9b87a", "#a3a8e8", "#e394b4", "#9ccb79", "#7d858d")
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """On the trade-off: USD a thousand calls, with bounds where known; quality against the incumbent in points."""

    name: str
    usd_per_thousand: float
    quality: float
    low: float
    high: float
    usd_low: float | None = None
    usd_high: float | None = None


def palette(scheme: str) -> Palette:
    """The colours of a scheme; an unknown scheme is light."""
    return PALETTES.get(scheme, PALETTES["light"])


def pictured(of: Picture, colours: Palette) -> dict[str, Any]:
    """A picture to be pointed at. Numbers are written by the server, in the reader's own format."""
    figure = _figure(colours, x_range=(-0.6, len(of.marks) - 0.4))
    {"columns": _columns, "lines": _lines, "stack": _stack, "steps": _steps}[of.kind](figure, of, colours)
    low, high = of.span()
    figure.y_range.start, figure.y_range.end = low * 1.05, (high or 1.0) * 1.05
    _marked(figure.yaxis[0], {at: str(_written(at, of.unit)) for at in ticks(low, high)})
    places = range(len(of.marks)) if of.kind == "steps" else spread(len(of.marks), 6)
    _marked(figure.xaxis[0], {at: of.marks[at] for at in places})
    told = [each for each in figure.renderers if "mark" in each.data_source.data]
    _point_out(figure, [("", "@mark"), ("", "@told")], renderers=told)
    return _json(figure)


def _told(of: Picture, name: str, values: Sequence[float | None], **more: Any) -> Any:
    """Places with a known value, and what is said of each."""
    places = [at for at, value in enumerate(values) if value is not None]
    said = [f"{name} {_written(values[at], of.unit)}".strip() for at in places]
    columns = {key: [column[at] for at in places] for key, column in more.items()}
    return _source(
        x=places, y=[values[at] for at in places], mark=[of.marks[at] for at in places], told=said, **columns
    )


def _written(value: Any, unit: str) -> str:
    return "unknown" if value is None else str(in_unit(value, unit))


def _columns(figure: Any, of: Picture, colours: Palette) -> None:
    seen = len(of.marks) - of.n_ahead
    alpha = [1.0 if at < seen else 0.45 for at in range(len(of.marks))]
    source = _told(of, "", of.series[0].values, alpha=alpha)
    figure.vbar("x", top="y", width=0.82, source=source, color=colours.series[0], line_color=None, fill_alpha="alpha")
    places = [at for at, low in enumerate(of.low) if low is not None]
    bounds = _source(x=places, low=[of.low[at] for at in places], high=[of.high[at] for at in places])
    figure.segment("x", "low", "x", "high", source=bounds, color=colours.soft, line_width=1.5)


def _lines(figure: Any, of: Picture, colours: Palette) -> None:
    for at, each in enumerate(of.series):
        colour = colours.series[min(at, len(colours.series) - 1)]
        whole = _source(x=list(range(len(of.marks))), y=[math.nan if v is None else v for v in each.values])
        figure.line("x", "y", source=whole, color=colour, line_width=2)
        figure.scatter("x", "y", source=_told(of, each.name, each.values), color=colour, size=5)


def _stack(figure: Any, of: Picture, colours: Palette) -> None:
    for at, (each, places) in enumerate(zip(of.series, of.stacked(), strict=True)):
        edges = {"bottom": [low for low, _ in places], "top": [high for _, high in places]}
        figure.vbar(
            "x", bottom="bottom", top="top", width=0.82, source=_told(of, each.name, each.values, **edges),
            color=colours.series[min(at, len(colours.series) - 1)], line_color=None,
        )  # fmt: skip


def _steps(figure: Any, of: Picture, colours: Palette) -> None:
    steps, last = of.steps(), len(of.marks) - 1
    colour = [colours.series[0 if at in (0, last) else 1 if high > low else 4] for at, (low, high) in enumerate(steps)]
    edges = {"bottom": [low for low, _ in steps], "top": [high for _, high in steps], "colour": colour}
    source = _told(of, "", of.series[0].values, **edges)
    figure.vbar("x", bottom="bottom", top="top", width=0.82, source=source, color="colour", line_color=None)


def _marked(axis: Any, words: Mapping[float, str]) -> None:
    """Ticks at these places, with these words."""
    from bokeh.models import FixedTicker

    axis.ticker = FixedTicker(ticks=list(words))
    axis.major_label_overrides = dict(words)


def evidence(paths: Sequence[tuple[str, Sequence[Sequence[Any]]]], goal: float, colours: Palette) -> dict[str, Any]:
    """The e-value of each candidate over pairs, on a logarithmic scale, against what convinces.

    `paths` hold (pairs, e-value); an e-value below 1/goal is drawn at 1/goal, since how far below does not matter.
    """
    figure = _figure(colours, y_axis_type="log", y_range=(1 / goal, goal * 3))
    for at, (name, path) in enumerate(paths):
        steps = [
            (n, min(max(float(wealth), 1 / goal), goal * 3), float(wealth)) for n, wealth in path if wealth is not None
        ]
        source = _source(
            n=[n for n, *_ in steps], y=[y for _, y, _ in steps], e=[e for *_, e in steps], name=[name] * len(steps)
        )
        colour = colours.series[min(at, len(colours.series) - 1)]
        figure.line("n", "y", source=source, color=colour, line_width=2, legend_label=name)
    _level(figure, goal, f"convincing: {goal:g}", colours)
    _level(figure, 1.0, "no evidence either way: 1", colours)
    figure.xaxis[0].axis_label, figure.yaxis[0].axis_label = "pairs", "e-value"
    _point_out(figure, [("", "@name"), ("pairs", "@n"), ("e-value", "@e{0,0.[00]}")])
    _legend(figure, colours)
    return _json(figure)


def trade_off(placed: Sequence[Placed], incumbent_usd_per_thousand: float, colours: Palette) -> dict[str, Any]:
    """Cost across, quality against the incumbent up, with intervals; the incumbent is the square on the zero line."""
    figure = _figure(colours)
    source = _source(
        name=[each.name for each in placed],
        x=[each.usd_per_thousand for each in placed],
        y=[each.quality for each in placed],
        low=[each.low for each in placed],
        high=[each.high for each in placed],
        left=[each.usd_per_thousand if each.usd_low is None else each.usd_low for each in placed],
        right=[each.usd_per_thousand if each.usd_high is None else each.usd_high for each in placed],
        colour=[colours.series[min(at, len(colours.series) - 1)] for at in range(len(placed))],
    )
    _level(figure, 0.0, "", colours)
    figure.segment("x", "low", "x", "high", source=source, color="colour", line_width=3, alpha=0.55)
    figure.segment("left", "y", "right", "y", source=source, color="colour", line_width=3, alpha=0.55)
    figure.scatter("x", "y", source=source, color="colour", size=11)
    _named(figure, source, colours)
    own = _source(x=[incumbent_usd_per_thousand], y=[0.0], name=["incumbent"], low=[0.0], high=[0.0])
    figure.scatter("x", "y", source=own, marker="square", color=colours.soft, size=11)
    _named(figure, own, colours)
    figure.x_range.start, figure.x_range.end = _room(
        [incumbent_usd_per_thousand, *(each.usd_per_thousand for each in placed)]
    )
    figure.xaxis[0].axis_label, figure.yaxis[0].axis_label = "USD per 1,000 calls", "quality, points"
    _numbers(figure.xaxis[0], "$0,0.[00]")
    _point_out(
        figure, [("", "@name"), ("USD per 1,000", "@x{$0,0.[0000]}"), ("points", "@y{+0.0} [@low{+0.0}, @high{+0.0}]")]
    )
    return _json(figure)


def rates_by_size(
    points: Sequence[tuple[int, float]], title: str, levels: Sequence[tuple[str, float]], colours: Palette
) -> dict[str, Any]:
    """Shares in [0, 1] over a size that grows by factors, with named levels across."""
    figure = _figure(colours, x_axis_type="log", y_range=(0, 1))
    source = _source(x=[size for size, _ in points], y=[rate for _, rate in points])
    figure.line("x", "y", source=source, color=colours.series[0], line_width=2)
    figure.scatter("x", "y", source=source, color=colours.series[0], size=7)
    _shares(figure, levels, colours)
    figure.xaxis[0].axis_label = title
    _numbers(figure.xaxis[0], "0.[0]a")
    _point_out(figure, [(title, "@x{0,0}"), ("", "@y{0.0 %}")])
    return _json(figure)


def rates_by_name(
    bars: Sequence[tuple[str, float]], title: str, levels: Sequence[tuple[str, float]], colours: Palette
) -> dict[str, Any]:
    """Shares in [0, 1] as columns in the order given, with named levels across."""
    figure = _figure(colours, x_range=[name for name, _ in bars], y_range=(0, 1))
    source = _source(x=[name for name, _ in bars], top=[rate for _, rate in bars])
    figure.vbar(x="x", top="top", width=0.6, source=source, color=colours.series[0], line_color=None, alpha=0.6)
    _shares(figure, levels, colours)
    figure.xaxis[0].axis_label = title
    _point_out(figure, [("", "@x"), ("", "@top{0.0 %}")])
    return _json(figure)


def _shares(figure: Any, levels: Sequence[tuple[str, float]], colours: Palette) -> None:
    _numbers(figure.yaxis[0], "0 %")
    for name, rate in levels:
        _level(figure, rate, name, colours)


def _room(costs: Sequence[float]) -> tuple[float, float]:
    """From nothing to beyond the dearest, so that its name fits beside the dot."""
    return 0.0, (max(costs) or 1.0) * 1.35


def _figure(colours: Palette, **options: Any) -> Any:
    from bokeh.plotting import figure  # half a second of import that only chart requests should pay

    made = figure(height=HEIGHT_PX, sizing_mode="stretch_width", toolbar_location=None, tools="", **options)
    made.background_fill_color = made.border_fill_color = made.outline_line_color = None
    made.xgrid.grid_line_color = None
    made.ygrid.grid_line_color = colours.line
    for axis in made.axis:
        axis.axis_line_color = axis.major_tick_line_color = colours.line
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = colours.soft
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
    return made


def _source(**columns: Any) -> Any:
    from bokeh.models import ColumnDataSource

    return ColumnDataSource(columns)


def _numbers(axis: Any, pattern: str) -> None:
    from bokeh.models import NumeralTickFormatter

    axis.formatter = NumeralTickFormatter(format=pattern)


def _point_out(figure: Any, tooltips: list[tuple[str, str]], **options: Any) -> None:
    from bokeh.models import HoverTool

    figure.add_tools(HoverTool(tooltips=tooltips, **options))


def _level(figure: Any, at: float, label: str, colours: Palette) -> None:
    from bokeh.models.annotations import Label, Span

    figure.add_layout(Span(location=at, dimension="width", line_color=colours.soft, line_dash="dashed", line_width=1))
    if label:
        text = Label(x=4, y=at, x_units="screen", y_offset=2, text=label, text_color=colours.soft)
        text.text_font, text.text_font_size = FONT, "11px"
        figure.add_layout(text)


def _named(figure: Any, source: Any, colours: Palette) -> None:
    from bokeh.models.annotations import LabelSet

    figure.add_layout(
        LabelSet(x="x", y="y", text="name", source=source, x_offset=9, y_offset=5, text_color=colours.ink,
                 text_font={"value": FONT}, text_font_size="12px")
    )  # fmt: skip


def _legend(figure: Any, colours: Palette) -> None:
    for legend in figure.legend:
        legend.location = "bottom_right"
        legend.background_fill_alpha = 0
        legend.border_line_color = None
        legend.label_text_color, legend.label_text_font, legend.label_text_font_size = colours.ink, FONT, "12px"


def _json(figure: Any) -> dict[str, Any]:
    from bokeh.embed import json_item

    return dict(json_item(figure))
