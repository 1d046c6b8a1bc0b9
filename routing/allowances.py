"""What may be spent and asked for: budgets kept before the call, and limits a minute.

A gateway process borrows slices of a budget from the database, with one conditional UPDATE each, and reserves every
call's worst case from what it has borrowed; so processes side by side never pass the budget together. What a killed
process had borrowed counts as spent until the window ends.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from django.db import close_old_connections
from django.db.models import F
from django.utils import timezone

from netra.errors import BudgetExhausted, Busy
from routing.models import Allowance, Spending

# A slice is this share of the budget: small enough that two processes do not starve each other.
SLICES = 50
_lock = threading.Lock()
_purses: dict[int, Purse] = {}


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_minute` units a minute, a minute's worth at most in one go."""

    per_minute: float
    held: float = field(init=False)
    filled_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.held = self.per_minute

    def take(self, amount: float, now: float) -> float:
        """Take an amount; 0.0 when it was there, else the seconds until it is. Waits a minute at most."""
        self.held = min(self.per_minute, self.held + (now - self.filled_at) * self.per_minute / 60)
        self.filled_at = now
        wanted = min(amount, self.per_minute)
        if wanted <= self.held:
            self.held -= amount
            return 0.0
        return (wanted - self.held) * 60 / self.per_minute


class Purse:
    """One allowance as this process knows it."""

    def __init__(self, allowance: Allowance) -> None:
        self.pk, self.name = allowance.pk, str(allowance)
        self._lock = threading.Lock()
        self._borrowing = threading.Lock()
        self._held = Decimal(0)
        self._window = datetime.min.replace(tzinfo=UTC)
        self.take_over(allowance)

    def take_over(self, allowance: Allowance) -> None:
        """Changed limits hold from now on."""
        self.budget_usd, self._kind = allowance.budget_usd, allowance.window
        self._requests = _bucket(getattr(self, "_requests", None), allowance.requests_per_minute)
        self._tokens = _bucket(getattr(self, "_tokens", None), allowance.tokens_per_minute)

    def admit(self, n_tokens: int) -> None:
        """Count a request against the limits a minute, which hold for this process. Raises Busy with the wait."""
        now = time.monotonic()
        for bucket, amount, what in ((self._requests, 1, "requests"), (self._tokens, n_tokens, "tokens")):
            wait_s = bucket.take(amount, now) if bucket is not None else 0.0
            if wait_s:
                raise Busy(f"The limit of {what} a minute is reached.", retry_after_s=wait_s, code="rate_limited")

    async def reserve(self, usd: Decimal) -> datetime:
        """Set money aside before a call, and tell of which window. Raises BudgetExhausted."""
        if self.budget_usd is None:
            return self._window
        while True:
            with self._lock:
                self._turn(timezone.now())
                if self._held >= usd:
                    self._held -= usd
                    return self._window
            if not await asyncio.to_thread(self._borrow, usd):
                budget = f"{self.budget_usd.normalize():f} USD {self._kind_words}"
                raise BudgetExhausted(f"The budget of {budget} does not cover this call.")

    def settle(self, window: datetime, reserved_usd: Decimal, charged_usd: Decimal) -> None:
        """Give back what a call did not cost; one that began in an earlier window gives nothing to this one."""
        if self.budget_usd is None:
            return
        with self._lock:
            if window == self._window:
                self._held += reserved_usd - charged_usd

    def give_back(self) -> None:
        """Return what is borrowed and unspent, when the process ends in peace."""
        with self._lock:
            held, self._held = self._held, Decimal(0)
        if held > 0:
            row = Spending.objects.filter(allowance_id=self.pk, starts_at=self._window)
            row.update(taken_usd=F("taken_usd") - held)

    @property
    def _kind_words(self) -> str:
        return str(Allowance.Window(self._kind).label)

    def _turn(self, now: datetime) -> None:
        """A new window begins with nothing borrowed."""
        starts_at = window_start(self._kind, now)
        if starts_at != self._window:
            self._window, self._held = starts_at, Decimal(0)

    def _borrow(self, usd: Decimal) -> bool:
        """Take a slice from the database, one thread at a time; False when the budget has no room for the call."""
        try:
            with self._borrowing:
                with self._lock:
                    missing, window = usd - self._held, self._window
                if missing <= 0 or self.budget_usd is None:
                    return True
                for slice_usd in (max(missing, self.budget_usd / SLICES), missing):
                    if _taken(self.pk, window, slice_usd, self.budget_usd):
                        self._put_in(window, slice_usd)
                        return True
                return False
        finally:
            close_old_connections()

    def _put_in(self, window: datetime, usd: Decimal) -> None:
        with self._lock:
            if window == self._window:
                self._held += usd


def _taken(allowance_id: int, window: datetime, usd: Decimal, budget_usd: Decimal) -> bool:
    row, _ = Spending.objects.get_or_create(allowance_id=allowance_id, starts_at=window)
    room = Spending.objects.filter(pk=row.pk, taken_usd__lte=budget_usd - usd)
    return room.update(taken_usd=F("taken_usd") + usd) == 1


def _bucket(known: Bucket | None, per_minute: int | None) -> Bucket | None:
    if per_minute is None:
        return None
    return known if known is not None and known.per_minute == per_minute else Bucket(per_minute)


def window_start(kind: str, now: datetime) -> datetime:
    """When the hour, day or month (UTC) began that holds a moment."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if kind == Allowance.Window.HOUR:
        return hour
    return hour.replace(hour=0) if kind == Allowance.Window.DAY else hour.replace(hour=0, day=1)


def purses(allowances: Iterable[Allowance]) -> tuple[Purse, ...]:
    """The purses of allowances: one each a process, so that all keys and requests draw from the same."""
    return tuple(_purse(each) for each in allowances)


def _purse(allowance: Allowance) -> Purse:
    with _lock:
        known = _purses.get(allowance.pk)
        if known is None:
            known = _purses[allowance.pk] = Purse(allowance)
        else:
            known.take_over(allowance)
        return known


class Lending:
    """Beside the web server: what is borrowed and unspent goes back when the process ends in peace."""

    def start(self) -> None:
        """Nothing is borrowed before the first call."""

    def stop(self) -> None:
        with _lock:
            held = list(_purses.values())
            _purses.clear()
        for purse in held:
            purse.give_back()
        close_old_connections()
