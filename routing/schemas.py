"""What the supply API takes and gives. Money is USD as decimal text; people write prices per million tokens."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field

Count = Annotated[int, Field(ge=0, le=10**9)]
UsdPerMillion = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=24)]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class CatalogQuery(Strict):
    """A filter of the catalog; empty = all."""

    search: str = Field("", max_length=200)
    provider: str = Field("", max_length=80)
    mode: str = Field("chat", max_length=30)
    ability: str = Field("", max_length=30)
    certified: bool | None = None
    simulated: bool | None = None
    project: str | None = Field(None, max_length=60)
    limit: int = Field(100, ge=1, le=500)
    after: str = Field("", max_length=200)


class OptionOut(Schema):
    name: str
    provider: str
    model: str
    mode: str
    context_tokens: int | None
    max_output_tokens: int | None
    abilities: list[str]
    aliases: list[str]
    deprecates_on: date | None
    is_certified: bool
    is_simulated: bool
    is_gone: bool
    is_own: bool
    input_usd_per_million: Decimal | None
    output_usd_per_million: Decimal | None
    cache_read_usd_per_million: Decimal | None


class PriceOut(Schema):
    effective_from: datetime
    is_negotiated: bool
    is_assumed: bool
    rates_usd_per_token: dict[str, Any]
    source: str
    note: str


class OptionDetailOut(OptionOut):
    source: str
    note: str
    prices: list[PriceOut]


class CatalogOut(Schema):
    options: list[OptionOut]
    next: str | None


class EstimateIn(Strict):
    """Counts of tokens of one call, in disjoint kinds; `n_calls` multiplies the whole."""

    option: str = Field(max_length=200)
    project: str | None = Field(None, max_length=60)
    input_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_5m_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0
    audio_in_tokens: Count = 0
    audio_out_tokens: Count = 0
    images: Annotated[int, Field(ge=0, le=10_000)] = 0
    service: str | None = Field(None, max_length=30)
    n_calls: Annotated[int, Field(ge=1, le=10**9)] = 1
    at: datetime | None = None


class EstimateOut(Schema):
    option: str
    cost_usd: Decimal | None
    price_source: str | None
    effective_from: datetime | None
    is_assumed: bool | None
    is_negotiated: bool | None
    sentence: str


class PricesIn(Strict):
    """Prices in USD per million tokens."""

    input: UsdPerMillion
    output: UsdPerMillion
    cache_read: UsdPerMillion | None = None
    cache_write_5m: UsdPerMillion | None = None
    cache_write_1h: UsdPerMillion | None = None
    reasoning: UsdPerMillion | None = None
    audio_in: UsdPerMillion | None = None
    audio_out: UsdPerMillion | None = None


class NegotiatedPriceIn(Strict):
    """A project's own price of an option; without `prices` the list price holds again from then on."""

    option: str = Field(max_length=200)
    prices: PricesIn | None
    effective_from: datetime | None = None
    note: str = Field("", max_length=1_000)


class OwnOptionIn(Strict):
    """A model of the project's own, reached through the connection that its name begins with."""

    name: str = Field(max_length=200)
    prices: PricesIn
    context_tokens: Annotated[int, Field(ge=1, le=10**9)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=10**9)] | None = None
    abilities: list[Annotated[str, Field(max_length=30)]] = Field(default_factory=list, max_length=20)
    aliases: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=20)


class ConnectionIn(Strict):
    """`key` and `headers` are written and never read back."""

    name: str = Field(max_length=60)
    provider: str = Field(max_length=80)
    base_url: str = Field("", max_length=300)
    key: str | None = Field(None, max_length=4_096)
    headers: dict[str, str] | None = None
    max_concurrency: int = 8
    requests_per_minute: int | None = None
    deadline_s: float = 60.0
    unsupported_parameters: str = "send"


class ConnectionPatch(Strict):
    base_url: str | None = Field(None, max_length=300)
    key: str | None = Field(None, max_length=4_096)
    headers: dict[str, str] | None = None
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    deadline_s: float | None = None
    unsupported_parameters: str | None = None
    is_active: bool | None = None


class ConnectionOut(Schema):
    name: str
    provider: str
    base_url: str
    is_shared: bool
    has_key: bool
    has_headers: bool
    max_concurrency: int
    requests_per_minute: int | None
    deadline_s: float
    unsupported_parameters: str
    is_active: bool


class ConnectionCheckOut(Schema):
    is_reachable: bool
    sentence: str
    models: list[str]
