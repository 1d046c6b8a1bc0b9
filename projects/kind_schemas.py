"""What the API says of kinds of work."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from ninja import Schema

from projects.kind_report import Example, Report, Row
from projects.models import KindFit


class FitIn(Schema):
    """`seed` of the sample; the same log and seed give the same kinds."""

    seed: int | None = None


class NameIn(Schema):
    name: str


class FitOut(Schema):
    id: int
    state: str
    sentence: str
    step: str
    share_done: float | None
    seed: int
    created_at: datetime
    finished_at: datetime | None
    since: datetime | None
    until: datetime | None
    n_calls: int
    n_private: int
    n_without_prompt: int
    n_sampled: int
    n_embedded: int
    embedding_seconds: float
    embedding_model: str
    agreement: float | None
    kept_share: float | None

    @classmethod
    def of(cls, fit: KindFit) -> FitOut:
        plain = {name: getattr(fit, name) for name in cls.model_fields if name != "embedding_seconds"}
        return cls(**plain, embedding_seconds=fit.seconds)


class KindOut(Schema):
    """`number` stays through refits. Calls and cost are estimates for the window; `n_seen` calls were looked at."""

    number: int | None
    name: str | None
    named_by: str | None
    is_new: bool
    terms: list[str]
    templates: list[dict[str, Any]]
    share: float | None
    cost_share: float | None
    n_seen: int
    n_calls: float
    n_priced: int
    cost_usd: Decimal | None
    usd_a_call: Decimal | None
    p50_ms: float | None
    p95_ms: float | None
    n_judged: int
    quality: float | None
    n_arrived: int

    @classmethod
    def of(cls, row: Row) -> KindOut:
        kind, told = row.kind, row.figures
        names = ("n_seen", "n_calls", "n_priced", "cost_usd", "usd_a_call", "p50_ms", "p95_ms", "n_judged", "quality")
        return cls(
            number=kind.number if kind else None,
            name=kind.name if kind else None,
            named_by=kind.named_by if kind else None,
            is_new=kind.is_new if kind else False,
            terms=kind.terms if kind else [],
            templates=kind.shapes if kind else [],
            share=row.share,
            cost_share=row.cost_share,
            n_arrived=row.n_arrived,
            **{name: getattr(told, name) for name in names},
        )


class EmbeddingsOut(Schema):
    day: str
    n_prompts: int
    seconds: float


class KindsOut(Schema):
    """`fit` holds, `current` is under way. `cache` and `batch`: what those would have answered of the newest calls."""

    fit: FitOut | None
    current: FitOut | None
    kinds: list[KindOut]
    unlike_any: KindOut | None
    stranger_share: float | None
    why_anew: str
    cache: dict[str, Any] | None
    batch: dict[str, Any] | None
    embeddings: list[EmbeddingsOut]
    n_embeddings_left_today: int

    @classmethod
    def of(cls, told: Report) -> KindsOut:
        return cls(
            fit=FitOut.of(told.fit) if told.fit else None,
            current=FitOut.of(told.current) if told.current else None,
            kinds=[KindOut.of(row) for row in told.rows],
            unlike_any=KindOut.of(told.strangers) if told.strangers else None,
            stranger_share=told.stranger_share,
            why_anew=told.why_anew,
            cache=told.knows.get("cache"),
            batch=told.knows.get("batch"),
            embeddings=[
                EmbeddingsOut(day=each.day.isoformat(), n_prompts=each.n_prompts, seconds=each.seconds)
                for each in told.days
            ],
            n_embeddings_left_today=told.n_left_today,
        )


class ExampleOut(Schema):
    event_id: str
    started_at: datetime
    similarity: float
    snippet: str

    @classmethod
    def of(cls, example: Example) -> ExampleOut:
        return cls(**{name: getattr(example, name) for name in cls.model_fields})


class OneKindOut(Schema):
    kind: KindOut
    typical: list[ExampleOut]
    fringe: list[ExampleOut]
