"""The parts of an overview, each a few sections: which there are, and one or all sections of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from netra.errors import NotFound, TooLarge
from projects.analytics import standing
from projects.overview import change, drivers, failures, latency, mix, outliers, spend
from projects.overview.asking import Asked
from projects.overview.shapes import Section

Builder = Callable[[Asked], Section]


@dataclass(frozen=True, slots=True)
class Later:
    """A section of another part that the page does not wait for: script fetches it, without script it is a link."""

    name: str
    part: str
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    title: str
    sections: Mapping[str, Builder]
    later: tuple[Later, ...] = ()


PARTS: Mapping[str, Part] = {
    "spend": Part(
        "Spend", {"spend": spend.spend, "forecast": spend.forecast}, (Later("why", "change", "Why spend changed"),)
    ),
    "change": Part("What changed", {"why": change.why, "difference": change.difference}),
    "latency": Part(
        "Latency",
        {"latency": latency.latency, "measures": latency.measures, "latency_models": latency.by_model},
    ),
    "failures": Part(
        "Errors and retries",
        {
            "errors": failures.errors,
            "causes": failures.causes,
            "waste": failures.waste,
            "refusals": failures.refusals,
            "endings": failures.endings,
            "outcomes": failures.outcomes,
        },
    ),
    "models": Part("Models", {"mix": mix.over_time, "models": mix.models, "kinds": mix.kinds}),
    "drivers": Part("Cost drivers", {"drivers": drivers.drivers}),
    "outliers": Part(
        "Outliers",
        {"days": outliers.days, "dear_calls": outliers.dear_calls, "slow_calls": outliers.slow_calls},
    ),
}
FIRST = "spend"


def sections(asked: Asked, name: str) -> list[Section]:
    """All sections of a part. One that does not fit its budget says so in place of its table."""
    with standing.moment():
        return [_built(asked, each, build) for each, build in PARTS[name].sections.items()]


def section(asked: Asked, name: str) -> Section:
    """One section by its name, of whatever part. Raises NotFound."""
    for part in PARTS.values():
        if name in part.sections:
            return _built(asked, name, part.sections[name])
    raise NotFound(f"There is no chart {name[:40]!r}.")


def _built(asked: Asked, name: str, build: Builder) -> Section:
    try:
        return build(asked)
    except TooLarge as refused:
        return Section(name, name.replace("_", " ").capitalize(), sentences=(str(refused),))
