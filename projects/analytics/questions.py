"""The typed questions that analytics answers. Pure; every name comes out of the vocabulary, each number its limits."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from projects.analytics.vocabulary import DIMENSIONS, FIGURES, MEASURES
from projects.workloads import Purpose

LONGEST = timedelta(days=3700)
Value = StrictBool | StrictInt | Annotated[str, Field(max_length=500)] | None


def _one_of(names: Collection[str], what: str) -> AfterValidator:
    def known(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name[:60]!r} is no {what}; there are {', '.join(names)}.")
        return name

    return AfterValidator(known)


def _listed(names: Collection[str]) -> Any:
    """The names in the API's schema."""
    return Field(json_schema_extra={"enum": list(names)})


@cache
def _zones() -> frozenset[str]:
    """Looked up once: it walks through the files of all zones."""
    return frozenset(zoneinfo.available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name[:60]!r} is no time zone of the IANA list, such as Europe/Berlin.")
    return name


DimensionName = Annotated[str, _one_of(DIMENSIONS, "dimension"), _listed(DIMENSIONS)]
MeasureName = Annotated[str, _one_of(MEASURES, "measure"), _listed(MEASURES)]
FigureName = Annotated[str, _one_of(FIGURES, "figure"), _listed(FIGURES)]
ZoneName = Annotated[str, AfterValidator(_zone)]
Level = Annotated[float, Field(gt=0, lt=1)]


class Grain(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Strict):
    """What one statement may take from the store; past it the answer is an error that says what to narrow."""

    rows: int = Field(default=4_000_000, ge=1_000, le=100_000_000)
    seconds: float = Field(default=10, ge=0.05, le=60)
    memory_mb: int = Field(default=600, ge=16, le=2_000)


class ByDimension(_Strict):
    """Calls whose dimension is, or is not, one of these; null stands for unknown."""

    dimension: DimensionName
    is_: list[Value] | None = Field(default=None, alias="is", min_length=1, max_length=200)
    is_not: list[Value] | None = Field(default=None, min_length=1, max_length=200)
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.is_ is None) == (self.is_not is None):
            raise ValueError("a filter takes either `is` or `is_not`")
        return self


class ByMeasure(_Strict):
    """Calls whose measure is known and lies in [at_least, below)."""

    measure: MeasureName
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("a filter on a measure takes `at_least`, `below` or both")
        return self


class Window(_Strict):
    """[since, until), both with their offset from UTC."""

    since: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.since >= self.until:
            raise ValueError("`since` lies before `until`")
        if self.until - self.since > LONGEST:
            raise ValueError("a window is at most ten years long")
        if not 1971 <= self.since.year <= self.until.year <= 2100:
            raise ValueError("a window lies between 1971 and 2100")
        return self

    @property
    def span(self) -> tuple[datetime, datetime]:
        return self.since, self.until


class Question(Window):
    """What all questions share: a window, which calls, and a budget."""

    purposes: tuple[Purpose, ...] = Field(default=(Purpose.INGESTED, Purpose.LIVE), min_length=1, max_length=5)
    filters: tuple[ByDimension | ByMeasure, ...] = Field(default=(), max_length=20)
    budget: Budget = Budget()


class Aggregate(Question):
    """Figures by dimensions and time; `compare` puts each beside the same figure of another window."""

    analysis: Literal["aggregate"] = "aggregate"
    figures: tuple[FigureName, ...] = Field(default=("calls",), min_length=1, max_length=16)
    dimensions: tuple[DimensionName, ...] = Field(default=(), max_length=3)
    grain: Grain | None = None
    time_zone: ZoneName = "UTC"
    compare: Literal["previous", "week_before"] | Window | None = None
    order_by: FigureName | None = None
    descending: bool = True
    limit: int = Field(default=100, ge=1, le=5_000)
    accuracy: Literal["auto", "exact"] = "auto"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name in ("figures", "dimensions"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"each of `{name}` is asked for once")
        if self.order_by is not None and self.order_by not in self.figures:
            raise ValueError("`order_by` is one of the figures asked for")
        return self


class Percentiles(Question):
    """Exact percentiles of a measure at any levels, by one dimension at most."""

    analysis: Literal["percentiles"]
    measure: MeasureName
    levels: tuple[Level, ...] = Field(default=(0.5, 0.9, 0.95, 0.99), min_length=1, max_length=20)
    dimension: DimensionName | None = None
    time_zone: ZoneName = "UTC"
    limit: int = Field(default=100, ge=1, le=1_000)


class Distribution(Question):
    """How a measure is spread: calls a bin, of equal width, or of equal ratio (`log`)."""

    analysis: Literal["distribution"]
    measure: MeasureName
    bins: int = Field(default=30, ge=1, le=200)
    scale: Literal["linear", "log"] = "linear"


class Correlation(Question):
    """Each pair of measures over the calls that have both."""

    analysis: Literal["correlation"]
    measures: tuple[MeasureName, ...] = Field(min_length=2, max_length=8)
    method: Literal["pearson", "spearman"] = "pearson"


class Clusters(Question):
    """Calls that are alike in these measures: k-means over a seeded sample."""

    analysis: Literal["clusters"]
    measures: tuple[MeasureName, ...] = Field(min_length=1, max_length=6)
    k: int = Field(default=4, ge=2, le=12)
    scale: Literal["linear", "log"] = "log"
    sample: int = Field(default=5_000, ge=50, le=50_000)
    seed: int = Field(default=0, ge=0, lt=2**31)


class Sample(Question):
    """Calls drawn by their id and a seed; `by` draws as many of each value."""

    analysis: Literal["sample"]
    size: int = Field(default=100, ge=1, le=2_000)
    seed: int = Field(default=0, ge=0, lt=2**31)
    by: DimensionName | None = None
    time_zone: ZoneName = "UTC"
    measures: tuple[MeasureName, ...] = Field(default=("cost_usd", "duration_ms"), max_length=10)


class SpendChange(Question):
    """Why spend differs from another window: price, volume, length and mix, which add up to the difference."""

    analysis: Literal["spend_change"]
    by: tuple[DimensionName, ...] = Field(default=("model", "kind"), min_length=1, max_length=3)
    compare: Literal["previous", "week_before"] | Window = "previous"


class Forecast(Question):
    """What the days after the window will bring, with an interval; nothing is said on too little.

    `or_fewer`: where the history does not carry so many days, as many as it does.
    """

    analysis: Literal["forecast"]
    figure: Literal["calls", "cost_usd.sum"] = "cost_usd.sum"
    days: int = Field(default=30, ge=1, le=92)
    or_fewer: StrictBool = False
    coverage: float = Field(default=0.8, ge=0.5, le=0.95)
    time_zone: ZoneName = "UTC"


AnyQuestion = Annotated[
    Aggregate | Percentiles | Distribution | Correlation | Clusters | Sample | SpendChange | Forecast,
    Field(discriminator="analysis"),
]
