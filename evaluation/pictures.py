"""What the charts of a recommendation show: evidence over pairs, and cost against quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.models import Recommendation
from netra import plots
from netra.errors import NotFound
from netra.plots import Palette, Placed


def chart(recommendation: Recommendation, name: str, scheme: str) -> dict[str, Any]:
    """One of a recommendation's charts, for Bokeh's script. Raises NotFound when it has none of that name."""
    findings, plan = recommendation.decision.get("findings", []), recommendation.run.plan
    colours = plots.palette(scheme)
    if findings and plan and name == "evidence":
        return _evidence(findings, float(plan["alpha"]), colours)
    if findings and name == "trade-off":
        return _trade_off(findings, colours)
    raise NotFound("There is no such chart of this recommendation.")


def _evidence(findings: Sequence[Mapping[str, Any]], alpha: float, colours: Palette) -> dict[str, Any]:
    paths = [(_short(finding), list(finding.get("trajectory") or ())) for finding in findings]
    return plots.evidence(paths, len(findings) / alpha, colours)


def _trade_off(findings: Sequence[Mapping[str, Any]], colours: Palette) -> dict[str, Any]:
    placed = [each for each in map(_placed, findings) if each is not None]
    todays = [finding["incumbent_cost_usd"] for finding in findings if finding.get("incumbent_cost_usd") is not None]
    if not placed or not todays:
        raise NotFound("The costs of this run are not known, so there is no trade-off to draw.")
    return plots.trade_off(placed, 1000 * float(todays[0]), colours)


def _placed(finding: Mapping[str, Any]) -> Placed | None:
    """None when cost, quality or its interval is not known."""
    quality = next((gate for gate in finding["gates"] if gate["name"] == "quality"), None)
    if quality is None or finding.get("mean_cost_usd") is None:
        return None
    bounds = [quality.get(name) for name in ("estimate", "low", "high")]
    if None in bounds:
        return None
    estimate, low, high = (100 * float(bound) for bound in bounds if bound is not None)
    return Placed(_short(finding), 1000 * float(finding["mean_cost_usd"]), estimate, low, high)


def _short(finding: Mapping[str, Any]) -> str:
    """The model without its provider: enough beside a dot, and the table has the whole name."""
    return str(finding["candidate"]).rsplit("/", 1)[-1]
