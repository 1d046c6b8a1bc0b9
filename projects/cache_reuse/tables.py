"""The rows a reader sees: by size of the cache, by lifetime, by rule of sending, by model, by session, and the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.cache_reuse import hits, kv, prompts, switching, tree
from projects.cache_reuse.affinity import Affinity
from projects.cache_reuse.hits import Ints, Trace
from projects.cache_reuse.pricing import Setting, Way
from projects.cache_reuse.prompts import Call

LIFETIMES_S = {"1 min": 60.0, "5 min": 300.0, "15 min": 900.0, "1 h": 3_600.0, "4 h": 14_400.0, "24 h": 86_400.0}
N_SIZES = 16
N_SESSIONS = 20
Row = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Calls with what all tables need of them; `shape` is whose keys and values the memory is reckoned for."""

    calls: Sequence[Call]
    setting: Setting
    shape: str | None

    @cached_property
    def trace(self) -> Trace:
        return prompts.trace(self.calls, self.setting.block_chars)

    @cached_property
    def tokens(self) -> list[int]:
        """Input tokens a call."""
        return [self.setting.scale.tokens(call) for call in self.calls]

    @cached_property
    def n_different(self) -> int:
        """Different blocks in all."""
        return int((self.trace.previous < 0).sum())

    @cached_property
    def tokens_a_block(self) -> NDArray[np.float64]:
        """A block has the same characters everywhere, but not the same tokens."""
        a_char = [tokens / max(call.chars, 1) for tokens, call in zip(self.tokens, self.calls, strict=True)]
        return np.array(a_char, dtype=np.float64) * self.setting.block_chars

    def read(self, found: Ints) -> float:
        """Tokens that leading blocks stand for."""
        return float((found * self.tokens_a_block).sum())

    def share(self, found: Ints) -> float | None:
        """Of all input tokens; None without any."""
        total = sum(self.tokens)
        return self.read(found) / total if total else None

    def gb(self, n_blocks: int) -> float | None:
        """Memory of so many blocks; None when the model's shape is not known."""
        return kv.SHAPES[self.shape].gb(n_blocks * self.setting.block_tokens) if self.shape else None


def sizes(n_different: int) -> list[int]:
    """Round numbers of blocks up to all there are."""
    steps = [step * 10**power for power in range(2, 9) for step in (1, 2, 5)]
    return [*[size for size in steps if size < n_different][-N_SIZES:], *([n_different] if n_different else [])]


def by_size(sample: Sample) -> list[Row]:
    """Share of the tokens that an LRU cache of each size answers."""
    wanted, total = sizes(sample.n_different), sum(sample.tokens)
    sums = hits.lru_sums(sample.trace, wanted, sample.tokens_a_block)
    return [
        {"n_blocks": size, "rate": answered / total if total else None, "gb": sample.gb(size)}
        for size, answered in zip(wanted, sums, strict=True)
    ]


def by_lifetime(sample: Sample) -> list[Row]:
    """The same by how long a block is kept after its last use, with the most that is kept at one moment."""
    rows = []
    for name, lifetime_s in LIFETIMES_S.items():
        most = hits.most_alive(sample.trace, lifetime_s)
        found = hits.with_lifetime(sample.trace, lifetime_s)
        rows.append(
            {"name": name, "seconds": lifetime_s, "rate": sample.share(found), "n_blocks": most, "gb": sample.gb(most)}
        )
    return rows


def by_rule(sample: Sample, rules: Sequence[Affinity]) -> list[Row]:
    """What each rule of sending calls to servers lets their caches answer."""
    return [
        {
            "name": each.name,
            "title": each.title,
            "n_named": each.n_named,
            "busiest": each.busiest,
            "rate": sample.share(each.found),
        }
        for each in rules
    ]


def by_way(offered: dict[str, list[Way]], chosen: Sequence[Way]) -> Iterator[Row]:
    """Each way of each model with what it reads and costs; `is_chosen` the cheapest."""
    for way in (way for found in offered.values() for way in found):
        yield {
            "model": way.model,
            "charging": str(way.charging),
            "marks": way.marks,
            "lifetime": way.lifetime,
            "read_tokens": way.read,
            "written_tokens": sum(use.written for use in way.uses),
            "usd": way.usd,
            "n_calls": len(way.positions),
            "is_chosen": any(way is each for each in chosen),
        }


def switches(sample: Sample, chosen: Sequence[Way]) -> Iterator[Row]:
    """What leaving each model costs while its cache is warm: at its own prices, in the mean over warm calls."""
    for way in chosen:
        warm = [use.read for use in way.uses if use.read]
        mean = round(sum(warm) / len(warm)) if warm else 0
        rates = sample.calls[way.positions[-1]].rates
        loss = switching.switch_loss(mean, old=rates, new=rates, lifetime=way.lifetime)
        yield {
            "model": way.model,
            "n_calls": len(way.uses),
            "n_warm": len(warm),
            "warm_tokens": mean if warm else None,
            "lost_usd": loss.lost_usd if warm else None,
        }


def by_session(sample: Sample) -> list[Row]:
    """The sessions with most tokens: what of them the session itself had sent before, and what any call had."""
    named = [call.session or f"\0{at}" for at, call in enumerate(sample.calls)]
    own = hits.unlimited(sample.trace.shared_within(named)) * sample.tokens_a_block
    any_call = hits.unlimited(sample.trace) * sample.tokens_a_block
    rows: dict[str, Row] = {}
    for at, call in enumerate(sample.calls):
        if call.session is None:
            continue
        row = rows.setdefault(
            call.session, {"session": call.session, "n_calls": 0, "tokens": 0, "own": 0.0, "any": 0.0}
        )
        row["n_calls"] += 1
        row["tokens"] += sample.tokens[at]
        row["own"] += float(own[at])
        row["any"] += float(any_call[at])
    found = sorted(rows.values(), key=lambda row: (-row["tokens"], row["session"]))[:N_SESSIONS]
    return [_in_shares(row) for row in found]


def _in_shares(row: Row) -> Row:
    own, whole, tokens = row.pop("own"), row.pop("any"), row["tokens"]
    return {**row, "own_rate": own / tokens if tokens else None, "rate": whole / tokens if tokens else None}


def stretches(sample: Sample) -> list[Row]:
    """The tree of shared prefixes, flat, each with its depth."""
    nodes = tree.tree(sample.calls, sample.trace, sample.setting.block_chars)
    size = sample.setting.block_tokens
    return [
        {
            "depth": depth,
            "model": node.model,
            "role": node.role,
            "snippet": node.snippet,
            "begin_tokens": node.begin * size,
            "tokens": node.n_blocks * size,
            "n_calls": node.n_calls,
            "n_sessions": node.n_sessions,
            "n_parted": node.n_parted,
            "saved_tokens": node.n_saved * size,
        }
        for depth, node in tree.flat(nodes)
    ]
