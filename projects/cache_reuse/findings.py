"""Everything that is told of a sample of calls: how much a cache answers, what it takes and saves, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra.errors import Invalid
from projects.cache_reuse import hits, kv, pricing, tables
from projects.cache_reuse.advice import Advice, advise
from projects.cache_reuse.affinity import affinities
from projects.cache_reuse.money import LIFETIMES_S, MINIMUM_TOKENS, Bill, bill
from projects.cache_reuse.pricing import NONE, Setting
from projects.cache_reuse.prompts import Call, Scale
from projects.cache_reuse.tables import Row, Sample

MAX_BLOCK_TOKENS, MAX_SERVERS = 8_192, 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be chosen. `shape` is a name of kv.SHAPES for the memory, None = the model's own if it is published.

    Raises Invalid for what cannot be reckoned with.
    """

    block_tokens: int = 128
    n_servers: int = 4
    minimum_tokens: int = MINIMUM_TOKENS
    shape: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.block_tokens <= MAX_BLOCK_TOKENS:
            raise Invalid(f"A block holds between 1 and {MAX_BLOCK_TOKENS:,} tokens.", field="block_tokens")
        if not 1 <= self.n_servers <= MAX_SERVERS:
            raise Invalid(f"There are between 1 and {MAX_SERVERS:,} servers.", field="n_servers")
        if not 0 <= self.minimum_tokens <= 1_000_000:
            raise Invalid("The shortest cached prefix lies between 0 and 1,000,000 tokens.", field="minimum_tokens")
        if self.shape is not None and self.shape not in kv.SHAPES:
            raise Invalid(f"The shape is one of {', '.join(kv.SHAPES)}.", field="shape")


@dataclass(frozen=True, slots=True)
class Findings:
    """Rates are shares of the input tokens in [0, 1], None without any; money is USD of the sample."""

    n_calls: int
    n_sessions: int
    input_tokens: int
    n_token_counts: int
    chars_a_token: float
    is_scale_assumed: bool
    n_different_blocks: int
    shape: str | None
    gb: float | None
    unlimited: float | None
    within_session: float | None
    at_provider: float | None
    reported: float | None
    n_reported: int
    bill: Bill
    by_size: list[Row]
    by_lifetime: list[Row]
    by_rule: list[Row]
    by_way: list[Row]
    switches: list[Row]
    sessions: list[Row]
    tree: list[Row]
    advice: list[Advice]


def find(calls: Sequence[Call], asked: Asked) -> Findings:
    """All of it, from calls that rise in time. The same calls and questions give the same findings."""
    scale = Scale.of(calls)
    sample = Sample(calls, Setting(scale, asked.block_tokens, asked.minimum_tokens), asked.shape or _shape(calls))
    offered = pricing.ways(calls, sample.setting)
    chosen = [pricing.cheapest(found) for found in offered.values()]
    unused = [next(way for way in found if way.marks == NONE) for found in offered.values()]
    rules = affinities(calls, sample.trace, n_servers=asked.n_servers, lifetime_s=LIFETIMES_S["5m"])
    total = sum(sample.tokens)
    sessions = [call.session or f"\0{at}" for at, call in enumerate(calls)]
    reported, n_reported = _reported(calls)
    return Findings(
        n_calls=len(calls),
        n_sessions=len({call.session for call in calls} - {None}),
        input_tokens=total,
        n_token_counts=sum(call.tokens.input_total is not None for call in calls),
        chars_a_token=scale.chars_a_token,
        is_scale_assumed=scale.is_assumed,
        n_different_blocks=sample.n_different,
        shape=sample.shape,
        gb=sample.gb(sample.n_different),
        unlimited=sample.share(hits.unlimited(sample.trace)),
        within_session=sample.share(hits.unlimited(sample.trace.shared_within(sessions))),
        at_provider=pricing.read(chosen) / total if total else None,
        reported=reported,
        n_reported=n_reported,
        bill=bill(calls, pricing.costs(unused, len(calls)), pricing.costs(chosen, len(calls))),
        by_size=tables.by_size(sample),
        by_lifetime=tables.by_lifetime(sample),
        by_rule=tables.by_rule(sample, rules),
        by_way=list(tables.by_way(offered, chosen)),
        switches=list(tables.switches(sample, chosen)),
        sessions=tables.by_session(sample),
        tree=tables.stretches(sample),
        advice=advise(sample, offered, chosen, rules),
    )


def _shape(calls: Sequence[Call]) -> str | None:
    """The shape of the models in use, if all of them have the same published one."""
    names = {kv.shape_name(call.model) for call in calls}
    return names.pop() if len(names) == 1 else None


def _reported(calls: Sequence[Call]) -> tuple[float | None, int]:
    """Share of the input that providers say they read from a cache, over the calls of which they say so."""
    told = [
        (call.tokens.cache_read, total)
        for call in calls
        if call.tokens.cache_read is not None and (total := call.tokens.input_total) is not None and total > 0
    ]
    whole = sum(total for _, total in told)
    return (sum(read for read, _ in told) / whole if whole else None), len(told)
