"""Why a recorded cost differs from the recomputed one: what fits exactly, else what may play in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from netra.prices import Rates, cost_usd
from netra.tokens import BUCKETS, Tokens

# Binary floats of dollars keep about fifteen digits: what is closer than that is no difference.
FLOAT_ERROR = Decimal("1e-12")
SAME = Decimal("0.0005")
# A source's price list may be a little different without another reason; more than this asks for one.
MARKED_UP = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one call's cost. `rates` None: no price; `other_usd`: at the price of the other model named."""

    recorded_usd: Decimal | None
    computed_usd: Decimal | None
    tokens: Tokens
    flags: frozenset[str] = frozenset()
    rates: Rates | None = None
    is_assumed: bool = False
    is_negotiated: bool = False
    has_media: bool = False
    is_cached_answer: bool = False
    other_model: str = ""
    other_usd: Decimal | None = None
    # What the source that recorded the cost had counted, where another's count was taken.
    their_tokens: Tokens | None = None
    # At today's list, where that differs from the stored figure.
    relisted_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`is_exact`: the figures fit it to the last digit, so it is what happened or a rare coincidence."""

    code: str
    sentence: str
    is_exact: bool = False


def share(case: Case) -> Decimal | None:
    """(recorded − recomputed) / recorded; None where either is unknown, or the recorded is 0."""
    if case.recorded_usd is None or case.computed_usd is None or not case.recorded_usd:
        return None
    return (case.recorded_usd - case.computed_usd) / case.recorded_usd


def explained(case: Case) -> list[Explanation]:
    """Exact explanations, if any fits; else everything that may play in. Empty only where both figures are the same."""
    if case.recorded_usd is None or case.computed_usd is None:
        return [*_unknown(case)]
    residual = case.recorded_usd - case.computed_usd
    if not residual:
        return []
    if abs(residual) <= _half_step(case.recorded_usd) or abs(residual) <= abs(case.recorded_usd) * FLOAT_ERROR:
        sentence = "Rounding: it is less than half of the last digit that the source wrote."
        return [Explanation("rounding", sentence, is_exact=True)]
    exact = [each for each in _exact(case) if each is not None]
    return exact or [*_possible(case)]


def _half_step(recorded: Decimal) -> Decimal:
    """Half of the last digit written; a cost of 0 says nothing of its precision."""
    exponent = recorded.normalize().as_tuple().exponent
    return Decimal(5).scaleb(int(exponent) - 1) if recorded else Decimal(0)


def _unknown(case: Case) -> Iterator[Explanation]:
    if case.recorded_usd is None:
        if "cost_unknown" in case.flags:
            yield Explanation("recorded_zero", "The source wrote 0 although tokens were used: unknown, not free.")
        elif "cost_currency_unknown" in case.flags:
            yield Explanation("currency", "The recorded cost is not in US dollars; it is kept in the metadata.")
        else:
            yield Explanation("not_recorded", "The source recorded no cost.")
    if case.computed_usd is None:
        yield from _not_computed(case)


def _not_computed(case: Case) -> Iterator[Explanation]:
    if case.tokens.input_fresh is None or case.tokens.output_visible is None:
        yield Explanation("no_usage", "Not recomputed: input or output tokens were not reported.")
    if any((getattr(case.tokens, name) or 0) < 0 for name in BUCKETS):
        yield Explanation("negative", "Not recomputed: the token counts contradict each other, one would be negative.")
    if case.rates is None:
        yield Explanation("price_unknown", "Not recomputed: no price of this model at that date is known.")
    elif "batch" in case.flags and case.rates.served_as("batch") is None:
        yield Explanation("batch_unknown", "Not recomputed: the model's price for batches is not known.")
    elif unpriced := _unpriced(case.tokens, case.rates):
        names = ", ".join(name.replace("_", " ") for name in unpriced)
        yield Explanation("bucket_unknown", f"Not recomputed: there is no price for its tokens in {names}.")
    if case.relisted_usd is not None:
        yield Explanation(
            "listed_since", "A price has come to be known since the import; recompute by importing again."
        )


def _unpriced(tokens: Tokens, rates: Rates) -> list[str]:
    of = {"input_fresh": "input", "output_visible": "output"}
    return [name for name in BUCKETS if getattr(tokens, name) and rates.of(of.get(name, name)) is None]


def _exact(case: Case) -> Iterator[Explanation | None]:
    """Each way in which a source is known to count otherwise, priced and held against what it recorded."""
    tokens, rates, is_batch = case.tokens, case.rates, "batch" in case.flags
    if case.is_cached_answer:
        yield Explanation(
            "cached_answer", "A response cache answered: nothing was paid, whatever was written.", is_exact=True
        )
    if _is_near(case.recorded_usd, case.relisted_usd):
        yield _fits("listed_since", "It is the price of today's list; the list has changed since the import.")
    if _is_near(case.recorded_usd, case.other_usd):
        yield _fits(
            "other_model", f"The source priced it as {case.other_model}; Netra prices the model that served it."
        )
    if case.their_tokens is not None and rates is not None:
        theirs = (cost_usd(case.their_tokens, rates, batch=batch) for batch in {is_batch, False})
        if any(_is_near(case.recorded_usd, each) for each in theirs):
            yield _fits("other_count", "The source that recorded the cost had counted other tokens.")
    for code, sentence, changed, batch in _recounts(tokens, is_batch=is_batch):
        if rates is not None and _is_near(case.recorded_usd, cost_usd(changed, rates, batch=batch)):
            yield _fits(code, sentence)
    if _is_near(case.recorded_usd, (case.computed_usd or Decimal(0)) * 100):
        yield _fits("cents", "It is exactly a hundred times the recomputed cost: the source may write cents.")
    if _is_near((case.recorded_usd or Decimal(0)) * 100, case.computed_usd):
        yield _fits("cents", "It is exactly a hundredth of the recomputed cost: cents were taken for dollars or back.")


def _recounts(tokens: Tokens, *, is_batch: bool) -> Iterator[tuple[str, str, Tokens, bool]]:
    read, hidden, fresh = tokens.cache_read or 0, tokens.reasoning or 0, tokens.input_fresh or 0
    if read:
        uncached = replace(tokens, input_fresh=fresh + read, cache_read=0)
        yield "cache_at_full_price", "The source charged cached input at the full input price.", uncached, is_batch
        twice = replace(tokens, input_fresh=fresh + read)
        yield "cache_twice", "The source charged cached input twice: within the input and beside it.", twice, is_batch
        free = replace(tokens, cache_read=0)
        yield "cache_for_nothing", "The source did not charge cached input at all.", free, is_batch
    if hidden:
        without = replace(tokens, reasoning=0)
        yield "without_reasoning", "The source left out the hidden reasoning tokens.", without, is_batch
        twice = replace(tokens, output_visible=(tokens.output_visible or 0) + hidden)
        yield "reasoning_twice", "The source charged hidden reasoning twice.", twice, is_batch
    if is_batch:
        yield "batch_at_full_price", "The source charged a batch call at the full price.", tokens, False
    else:
        yield "batch_price", "It is exactly the batch price: the call may have come through a batch.", tokens, True
    yield "input_only", "The source charged the input only.", replace(tokens, output_visible=0, reasoning=0), is_batch


def _possible(case: Case) -> Iterator[Explanation]:
    if {"usage_gateway_estimate", "usage_mismatch"} & case.flags:
        yield Explanation(
            "estimated", "The token counts are an estimate or contradict each other; so does the cost then."
        )
    if {"cache_semantics_assumed", "output_semantics_assumed"} & case.flags:
        yield Explanation("assumed_semantics", "What the counts include was assumed, since the source did not tell.")
    if case.their_tokens is not None:
        yield Explanation("other_count", "The source that recorded the cost had counted other tokens.")
    if unknown := _unknown_buckets(case.tokens):
        names = " and ".join(unknown)
        yield Explanation(
            "unknown_buckets",
            f"{names.capitalize()} tokens were not reported: if there were any, their price is missing.",
        )
    if case.is_negotiated:
        yield Explanation(
            "negotiated", "Netra used this project's negotiated price; the source may have used the list's."
        )
    else:
        yield Explanation(
            "agreed_elsewhere", "A discount or mark-up agreed with the provider is not in the price list."
        )
    if case.is_assumed:
        yield Explanation("assumed_price", "The price was first seen later and is assumed to have held at that date.")
    if case.has_media:
        yield Explanation("media", "Images, audio or files may be charged apart from tokens.")
    if "retried" in case.flags:
        yield Explanation("retried", "The source may have added up several attempts.")
    of = share(case)
    if of is not None and abs(of) > MARKED_UP:
        yield Explanation("other_price", "The two are far apart: the source may know the model under another price.")


def _unknown_buckets(tokens: Tokens) -> Sequence[str]:
    named = {"cache_read": "cached input", "reasoning": "hidden reasoning"}
    return [title for name, title in named.items() if getattr(tokens, name) is None]


def _fits(code: str, sentence: str) -> Explanation:
    return Explanation(code, sentence, is_exact=True)


def _is_near(one: Decimal | None, other: Decimal | None) -> bool:
    return one is not None and other is not None and bool(other) and abs(one - other) <= abs(other) * SAME
