"""Small pictures as inline SVG from the server: sparklines, bars, forest plots, paths of evidence, trade-offs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

N_COLOURS = 6
GATE_TITLES = {
    "quality": "Quality",
    "safety": "Safety",
    "refusals": "Refusals",
    "errors": "Errors",
    "latency": "Over the latency limit",
    "cost": "Saving",
    "saving": "Saving",
    "utility": "Utility",
}


@register.simple_tag
def sparkline(values: Iterable[Any], label: str = "") -> SafeString | str:
    """A line without axes; unknown values leave a gap. Empty without two known values."""
    numbers = [None if value is None else float(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < 2:
        return ""
    top = max(known) or 1.0
    step = 100 / (len(numbers) - 1)
    points = " ".join(
        f"{at * step:.1f},{26 - 24 * number / top:.1f}" for at, number in enumerate(numbers) if number is not None
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline class="spark-line" points="{}"></polyline></svg>',
        label,
        points,
    )


@register.simple_tag
def columns(rows: Sequence[Mapping[str, Any]], name: str, label: str = "") -> SafeString | str:
    """One column a row, the highest as tall as the picture; unknown values leave a gap."""
    values = [None if row.get(name) is None else float(row[name]) for row in rows]
    top = max((value for value in values if value is not None), default=0.0)
    if not top:
        return ""
    width = 640 / len(values)
    drawn = (
        (
            round(at * width + 1, 1),
            round(150 - 140 * value / top, 1),
            round(max(width - 2, 1), 1),
            round(140 * value / top, 1),
        )
        for at, value in enumerate(values)
        if value is not None
    )
    bars = format_html_join("", '<rect class="bar-fill" x="{}" y="{}" width="{}" height="{}"></rect>', drawn)
    return format_html(
        '<svg class="drawing" viewBox="0 0 640 160" role="img" aria-label="{}; the table below holds the numbers">'
        '<line class="axis" x1="0" x2="640" y1="150" y2="150"></line>{}</svg>',
        label,
        bars,
    )


@register.simple_tag
def bar(share: Any, tone: str = "", label: str = "") -> SafeString | str:
    """A filled share of a line; empty when the share is not known."""
    if share is None:
        return ""
    width = 100 * max(0.0, min(1.0, float(share)))
    return format_html(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bar-back" width="100" height="8"></rect>'
        '<rect class="bar-fill {}" width="{}" height="8"></rect></svg>',
        label or f"{width:.0f} %",
        f"is-{tone}" if tone else "",
        f"{width:.2f}",
    )


@register.simple_tag
def forest(gates: Sequence[Mapping[str, Any]]) -> SafeString:
    """One line a gate: estimate and interval against the limit it must stay above. Larger is better on every line."""
    height = 34 * len(gates) + 30
    rows = format_html_join("", "{}", ((_gate(gate, 34 * at + 20),) for at, gate in enumerate(gates)))
    return format_html(
        '<svg class="drawing" viewBox="0 0 640 {}" role="img" aria-label="Gates with their estimates, intervals and '
        'limits; the table below holds the numbers">{}<text class="small" x="190" y="{}">worse</text>'
        '<text class="small" x="440" y="{}" text-anchor="end">better than the incumbent</text></svg>',
        height,
        rows,
        height - 6,
        height - 6,
    )


def _gate(gate: Mapping[str, Any], y: int) -> SafeString:
    """A line of its own scale: gates differ in unit, so only sides of the limit can be compared."""
    known = [float(gate[name]) for name in ("low", "high", "estimate", "limit") if gate.get(name) is not None]
    reach = max([abs(value) for value in known] + [0.01]) * 1.15

    def x(value: Any) -> float:
        return round(315 + 125 * max(-1.0, min(1.0, float(value) / reach)), 1)

    tone = "is-good" if gate["is_passed"] else "is-bad" if gate["is_failed"] else "is-warn"
    span = (
        format_html(
            '<line class="span {}" x1="{}" x2="{}" y1="{}" y2="{}"></line>', tone, x(gate["low"]), x(gate["high"]), y, y
        )
        if gate.get("low") is not None and gate.get("high") is not None
        else ""
    )
    dot = (
        format_html('<circle class="{}" cx="{}" cy="{}" r="5"></circle>', tone, x(gate["estimate"]), y)
        if gate.get("estimate") is not None
        else ""
    )
    return format_html(
        '<text class="label" x="0" y="{}">{}</text><line class="zero" x1="315" x2="315" y1="{}" y2="{}"></line>'
        '<line class="limit" x1="{}" x2="{}" y1="{}" y2="{}"></line>{}{}<text class="figure" x="455" y="{}">{}</text>',
        y + 4,
        GATE_TITLES.get(str(gate["name"]), str(gate["name"])),
        y - 12,
        y + 12,
        x(gate["limit"]),
        x(gate["limit"]),
        y - 12,
        y + 12,
        span,
        dot,
        y + 4,
        _written(gate),
    )


def _written(gate: Mapping[str, Any]) -> str:
    if gate.get("estimate") is None:
        return "no data yet"
    numbers = [gate["estimate"], gate.get("low"), gate.get("high")]
    told = [f"{100 * float(number):+.1f}".replace("-", "−") if number is not None else "–" for number in numbers]
    return f"{told[0]}  [{told[1]}, {told[2]}] %"


@register.simple_tag
def evidence_paths(findings: Sequence[Mapping[str, Any]], alpha: Any) -> SafeString | str:
    """The wealth of each candidate's weakest bet over the pairs seen, on a log scale, against what convinces: 1/α."""
    paths = [list(finding.get("trajectory") or ()) for finding in findings]
    longest = max((point[0] for path in paths for point in path), default=0)
    if longest < 2:
        return ""
    goal = math.log10(len(findings) / float(alpha))
    low, high = -goal, goal * 1.15
    lines = format_html_join(
        "",
        '<polyline class="path path-{}" points="{}"></polyline>',
        ((min(at + 1, N_COLOURS), _points(path, longest, low, high)) for at, path in enumerate(paths)),
    )
    y_goal, y_one = (_y(level, low, high) for level in (goal, 0.0))
    return format_html(
        '<svg class="drawing" viewBox="0 0 640 240" role="img" aria-label="Evidence over pairs; numbers in the table">'
        '<rect class="region-good" x="50" width="590" y="0" height="{}"></rect>'
        '<line class="limit" x1="50" x2="640" y1="{}" y2="{}"></line>'
        '<text class="small" x="54" y="{}">convincing</text>'
        '<line class="grid-line" x1="50" x2="640" y1="{}" y2="{}"></line>'
        '<text class="small" x="54" y="{}">no evidence</text>{}<text class="small" x="50" y="236">0</text>'
        '<text class="small" x="640" y="236" text-anchor="end">{} pairs</text>'
        "</svg>",
        y_goal,
        y_goal,
        y_goal,
        y_goal - 4,
        y_one,
        y_one,
        y_one - 4,
        lines,
        longest,
    )


