"""Which calls a batch API could have answered, at half the price within a day: a rule that can be read and checked.

A call waits for nobody where the log shows no sign of it. Signs that somebody waits: it was streamed; it offers tools
or answers them, so that an agent goes on with what it says; it goes on a conversation; or the same session or trace
called again within a day. Where the log would not show such a sign, nothing is claimed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

DAY_S = 86_400.0
HALF = Decimal("0.5")
MOST_MESSAGES = 2  # instructions and one question

COULD, UNKNOWN = "could", "unknown"
REASONS = {
    COULD: "Nobody is seen to wait: a batch could answer it within a day.",
    "already": "It was sent in a batch.",
    "failed": "It was not answered by a model.",
    "streamed": "It was streamed: somebody read along.",
    "tools": "It offers tools: an agent goes on with the answer.",
    "conversation": "It goes on a conversation.",
    "followed": "Its session or trace called again within a day.",
    UNKNOWN: "The log tells neither whether it was streamed nor of which session or trace it is.",
}


@dataclass(frozen=True, slots=True)
class Made:
    """One call as it was made. `batch_usd`: what a batch would have cost at the option's own price, None if unknown."""

    at_s: float
    stream: bool | None
    has_tools: bool
    n_messages: int
    is_answered: bool
    is_batch: bool
    session: str | None = None
    trace: str | None = None
    cost_usd: Decimal | None = None
    batch_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Batched:
    """Of all calls seen: how many for each reason, and what those that could wait cost.

    `saved_usd` at known batch prices of `n_priced` calls; `half_usd` what half of the known cost would be.
    """

    n_calls: int
    by_reason: dict[str, int]
    n_priced: int
    saved_usd: Decimal | None
    half_usd: Decimal | None

    @property
    def share(self) -> float | None:
        return self.by_reason.get(COULD, 0) / self.n_calls if self.n_calls else None


def advise(calls: Sequence[Made]) -> Batched:
    """The share that could wait, and the saving."""
    told = reasons(calls)
    could = [call for call, reason in zip(calls, told, strict=True) if reason == COULD]
    priced = [(each.cost_usd, each.batch_usd) for each in could]
    savings = [cost - batch for cost, batch in priced if cost is not None and batch is not None]
    costs = [each.cost_usd for each in could if each.cost_usd is not None]
    return Batched(
        n_calls=len(calls),
        by_reason=dict(Counter(told).most_common()),
        n_priced=len(savings),
        saved_usd=sum(savings, Decimal(0)) if savings else None,
        half_usd=sum(costs, Decimal(0)) * HALF if costs else None,
    )


def reasons(calls: Sequence[Made]) -> list[str]:
    """A code of REASONS a call, in the order given."""
    followed = _followed((call.session for call in calls), calls) | _followed((call.trace for call in calls), calls)
    return [_reason(call, at in followed) for at, call in enumerate(calls)]


def _reason(call: Made, is_followed: bool) -> str:
    signs = {
        "already": call.is_batch,
        "failed": not call.is_answered,
        "streamed": bool(call.stream),
        "tools": call.has_tools,
        "conversation": call.n_messages > MOST_MESSAGES,
        "followed": is_followed,
        UNKNOWN: call.stream is None or not (call.session or call.trace),
    }
    return next((reason for reason, holds in signs.items() if holds), COULD)


def _followed(names: Iterable[str | None], calls: Sequence[Made]) -> set[int]:
    """Calls after which one of the same name began within a day."""
    by_name: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for at, (name, call) in enumerate(zip(names, calls, strict=True)):
        if name:
            by_name[name].append((call.at_s, at))
    found: set[int] = set()
    for told in by_name.values():
        told.sort()
        found |= {at for (when, at), (later, _) in pairwise(told) if later - when <= DAY_S}
    return found
