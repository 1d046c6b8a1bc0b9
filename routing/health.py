"""How an option has been doing lately: its circuit breaker, its latency, its failures; time-decayed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from routing.breaker import Breaker

# Latencies are counted in bins a tenth apart (each 1.1 times the one before), from 1 ms to about 40 minutes.
RATIO = 1.1
N_BINS = 155
HALF_LIFE_S = 600.0
LEAST_CALLS = 5.0


@dataclass(slots=True)
class Spread:
    """How long something took, by bins of weight."""

    n: float = 0.0
    _bins: list[float] = field(default_factory=lambda: [0.0] * N_BINS)

    def add(self, duration_ms: float, weight: float) -> None:
        self._bins[_bin(duration_ms)] += weight
        self.n += weight

    def scale(self, by: float) -> None:
        self._bins, self.n = [count * by for count in self._bins], self.n * by

    def quantile_ms(self, quantile: float, least: float) -> float | None:
        """At most 10 % too high; None below that weight."""
        if self.n < least:
            return None
        wanted, seen = quantile * self.n, 0.0
        for number, count in enumerate(self._bins):
            seen += count
            if seen >= wanted:
                return float(RATIO ** (number + 1))
        return None


@dataclass(slots=True)
class Ration:
    """Lets something happen in one of so many calls at most; a few that were not used are saved up."""

    share: float = 0.05
    most_saved: float = 5.0
    _saved: float = 1.0

    def count(self) -> None:
        self._saved = min(self.most_saved, self._saved + self.share)

    def take(self) -> bool:
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


@dataclass(slots=True)
class Health:
    """Of one option, as this process has seen it. Older calls weigh half as much after ten minutes."""

    breaker: Breaker = field(default_factory=Breaker)
    hedges: Ration = field(default_factory=Ration)
    _whole: Spread = field(default_factory=Spread)
    _first: Spread = field(default_factory=Spread)
    _n_failed: float = 0.0
    _weight: float = 1.0
    _since: float | None = None

    def answered(self, duration_ms: float, now: float) -> None:
        self.breaker.succeeded(now)
        self._whole.add(duration_ms, self._weighted(now))

    def began(self, ttft_ms: float, now: float) -> None:
        """The first of a stream came."""
        self._first.add(ttft_ms, self._weighted(now))

    def outpaced(self, duration_ms: float, now: float) -> None:
        """Stopped because another was faster: it took at least so long, and leaving that out would flatter it."""
        self._whole.add(duration_ms, self._weighted(now))

    def failed(self, now: float) -> None:
        self.breaker.failed(now)
        self._n_failed += self._weighted(now)

    def remember(self, took_ms: float | None, at: float) -> None:
        """A call of before this process began; None = it failed. Oldest first. The breaker learns nothing of it."""
        weight = self._weighted(at)
        if took_ms is None:
            self._n_failed += weight
        else:
            self._whole.add(took_ms, weight)

    def latency_ms(self, quantile: float = 0.95) -> float | None:
        """A latency quantile of whole answers; None with fewer than five calls of weight."""
        return self._whole.quantile_ms(quantile, LEAST_CALLS * self._weight)

    def first_ms(self, quantile: float = 0.95) -> float | None:
        """The same of the time to a stream's first event."""
        return self._first.quantile_ms(quantile, LEAST_CALLS * self._weight)

    @property
    def failing_share(self) -> float | None:
        """Failed attempts among all; None while nothing was tried."""
        total = self._whole.n + self._n_failed
        return self._n_failed / total if total else None

    def _weighted(self, now: float) -> float:
        """Newer calls weigh more, instead of older ones less: no bin is touched until the weights grow too large."""
        if self._since is None:
            self._since = now
        self._weight = 2.0 ** min(1_000.0, (now - self._since) / HALF_LIFE_S)
        if self._weight > 1e9:
            scale = 1 / self._weight
            self._whole.scale(scale)
            self._first.scale(scale)
            self._n_failed, self._since, self._weight = self._n_failed * scale, now, 1.0
        return self._weight


def _bin(duration_ms: float) -> int:
    if not duration_ms > 1:
        return 0
    return min(N_BINS - 1, int(math.log(duration_ms) / math.log(RATIO)))