def _y(level: float, low: float, high: float) -> float:
    return round(218 * (1 - (min(max(level, low), high) - low) / (high - low)), 1)


def _points(path: Sequence[Sequence[Any]], longest: int, low: float, high: float) -> str:
    return " ".join(
        f"{50 + 590 * float(n) / longest:.1f},{_y(math.log10(max(float(wealth), 1e-12)), low, high)}"
        for n, wealth in path
        if wealth is not None
    )


@register.simple_tag
def trade_off(findings: Sequence[Mapping[str, Any]]) -> SafeString | str:
    """Cost of a call (across) against quality relative to the incumbent (up), intervals as lines."""
    placed = [each for each in map(_place, findings) if each is not None]
    if not placed:
        return ""
    dearest = max(max(cost, old) for _, cost, old, *_ in placed) * 1.1
    reach = max([abs(value) for _, _, _, *bounds in placed for value in bounds] + [0.02]) * 1.2
    dots = format_html_join("", "{}", ((_dot(at, each, dearest, reach),) for at, each in enumerate(placed)))
    old_x = _x(placed[0][2], dearest)
    return format_html(
        '<svg class="drawing" viewBox="0 0 640 260" role="img" aria-label="Cost against quality; the table below holds '
        'the numbers"><line class="grid-line" x1="50" x2="640" y1="120" y2="120"></line>'
        '<line class="axis" x1="50" x2="640" y1="236" y2="236"></line>'
        '<rect class="fill-6" x="{}" y="115" width="10" height="10"></rect><text x="{}" y="108" text-anchor="middle">'
        'incumbent</text>{}<text class="small" x="50" y="252">cheaper</text>'
        '<text class="small" x="640" y="252" text-anchor="end">dearer per call</text>'
        '<text class="small" x="0" y="14">better</text><text class="small" x="0" y="230">worse</text></svg>',
        old_x - 5,
        old_x,
        dots,
    )


def _place(finding: Mapping[str, Any]) -> tuple[str, float, float, float, float, float] | None:
    quality = next((gate for gate in finding["gates"] if gate["name"] == "quality"), None)
    costs = (finding.get("mean_cost_usd"), finding.get("incumbent_cost_usd"))
    if quality is None or quality.get("estimate") is None or quality.get("low") is None or None in costs:
        return None
    bounds = (float(quality[name]) for name in ("estimate", "low", "high"))
    return (str(finding["candidate"]), float(costs[0]), float(costs[1]), *bounds)  # type: ignore[arg-type, return-value]


def _x(cost: float, dearest: float) -> float:
    return round(50 + 590 * cost / dearest, 1) if dearest else 50.0


def _dot(at: int, placed: tuple[str, float, float, float, float, float], dearest: float, reach: float) -> SafeString:
    name, cost, _, estimate, low, high = placed
    x, colour = _x(cost, dearest), min(at + 1, N_COLOURS)
    y, top, bottom = (round(120 - 100 * value / reach, 1) for value in (estimate, high, low))
    return format_html(
        '<line class="path path-{}" x1="{}" x2="{}" y1="{}" y2="{}"></line>'
        '<circle class="fill-{}" cx="{}" cy="{}" r="5"></circle><text x="{}" y="{}">{}</text>',
        colour,
        x,
        x,
        top,
        bottom,
        colour,
        x,
        y,
        min(x + 9, 520),
        y - 7 - 3 * (at % 3),
        name.rsplit("/", 1)[-1],
    )


@register.simple_tag
def time_bar(place: Any, tone: str = "", label: str = "") -> SafeString | str:
    """Where a call stands on a time line, and how long it takes; a short mark where its length is not known."""
    if place is None:
        return ""
    width = 0.7 if place.length is None else max(0.7, 100 * place.length)
    return format_html(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bar-back" width="100" height="8"></rect>'
        '<rect class="bar-fill {}" x="{}" width="{}" height="8"></rect></svg>',
        label or f"starts at {100 * place.begins:.0f} % of the time line",
        f"is-{tone}" if tone else "",
        f"{min(100 * place.begins, 100 - min(width, 100)):.2f}",
        f"{min(width, 100):.2f}",
    )
