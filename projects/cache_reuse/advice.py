"""What to change, each with its number: the prompt, its breakpoints, how long they are kept, which server is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from projects.cache_reuse import edits, hits, policies, pricing
from projects.cache_reuse.affinity import ONE, SPREAD, Affinity
from projects.cache_reuse.edits import Edit
from projects.cache_reuse.hits import Ints
from projects.cache_reuse.money import LIFETIMES_S, Charging, Use, input_cost, paid
from projects.cache_reuse.pricing import NONE, Way
from projects.cache_reuse.slots import Slot
from projects.cache_reuse.tables import Sample

MOST_CROWDED = 1.5  # times the even share of calls that the busiest server may get
WORTH_SHARE = 0.005  # of the input tokens; less is not worth a person's reading


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `tokens` more read from the cache, and `saved_usd`, both over the sample; None = not known."""

    code: str
    title: str
    sentence: str
    n_calls: int
    tokens: int | None
    saved_usd: Decimal | None
    slots: tuple[Slot, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()


def advise(
    sample: Sample, offered: dict[str, list[Way]], chosen: Sequence[Way], rules: Sequence[Affinity]
) -> list[Advice]:
    """All that is worth telling, what saves most first; where money is not known, what reads most."""
    found = [*_edits(sample, chosen), *_marks(sample, offered), *_lifetimes(offered)]
    found += [*_servers(sample, rules), *_short(sample)]
    return sorted(found, key=lambda each: (-(each.saved_usd or Decimal(0)), -(each.tokens or 0), each.code))


def _is_worth(sample: Sample, tokens: float) -> bool:
    return tokens > WORTH_SHARE * sum(sample.tokens)


def _edits(sample: Sample, chosen: Sequence[Way]) -> Iterator[Advice]:
    """Each edit is reckoned by serving all calls again as they would be after it, each model in its cheapest way."""
    for edit in edits.edits(sample.calls):
        after = pricing.best(edits.applied(sample.calls, edit), sample.setting)
        tokens = pricing.read(after) - pricing.read(chosen)
        if not _is_worth(sample, tokens):
            continue
        old, new = pricing.total(chosen), pricing.total(after)
        saved = None if old is None or new is None else old - new
        title, sentence = _edit_title(edit), _edit_sentence(edit) + _edit_marks(after)
        yield Advice("move_to_end", title, sentence, len(edit.changed), tokens, saved, edit.slots)


def _edit_title(edit: Edit) -> str:
    if edit.where == "tools":
        return "Send the tools in one order"
    kinds = list(dict.fromkeys(slot.kind for slot in edit.slots))
    named = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
    return f"Move the {named} from the {edit.where} to the end of the prompt"


def _edit_sentence(edit: Edit) -> str:
    first = edit.slots[0]
    if edit.where == "tools":
        return f"The same tools come in {first.n_values} different orders; each order is another prefix to a cache."
    return (
        f"At character {first.at_char:,} the {edit.where} changes from call to call "
        f"({first.n_values:,} different values), so that nothing after it can be read from a cache."
    )


def _edit_marks(after: Sequence[Way]) -> str:
    """A cache that must be asked for: the saving holds only if it is."""
    marks = sorted({policies.MARKS[way.marks] for way in after if way.marks in policies.MARKS and way.read})
    return f" Reckoned with cache breakpoints {', '.join(marks)}." if marks else ""


def _marks(sample: Sample, offered: dict[str, list[Way]]) -> Iterator[Advice]:
    """Where breakpoints go, for options that charge for writing."""
    for model, found in offered.items():
        at_5m = [way for way in found if way.lifetime == "5m"]
        best = pricing.cheapest(at_5m)
        before, against = _spent(sample, found)
        if best.charging != Charging.MARKED or best.marks == NONE or before is None or best.usd is None:
            continue
        if before > best.usd:
            title = f"{model}: set cache breakpoints {policies.MARKS[best.marks]}"
            sentence = f"Of all places for breakpoints this one costs least, writing included; compared with {against}."
            saved = before - best.usd
            yield Advice("breakpoint", title, sentence, len(best.positions), best.read, saved, facts=_costs(at_5m))


def _spent(sample: Sample, found: Sequence[Way]) -> tuple[Decimal | None, str]:
    """What a model's input cost until now; without any cache where the provider did not report it."""
    none = next(way for way in found if way.marks == NONE)
    told = [paid(sample.calls[at]) for at in none.positions]
    if None in told:
        return none.usd, "no cache at all"
    return sum((cost for cost in told if cost is not None), Decimal(0)), "what was paid"


def _costs(found: Sequence[Way]) -> tuple[tuple[str, Any], ...]:
    return tuple((policies.MARKS.get(way.marks, "no breakpoints"), way.usd) for way in found)


def _lifetimes(offered: dict[str, list[Way]]) -> Iterator[Advice]:
    """Whether an hour is worth its dearer writing."""
    for model, found in offered.items():
        short, long = ([way for way in found if way.lifetime == name and way.usd is not None] for name in ("5m", "1h"))
        if not long or not short:
            continue
        one, other = pricing.cheapest(short), pricing.cheapest(long)
        if one.usd is None or other.usd is None or other.usd >= one.usd:
            continue
        yield Advice(
            "lifetime",
            f"{model}: keep prefixes for one hour instead of five minutes",
            "Writing for an hour is dearer, but calls come too seldom for five minutes.",
            len(other.positions),
            other.read - one.read,
            one.usd - other.usd,
        )


def _servers(sample: Sample, rules: Sequence[Affinity]) -> Iterator[Advice]:
    """Which rule of sending recovers most of what spreading loses, without sending most calls to the same server."""
    spread = next(each for each in rules if each.name == SPREAD)
    named = [each for each in rules if each.name not in (SPREAD, ONE) and each.n_named]
    usable = [each for each in named if (each.busiest or 0) <= MOST_CROWDED * (spread.busiest or 0)]
    best = max(usable, key=lambda each: sample.read(each.found), default=None)
    if best is None or not _is_worth(sample, gained := sample.read(best.found) - sample.read(spread.found)):
        return
    lost = sample.read(next(each for each in rules if each.name == ONE).found) - sample.read(spread.found)
    yield Advice(
        "affinity",
        f"On several servers, send {best.title}",
        f"It recovers {100 * gained / lost:.0f} % of what is lost when calls go to the servers in turn. With a hosted "
        "model, name the same thing in the provider's cache key.",
        best.n_named,
        round(gained),
        _worth(sample, spread.found, best.found),
    )


def _worth(sample: Sample, old: Ints, new: Ints) -> Decimal | None:
    """USD that reading other leading blocks saves, without charges for writing; None when a price is not known."""
    total = Decimal(0)
    for at, call in enumerate(sample.calls):
        reads = (min(round(found[at] * sample.tokens_a_block[at]), sample.tokens[at]) for found in (old, new))
        before, after = (input_cost(call, Use(sample.tokens[at] - read, read)) for read in reads)
        if before is None or after is None:
            return None
        total += before - after
    return total


def _short(sample: Sample) -> Iterator[Advice]:
    """Prefixes that are shared, but shorter than what providers cache."""
    minimum = sample.setting.minimum_tokens
    found = hits.with_lifetime(sample.trace, LIFETIMES_S["5m"])
    short = np.where(found * sample.tokens_a_block < minimum, found, 0)
    n_calls, tokens = int((short > 0).sum()), sample.read(short)
    if _is_worth(sample, tokens):
        yield Advice(
            "too_short",
            f"Beginnings shorter than {minimum:,} tokens are shared, but not cached",
            f"{n_calls:,} calls share {tokens / n_calls:,.0f} tokens in the mean with an earlier one. Instructions or "
            "examples of use to all of them, put first, would carry them past what providers cache.",
            n_calls,
            round(tokens),
            _worth(sample, np.zeros_like(found), short),
        )
