"""What a page shows beside an event: its price and residual, its buckets, who told of it, its versions, its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from netra import prices
from netra.prices import DatedRates, Part, PriceBook
from netra.tokens import BUCKETS, Tokens
from projects import log_reading, record_reading, replayability, residual, traces
from projects.ingest.verdicts import FLAGS
from projects.log_filter import EventFilter
from projects.log_rows import BATCH_DISCOUNT_FLAG, PLACES
from projects.models import Import, Project

Event = Mapping[str, Any]
TURNS_SHOWN = 40


def of(project: Project, event: Event) -> dict[str, Any]:
    """Everything that stands beside an event on its page. Four small queries of the log."""
    tokens, records = tokens_of(event), record_reading.records(project.pk, event["event_id"])
    return {
        **_conversation(event),
        "tokens": tokens,
        "buckets": [(name, getattr(tokens, name)) for name in BUCKETS],
        "sum": _sum(tokens.input_total, tokens.output_total),
        "cost": Cost.of(event, prices.book(project.pk), _counted_by_recorder(event, records)),
        "told_total": _told_total(event),
        "flags": [(flag, FLAGS.get(flag, "")) for flag in event["flags"] if flag != "not_replayable"],
        "blocked": [(code, replayability.REASONS.get(code, "")) for code in event["not_replayable"]],
        "versions": _versions(project, event["event_id"]),
        "told": record_reading.told(event, records),
        **_tries(project.pk, event),
    }


def tokens_of(event: Event) -> Tokens:
    return Tokens(**{name: event[f"tok_{name}"] for name in BUCKETS})


def _sum(*counts: int | None) -> int | None:
    """None while any part is unknown: a sum of what happens to be known would look like a total."""
    return None if None in counts else sum(count for count in counts if count is not None)


def _told_total(event: Event) -> int | None:
    """The provider's own total, to hold the buckets against."""
    usage = event["usage_raw"]
    found = usage.get("total_tokens", usage.get("total")) if isinstance(usage, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


@dataclass(frozen=True, slots=True)
class Cost:
    """Recorded beside recomputed, the price row between them, and why they differ."""

    recorded_usd: Decimal | None
    computed_usd: Decimal | None
    share: Decimal | None
    dated: DatedRates | None
    priced_as: str
    parts: list[Part] = field(default_factory=list)
    # What today's price list gives, where that is not the stored figure.
    relisted_usd: Decimal | None = None
    explanations: list[residual.Explanation] = field(default_factory=list)

    @property
    def residual_usd(self) -> Decimal | None:
        """Recorded − recomputed."""
        if self.recorded_usd is None or self.computed_usd is None:
            return None
        return self.recorded_usd - self.computed_usd

    @classmethod
    def of(cls, event: Event, book: PriceBook, their_tokens: Tokens | None = None) -> Cost:
        tokens, is_batch = tokens_of(event), BATCH_DISCOUNT_FLAG in event["flags"]
        dated, model = _priced(event, book)
        now = None if dated is None else _rounded(prices.cost_usd(tokens, dated.rates, batch=is_batch))
        is_cached = event["outcome"] == "cached"
        relisted = None if is_cached or now == event["cost_usd"] else now
        case = replace(_case(event, book, dated, model), relisted_usd=relisted, their_tokens=their_tokens)
        return cls(
            recorded_usd=event["cost_recorded_usd"],
            computed_usd=event["cost_usd"],
            share=residual.share(case),
            dated=dated,
            priced_as=model,
            parts=[] if dated is None else _used(prices.parts(tokens, dated.rates, batch=is_batch)),
            relisted_usd=relisted,
            explanations=residual.explained(case),
        )


def _priced(event: Event, book: PriceBook) -> tuple[DatedRates | None, str]:
    """By the model that served it, else by the one asked for, as at import."""
    for model in (event["served_model"], event["requested_model"]):
        found = book.rates(event["provider"], model, event["started_at"]) if model else None
        if found is not None:
            return found, str(model)
    return None, ""


def _case(event: Event, book: PriceBook, dated: DatedRates | None, model: str) -> residual.Case:
    asked, tokens = event["requested_model"], tokens_of(event)
    other = book.rates(event["provider"], asked, event["started_at"]) if asked and asked != model else None
    return residual.Case(
        recorded_usd=event["cost_recorded_usd"],
        computed_usd=event["cost_usd"],
        tokens=tokens,
        flags=frozenset(event["flags"]),
        rates=dated.rates if dated else None,
        is_assumed=bool(dated and dated.is_assumed),
        is_negotiated=bool(dated and dated.is_negotiated),
        has_media=bool(event["has_images"] or event["tok_audio_in"] or event["tok_audio_out"]),
        is_cached_answer=event["outcome"] == "cached",
        other_model=asked or "",
        other_usd=_rounded(prices.cost_usd(tokens, other.rates)) if other and other != dated else None,
    )


def _counted_by_recorder(event: Event, records: Sequence[record_reading.Record]) -> Tokens | None:
    """The tokens that whoever recorded the cost had counted, where they are not the ones that were taken."""
    for each in records:
        if each.told.cost_recorded_usd == event["cost_recorded_usd"] is not None and each.told.tokens != Tokens():
            return None if each.told.tokens == tokens_of(event) else each.told.tokens
    return None


def _rounded(cost: Decimal | None) -> Decimal | None:
    return None if cost is None or cost >= 1_000_000 else cost.quantize(PLACES)


def _used(parts: Sequence[Part]) -> list[Part]:
    """Buckets that were used, and those without which nothing can be said."""
    return [part for part in parts if part.count or part.bucket in ("input_fresh", "output_visible")]


def _conversation(event: Event) -> dict[str, Any]:
    """The first and last messages of a long conversation, and how many stand between them."""
    turns, half = _turns(event["request"]), TURNS_SHOWN // 2
    choices = (event["response"] or {}).get("choices")
    chosen = choices[:TURNS_SHOWN] if isinstance(choices, list) else []
    is_long = len(turns) > TURNS_SHOWN
    return {
        "turns": turns[:half] if is_long else turns,
        "last_turns": turns[-half:] if is_long else [],
        "n_turns_between": len(turns) - 2 * half if is_long else 0,
        "answers": [each.get("message") for each in chosen if isinstance(each, dict)],
    }


def _turns(request: Mapping[str, Any] | None) -> list[Any]:
    found = request.get("messages") if request is not None else None
    return [turn for turn in found if isinstance(turn, dict)] if isinstance(found, list) else []


def _versions(project: Project, event_id: str) -> list[dict[str, Any]]:
    """Newest first, with the import that brought each, if it is still known."""
    found = log_reading.changes(project.pk, event_id)
    imports = Import.objects.filter(project=project).in_bulk([each["import_id"] for each in found])
    return [each | {"import": imports.get(each["import_id"])} for each in found]


def _tries(project_id: int, event: Event) -> dict[str, Any]:
    """Whether this call is a failed try that was made again, or the answer to such tries."""
    if not (event["trace_id"] and event["prompt_hash"]):
        return {"tried_again_as": None, "earlier_tries": []}
    asked = EventFilter(trace_id=event["trace_id"], is_demand=True)
    tries = traces.attempts(log_reading.calls(project_id, asked, limit=1_000).rows)
    event_id = event["event_id"]
    return {
        "tried_again_as": tries.get(event_id),
        "earlier_tries": [one for one, answer in tries.items() if answer == event_id][:20],
    }
