"""What a switch of model loses: the new model has read nothing yet. For advice, recommendations and live routing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from netra.prices import Rates


@dataclass(frozen=True, slots=True)
class SwitchLoss:
    """USD for the tokens that were warm, in one call. None = a price it needs is not known.

    `stayed_usd`: read once more from the old model's cache. `rebuilt_usd`: sent to the new model, which does not have
    them. `warm_usd`: what the new model charges once it has them.
    """

    warm_tokens: int
    stayed_usd: Decimal | None
    rebuilt_usd: Decimal | None
    warm_usd: Decimal | None

    @property
    def lost_usd(self) -> Decimal | None:
        """Paid once at the switch and never again: the price of the cold start itself."""
        return _less(self.rebuilt_usd, self.warm_usd)

    @property
    def dearer_usd(self) -> Decimal | None:
        """How much dearer this part of the first call is than staying would have been; negative when it is cheaper."""
        return _less(self.rebuilt_usd, self.stayed_usd)


def switch_loss(warm_tokens: int, *, old: Rates | None, new: Rates | None, lifetime: str = "5m") -> SwitchLoss:
    """The cost of losing `warm_tokens` of cached prefix when a conversation moves from one model to another.

    Where the new model charges for writing into its cache, that price holds for the first call, else the plain one.
    Prices are those of a call with at least that much input.
    """
    return SwitchLoss(
        warm_tokens,
        _times(warm_tokens, _rate(old, warm_tokens, "cache_read")),
        _times(warm_tokens, _first_rate(new, warm_tokens, f"cache_write_{lifetime}")),
        _times(warm_tokens, _rate(new, warm_tokens, "cache_read")),
    )


def calls_to_repay(loss: SwitchLoss, saved_a_call_usd: Decimal) -> int | None:
    """How many calls at the new price pay for the cold start; None when they never do or it is not known."""
    if loss.lost_usd is None or saved_a_call_usd <= 0:
        return None
    return max(0, int((loss.lost_usd / saved_a_call_usd).to_integral_value(ROUND_CEILING)))


def _rate(rates: Rates | None, tokens: int, name: str) -> Decimal | None:
    return None if rates is None else rates.at_size(tokens).of(name)


def _first_rate(rates: Rates | None, tokens: int, written: str) -> Decimal | None:
    price = _rate(rates, tokens, written)
    return price if price is not None else _rate(rates, tokens, "input")


def _times(tokens: int, rate: Decimal | None) -> Decimal | None:
    return None if rate is None else tokens * rate


def _less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other
